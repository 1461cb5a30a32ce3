package broker

import (
	"math"
	"slices"
	"time"
)

// noSession is the DropBefore of a mailbox that belongs to no Session: it holds
// what was addressed to a device that has never connected, or whose Session has
// ended.
const noSession = math.MaxUint64

// endSlack is for how many seconds after the end of a Session its record is kept at least, if it leaves something to others:
// the Session ends when that is noticed.
const endSlack = 3600

// recordState is what is known of the Session's record in the Store.
type recordState struct {
	saved  bool // there is one
	awake  bool // it says that the client is connected
	will   bool // it has a Will
	expiry uint32
}

// orphaned tells whether the mailbox belongs to no Session.
func (s *Session) orphaned() bool {
	return s.extra != nil && s.extra.reader.dropBefore == noSession
}

// head is the place of the first entry that may be left in the mailbox.
func (s *Session) head() uint64 {
	if w := s.window; w != nil {
		for i := range w.holds.len() {
			if it := &w.holds.at(i).item; it.seq != 0 {
				return it.seq
			}
		}
	}
	if b := s.backlog; b != nil {
		for i := range b.queued.len() {
			if it := b.queued.at(i); it.seq != 0 {
				return it.seq
			}
		}
	}
	if s.extra == nil {
		return 1
	}
	return s.extra.reader.loaded + 1
}

// makeRecord is what is to be in the Store.
func (s *Session) makeRecord() *SessionRecord {
	x := s.more()
	r := &SessionRecord{
		Mailbox:    s.box.id,
		Expiry:     s.expiry,
		SleptAt:    unixMilli(x.sleptAt),
		Next:       max(s.box.next, 1),
		Head:       s.head(),
		Sent:       x.reader.sent,
		DropBefore: x.reader.dropBefore,
		Mail:       s.has(flagMail),
		Fruitless:  x.fruitless,
		Will:       x.will,
	}
	if x.will != nil && x.willAt != 0 {
		r.WillAt = unixMilli(s.app.broker.deadlines.wall(x.willAt))
	}
	if s.lasting() {
		r.Subscriptions = lastingOf(s.subs)
	}
	if r.Mail || r.Will != nil || anyShared(r.Subscriptions) { // they outlive the Session
		r.KeepFor = max(s.app.broker.cfg.inboxExpiry(), uint32(min(uint64(s.expiry)+endSlack, NeverExpires-1)))
	}
	if s.lasting() {
		return r
	}
	if s.persistent() { // what is left of it when the node goes down
		s.orphan(r)
	}
	return r
}

// orphan makes r that of a mailbox without a Session.
func (s *Session) orphan(r *SessionRecord) {
	b := s.app.broker
	r.Expiry, r.Subscriptions, r.Mail = b.cfg.inboxExpiry(), nil, true
	r.DropBefore, r.SleptAt, r.KeepFor = noSession, unixMilli(b.deadlines.wallNow()), 0
}

// orphanRecord is the record of what a Session leaves to the device.
func (s *Session) orphanRecord() *SessionRecord {
	r := &SessionRecord{Mailbox: s.box.id, Next: s.box.next, Head: 1}
	if !s.asleep() {
		r = s.makeRecord()
		r.Will, r.WillAt = nil, 0
	}
	s.orphan(r)
	return r
}

// saveRecord hands the Session's record to the Store. c is told when it is safe.
func (s *Session) saveRecord(c Commit) {
	r := s.makeRecord()
	x := s.more()
	x.record = recordState{saved: true, awake: s.link != nil, will: r.Will != nil, expiry: s.expiry}
	s.app.broker.store.SaveSession(s.key(), r, &recordSave{x, x.subsNow, c})
}

// recordSave is a record on its way to the Store.
type recordSave struct {
	x    *extra
	subs uint32 // x.subsNow of it
	c    Commit // may be nil
}

// Committed implements Commit. Records of one Session come to their ends in order.
func (r *recordSave) Committed(err error) {
	if err == nil {
		r.x.subsStored.Store(r.subs)
	}
	if r.c != nil {
		r.c.Committed(err)
	}
}

