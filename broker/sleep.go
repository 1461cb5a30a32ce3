package broker

import (
	"sync/atomic"
	"time"
)

// flash counts the Sessions whose client is lost and may come back soon: what
// they have in RAM stays there, within bounds, so that a quick return needs
// nothing from the Store.
type flash struct {
	count, bytes atomic.Int64
}

// flashCost is what a Session in flash counts for in bytes beside its messages.
const flashCost = 512

// reserve lets a Session in that has so many bytes in RAM, if there is room.
func (f *flash) reserve(cfg *Config, x *extra, bytes int) bool {
	bytes += flashCost
	if f.count.Load() >= int64(cfg.FlashSessions) || f.bytes.Load()+int64(bytes) > int64(cfg.FlashBytes) {
		return false
	}
	f.count.Add(1)
	f.bytes.Add(int64(bytes))
	x.flash = bytes
	return true
}

// giveBack ends what reserve began.
func (f *flash) giveBack(x *extra) {
	if x.flash > 0 {
		f.count.Add(-1)
		f.bytes.Add(-int64(x.flash))
		x.flash = 0
	}
}

// goOffline is what becomes of a lasting Session that has lost its connection.
// It returns the Will if that is due at once.
func (s *Session) goOffline(sc *Scratch) (due *Will) {
	x := s.more()
	now := s.app.broker.deadlines.now()
	x.sleptAt = s.app.broker.deadlines.wallNow()
	x.slowAt, x.willAt, x.heldUntil = 0, 0, 0
	s.dropFleeting()
	if x.will != nil {
		if x.will.Delay > 0 {
			x.willAt = now + x.will.Delay
		} else {
			due, x.will = x.will, nil
		}
	}
	if x.will != nil || x.record.will || x.record.expiry != s.expiry {
		s.saveRecord(nil) // a delay goes on if the node restarts
	}
	s.linger(sc)
	return due
}

// linger keeps an off-line Session awake for a while, or puts it to sleep if
// there are too many of them.
func (s *Session) linger(sc *Scratch) {
	b := s.app.broker
	x := s.more()
	b.flash.giveBack(x)
	x.expireAt = 0
	if s.expiry != NeverExpires {
		x.expireAt = b.deadlines.of(x.sleptAt.Add(time.Duration(s.expiry) * time.Second))
	}
	if x.will != nil { // it must be there to be published
		x.dozeAt = 0
		s.schedule()
		return
	}
	x.dozeAt = b.deadlines.now()
	if b.flash.reserve(&b.cfg, x, s.heldBytes()) {
		x.dozeAt += b.cfg.FlashTimeout
	} else if s.doze(sc) {
		return
	} else {
		x.dozeAt += time.Second // something has to end first
	}
	s.schedule()
}

// lostOfLate tells whether the client has a connection still, or has lost it no longer than FlashTimeout ago.
func (s *Session) lostOfLate() bool {
	b := s.app.broker
	return s.link != nil || s.extra != nil && b.deadlines.wallNow().Sub(s.extra.sleptAt) <= b.cfg.FlashTimeout
}

// heldBytes is the size of the messages that the Session has in RAM.
func (s *Session) heldBytes() int {
	n := 0
	if b := s.backlog; b != nil {
		n = b.bytes
	}
	if w := s.window; w != nil {
		for i := range w.holds.len() {
			if m := w.holds.at(i).item.msg; m != nil {
				n += m.size()
			}
		}
	}
	return n
}

// mayDoze tells whether the Session holds nothing that only RAM has.
func (s *Session) mayDoze() bool {
	x := s.extra
	return s.link == nil && s.persistent() && !s.has(flagEnded|flagLoading|flagPaging|flagLogging|flagFetching) &&
		(s.backlog == nil || s.backlog.waiting.len() == 0) &&
		(x == nil || x.will == nil && x.connect == nil && !s.receiptPending() && len(x.releasing) == 0 && x.scans == 0 && len(x.refused) == 0 && x.logs.Load() == 0)
}

// doze puts an off-line Session to sleep, which must have mu held: what it
// consists of is in the Store, and only its subscriptions stay. It returns false if
// that must wait.
func (s *Session) doze(sc *Scratch) bool {
	if !s.mayDoze() {
		return false
	}
	b := s.app.broker
	x := s.more()
	s.saveRecord(nil)
	b.flash.giveBack(x)
	b.deadlines.set(x, 0)
	if w := s.window; w != nil {
		sc.of(s.app).inflight.add(-w.unacked)
		w.states.drop()
		w.recycle()
	}
	if s.has(flagMail) && !s.mailRecorded() {
		s.flags |= flagUnrecorded
	}
	s.epoch.Store(0)
	s.slept = x.sleptAt.Unix()
	s.flags &^= flagReady | flagFull | flagHeld | flagFetch | flagMakeRoom | flagFetchLog | flagShared
	indexed := 0
	for i := range s.subs {
		if s.logged(&s.subs[i]) {
			s.app.index.Unsubscribe(s.subs[i].TopicFilter, s)
			continue
		}
		indexed++
		if isShared(s.subs[i].TopicFilter) {
			s.flags |= flagShared
		}
	}
	s.live = nil
	switch {
	case indexed == 0:
		s.leaveRAM(sc)
	case s.expiry != NeverExpires:
		b.sweeper.expect(s.ends())
	}
	return true
}

// leaveRAM has the registry forget a Session that is in the Store alone.
func (s *Session) leaveRAM(sc *Scratch) {
	s.flags |= flagEnded // whoever finds it takes another look
	s.app.usage.sessions.Add(-1)
	s.app.hold(-int(s.box.count), -int(s.box.bytes))
	sc.gone = append(sc.gone, s)
}

// ends is when a Session ends that sleeps, on the broker's clock; 0 is never.
func (s *Session) ends() time.Duration {
	if s.expiry == NeverExpires {
		return 0
	}
	// Rounded up: it must not end early.
	return s.app.broker.deadlines.of(time.Unix(s.slept+int64(s.expiry)+1, 0))
}

// outlived tells whether the Session sleeps and has expired.
func (s *Session) outlived() bool {
	if !s.asleep() {
		return false
	}
	ends := s.ends()
	return ends != 0 && ends <= s.app.broker.deadlines.now()
}
