package broker

import (
	"slices"
	"strings"
	"sync/atomic"
)

// isShared tells whether a Topic Filter is that of a Shared Subscription.
func isShared(filter string) bool { return strings.HasPrefix(filter, "$share/") }

// anyShared tells whether one of subs is shared.
func anyShared(subs []Subscribe) bool {
	return slices.ContainsFunc(subs, func(sub Subscribe) bool { return isShared(sub.TopicFilter) })
}

// sharedTries bounds how often another member is picked because the one that
// was has ended in the same moment.
const sharedTries = 16

// offerShared offers it to one member of its group. v5 4.8.2 leaves the choice
// to the server.
func (sc *Scratch) offerShared(g *group, it item) Result {
	if len(sc.skip) > 0 && g.Any(func(m groupMember) bool { return sc.skips(m.Subscriber.mailbox()) }) {
		return Accepted // one of them has it
	}
	for range sharedTries {
		sub, found := pickMember(g, &it)
		if !found {
			return Accepted
		}
		it.qos = min(it.msg.QoS, QoS(sub.Options.QoS()))
		it.retain = it.msg.Retain && sub.Options.RetainAsPublished()
		it.ids = nil
		if sub.ID != 0 {
			sc.ids = append(sc.ids[:0], sub.ID)
			it.ids = sc.ids
		}
		if r, ended := sub.Subscriber.offerMember(sc, &it); !ended {
			return r
		}
	}
	return QuotaExceeded
}

// pickMember picks, each time in turn, a member that is connected and has
// nothing waiting, else one that is connected and has room to keep it, else one that is connected, else one that has
// room, else any, which refuses it. What is owed does not wait for one that is connected if another has room: nobody
// would send it again if the node went down meanwhile.
func pickMember(g *group, it *item) (m groupMember, found bool) {
	if m, found = g.Pick(memberIdle); found {
		return m, true
	}
	size := it.msg.size()
	keeps := func(m groupMember) bool { return memberKeeps(m, size) }
	both := func(m groupMember) bool { return memberConnected(m) && keeps(m) }
	order := [...]func(groupMember) bool{both, memberConnected, keeps, memberLives}
	if it.owed {
		order[1], order[2] = keeps, memberConnected
	}
	for _, ok := range order {
		if m, found = g.Pick(ok); found {
			return m, true
		}
	}
	return m, false
}

func memberIdle(m groupMember) bool {
	s := m.Subscriber
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.has(flagReady) && !s.has(flagFull|flagHeld) && s.caughtUp() && s.room()
}

func memberConnected(m groupMember) bool {
	s := m.Subscriber
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.asleep() && s.link != nil
}

func memberKeeps(m groupMember, size int) bool {
	s := m.Subscriber
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.has(flagEnded) && !s.outlived() && s.fits(size)
}

func memberLives(m groupMember) bool {
	s := m.Subscriber
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.has(flagEnded) && !s.outlived()
}

// mailbox is the Session's; 0 is none.
func (s *Session) mailbox() Mailbox {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.box.id
}

// offerMember is offer to a member of a group. If the Session has ended since
// it was picked, the message is owed to another member.
func (s *Session) offerMember(sc *Scratch, it *item) (r Result, ended bool) {
	s.mu.Lock()
	if s.has(flagEnded) || s.outlived() {
		s.mu.Unlock()
		return Accepted, true
	}
	r = s.offerLocked(sc, it)
	s.unlock(sc)
	return r, false
}

// leave has unlock hand on a message of the Session's mailbox that an older Session was owed, and that has not been
// handed on: it has been read while, or instead of that, the mailbox was looked through.
func (s *Session) leave(sc *Scratch, e *Entry) {
	g := s.app.index.Group(e.Group)
	if g == nil {
		s.dropped(sc, e.Message, DropSessionEnd)
		return
	}
	s.more().refused = append(s.more().refused, item{msg: e.Message, group: g, owed: true})
	s.flags |= flagHandOn
}

// handOnRefused hands on what refuseWaiting and leave have left. mu is not held.
func (s *Session) handOnRefused() {
	s.mu.Lock()
	if s.asleep() || s.extra == nil {
		s.mu.Unlock()
		return
	}
	items := s.extra.refused
	s.extra.refused = nil
	s.mu.Unlock()
	s.app.broker.withScratch(func(sc *Scratch) {
		for _, it := range items {
			s.app.handOn(sc, it)
		}
	})
}