// subscriptionsChanged notes that the subscriptions are others than in the Store.
func (s *Session) subscriptionsChanged() {
	if s.extra != nil { // else there is no record
		s.extra.subsNow++
	}
}

// subscriptionsSafe tells whether the subscriptions in the Store are those of the Session.
func (s *Session) subscriptionsSafe() bool {
	x := s.extra
	return x != nil && s.persistent() && s.lasting() && x.record.saved && x.subsStored.Load() == x.subsNow
}

// saveLast saves the record of a Session that is off line and awake, because
// the node goes down. c is told if tell is true.
func (s *Session) saveLast(c Commit, tell bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.has(flagEnded|flagLoading) || s.asleep() || s.link != nil || !s.persistent() || !s.lasting() {
		return false
	}
	if !tell {
		c = nil
	}
	s.saveRecord(c)
	return true
}

// recordChanged notes that the record in the Store is not what it should be.
func (s *Session) recordChanged() {
	if s.extra != nil {
		s.extra.record.awake = false
	}
}

// recordCurrent tells whether the record in the Store says of a connected
// Session what it must: no write is needed when a client comes back soon.
func (s *Session) recordCurrent() bool {
	rs := recordState{}
	if s.extra != nil {
		rs = s.extra.record
	}
	if s.extra != nil && s.extra.will != nil || rs.will {
		return false
	}
	if !s.persistent() {
		return !rs.saved
	}
	return rs.saved && rs.awake && rs.expiry == s.expiry && s.lasting()
}

// restore fills a Session that has been fetched from the Store. One that was
// asleep has its subscriptions already.
func (s *Session) restore(sc *Scratch, r *SessionRecord) {
	b := s.app.broker
	s.expiry = r.Expiry
	s.setCount(sc, r.Count, r.Bytes)
	s.flags &^= flagUncounted | flagMail | flagUnrecorded
	if r.Mail || r.SleptAt == 0 {
		s.flags |= flagMail
	}
	x := s.more()
	if r.Mailbox != 0 {
		s.flags |= flagStored
		s.box.id = r.Mailbox
		s.box.next = max(s.box.next, r.Next, 1)
		s.box.skipTo(b.deadlines.wallNow())
	}
	x.reader = reader{
		loaded: max(r.Head, 1) - 1, behind: r.Count > 0, sent: r.Sent, dropBefore: r.DropBefore,
		logTaken: r.Cursor, cursor: r.Cursor,
	}
	if !x.reader.behind {
		x.reader.loaded = s.box.next - 1
	}
	x.reader.sent = min(x.reader.sent, s.box.next-1) // it is noSession after a crash
	if r.SleptAt == 0 {                              // the node went down: nobody knows what had been sent
		x.reader.sent = s.box.next - 1
		x.sleptAt = b.deadlines.wallNow()
	} else {
		x.sleptAt = time.UnixMilli(r.SleptAt)
	}
	if r.Will != nil {
		x.will = r.Will
		x.willAt = b.deadlines.of(time.UnixMilli(r.WillAt))
	}
	x.fruitless = r.Fruitless
	x.record = recordState{saved: true, will: r.Will != nil, expiry: r.Expiry}
	for _, id := range r.Received {
		s.setReceipt(id, receipt{restored: true})
	}
	for id, p := range r.Partial {
		s.setReceipt(id, receipt{restored: true, partial: p})
	}
	if s.subs == nil {
		s.subs = r.Subscriptions
		for i := range s.subs {
			s.index(&s.subs[i])
		}
	} else {
		if !slices.Equal(s.subs, r.Subscriptions) { // the Store has failed to keep some
			s.subscriptionsChanged()
		}
		for i := range s.subs {
			if s.logged(&s.subs[i]) {
				s.index(&s.subs[i])
			}
		}
	}
}

// index puts a subscription into the App's index.
func (s *Session) index(sub *Subscribe) {
	s.app.index.Subscribe(sub.TopicFilter, s.subscription(*sub))
}