// handOn gives a message that a member has left unacknowledged to another one,
// v5 4.8.2, and answers its publisher if that still waits. If all are full it may come here again, but
// not for ever.
func (a *App) handOn(sc *Scratch, it item) {
	op := it.op
	if it.owed = it.owed || op == nil; it.owed {
		op = nil // that of an earlier offer, of which nobody is told
	}
	it.seq, it.log, it.dup, it.released, it.unsafe, it.op = 0, 0, false, false, nil, nil
	sc.op, sc.attended = op, op != nil
	r := QuotaExceeded
	switch {
	case it.group.Len() == 0:
		r = Accepted
	case it.refused < sharedTries:
		r = sc.offerShared(it.group, it)
	}
	if op == nil && (!r.OK() || it.group.Len() == 0) {
		sc.drop(a, ConnectionID{App: a.name}, it.msg, DropSessionEnd)
	}
	if sc.op != nil { // made by the offer if op is nil: then nobody waits for it
		sc.op.finish(r)
		sc.op = nil
	}
}

// scanPage is how many entries of the mailbox of a Session that has ended are looked at
// at a time.
const scanPage = 64

// sharedScan looks through the mailbox of a Session that has ended, for
// messages of Shared Subscriptions, which are owed to other members.
type sharedScan struct {
	app   *App
	box   Mailbox  // 0 is none
	after uint64   // entries up to this one have been dealt with
	until uint64   // entries after this one are none of its business: whoever has the mailbox now is owed them
	sent  uint64   // entries up to this one may have been sent to the client
	erase bool     // the mailbox is deleted afterwards
	heir  *Session // has the mailbox now; nil is nobody
}

// ownedAfter is the entry behind which a mailbox, of which those up to loaded are in RAM, holds what its Session may owe to others. What
// is older than the Session was owed by the one before.
func ownedAfter(loaded, dropBefore uint64) uint64 {
	if dropBefore == noSession {
		return loaded
	}
	return max(loaded, max(dropBefore, 1)-1)
}

// awaitScan has s, whose mailbox is looked through for what it does not owe any more, leave that there until then.
func (s *Session) awaitScan(left *leftovers) {
	if left.scan.box != 0 {
		left.scan.heir = s
		s.extra.scans++
	}
}

// scanned tells that the mailbox has been looked through.
func (s *Session) scanned() {
	var todo sessionFlags
	var heir *Session
	s.app.broker.withScratch(func(sc *Scratch) {
		s.mu.Lock()
		s.extra.scans--
		if heir = s.extra.heir; heir == nil && !s.has(flagEnded) {
			s.goOnWaiting(sc)
		}
		todo = s.release()
	})
	s.carryOut(todo)
	if heir != nil {
		heir.scanned()
	}
}

// lateScan is a sharedScan that begins when the Session's record has been read and no lock is held any more: a
// Store may answer at once.
type lateScan struct {
	sharedScan
	missing atomic.Int32 // of these two
}

// arrived tells of one of the two.
func (l *lateScan) arrived() {
	if l.missing.Add(-1) == 0 {
		l.run()
	}
}

// run hands them on. It does not block.
func (c sharedScan) run() {
	b := c.app.broker
	b.store.Load(c.box, c.after, scanPage, pageBytes, func(es []Entry, more bool, err error) {
		if err != nil {
			b.cfg.Logger.Error("mailbox_unreadable", "mailbox", uint64(c.box), "error", err)
		}
		b.withScratch(func(sc *Scratch) {
			for i := range es {
				c.handOn(sc, &es[i])
			}
		})
		switch {
		case more && len(es) > 0 && es[len(es)-1].Seq < c.until:
			c.after = es[len(es)-1].Seq
			c.run()
		case c.erase:
			b.store.DeleteMailbox(c.box, nil)
		case c.heir != nil:
			c.heir.scanned()
		}
	})
}

func (c *sharedScan) handOn(sc *Scratch, e *Entry) {
	// A QoS 2 message that has been sent to the client is not for another:
	// v5 [MQTT-4.8.2-5].
	if e.Group == "" || e.QoS == 2 && e.Seq <= c.sent || e.Seq > c.until {
		return
	}
	if !c.erase { // what is left in the mailbox is handed on by who reads it: see addPage
		st := c.app.broker.store
		tx := st.Begin()
		defer st.End(tx)
		defer st.Remove(c.box, e.Seq, e.Message.Body)
	}
	if g := c.app.index.Group(e.Group); g != nil {
		c.app.handOn(sc, item{msg: e.Message, group: g})
		return
	}
	sc.drop(c.app, ConnectionID{App: c.app.name}, e.Message, DropSessionEnd)
}
