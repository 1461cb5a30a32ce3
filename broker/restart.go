package broker

import (
	"math"
	"time"
)

// Restore takes in what the Store holds from before: subscriptions of Sessions
// that sleep, Wills that are due later, retained messages. It must be called
// before anything else, and blocks until all is there. progress is called from time to
// time with the number of records read so far; it may be nil.
//
// What is in a mailbox is looked at when the Session is woken, or when the
// first message comes for it.
func (b *Broker) Restore(progress func(records int)) error {
	if progress == nil {
		progress = func(int) {}
	}
	r := restorer{broker: b, now: b.deadlines.wallNow()}
	n := 0
	note := func() {
		if n++; n%restoreNotice == 0 {
			progress(n)
		}
	}
	err := b.store.Sessions(func(key SessionKey, rec *SessionRecord) {
		r.session(key, rec)
		note()
	})
	if err != nil {
		return err
	}
	if err := b.restoreRetained(note); err != nil {
		return err
	}
	r.finish()
	return nil
}

// restoreNotice is how many records are read from one call of progress to the next.
const restoreNotice = 100_000

// restorer is what Restore gathers.
type restorer struct {
	broker *Broker
	now    time.Time
	dead   []deadSession // that have ended with the node
	lost   []lostSession // that were connected when the node went down
	wills  []*Session    // whose Will is due later
	ends   time.Duration // when the first Session that sleeps ends; 0 is never
}

type deadSession struct {
	key SessionKey
	rec *SessionRecord
}

type lostSession struct {
	key SessionKey
	rec *SessionRecord
}

// session takes in one record.
func (r *restorer) session(key SessionKey, rec *SessionRecord) {
	if rec.Expiry == 0 || rec.outlived(r.now.UnixMilli()) {
		r.dead = append(r.dead, deadSession{key, rec})
		return
	}
	if rec.SleptAt == 0 { // its connection has ended with the node
		rec.SleptAt = unixMilli(r.now)
		if rec.Will != nil {
			rec.WillAt = unixMilli(r.now.Add(rec.Will.Delay))
		}
		lost := *rec
		lost.Sent, lost.Mail = noSession, true // nobody knows
		lost.KeepFor = max(lost.KeepFor, r.broker.cfg.inboxExpiry())
		r.lost = append(r.lost, lostSession{key, &lost})
	}
	a := r.broker.App(key.App)
	s := &Session{app: a, clientID: key.ClientID, expiry: rec.Expiry, flags: flagStored | flagUncounted}
	s.box = box{id: rec.Mailbox, next: max(rec.Next, 1)}
	s.slept = rec.SleptAt / 1000
	if rec.Mail {
		s.flags |= flagMail
	}
	indexed := s.indexSleeping(rec.Subscriptions)
	if indexed == 0 && rec.Will == nil {
		return // the Store is enough
	}
	r.broker.withScratch(func(sc *Scratch) {
		a.usage.sessions.Add(1)
		a.register(s)
		r.ends = earlier(r.ends, s.ends())
	})
	if rec.Will != nil {
		r.wills = append(r.wills, s)
	}
}

// indexSleeping puts the subscriptions of a Session that sleeps into the index,
// and returns how many there are.
func (s *Session) indexSleeping(subs []Subscribe) (indexed int) {
	for i := range subs {
		if s.logged(&subs[i]) {
			continue
		}
		indexed++
		if isShared(subs[i].TopicFilter) {
			s.flags |= flagShared
		}
	}
	if indexed > 0 {
		s.subs = subs
		for i := range subs {
			if !s.logged(&subs[i]) {
				s.index(&subs[i])
			}
		}
	}
	return indexed
}

// finish deals with what had to wait until all was there.
func (r *restorer) finish() {
	b := r.broker
	r.saveLost()
	for _, s := range r.wills { // awake until then
		b.withScratch(func(sc *Scratch) {
			s.mu.Lock()
			s.wake()
			s.unlock(sc)
		})
	}
	for _, d := range r.dead {
		d.bury(b)
	}
	if r.ends != 0 {
		b.sweeper.expect(r.ends)
	}
}

// saveLost notes when the connections that were lost with the node have ended.
func (r *restorer) saveLost() {
	w := newWaiter()
	for i, l := range r.lost {
		if i%savePace != savePace-1 && i != len(r.lost)-1 {
			r.broker.store.SaveSession(l.key, l.rec, nil)
			continue
		}
		r.broker.store.SaveSession(l.key, l.rec, w)
		_ = w.wait() // a full Store leaves the records as they were, which does no harm
	}
}

// bury publishes the Will of a Session that has ended with the node, or while it was
// down, and deletes what nobody is owed any more.
func (d *deadSession) bury(b *Broker) {
	a := b.App(d.key.App)
	if d.rec.Will != nil {
		b.withScratch(func(sc *Scratch) {
			b.Publish(sc, &Publish{App: a, Message: d.rec.Will.publishable(b.cfg.Clock.Now()), willOf: d.key.ClientID})
		})
	}
	s := &Session{app: a, clientID: d.key.ClientID}
	switch {
	case d.rec.Mail: // it is kept for the device
		d.rec.Will, d.rec.WillAt = nil, 0
		s.orphan(d.rec)
		b.store.SaveSession(d.key, d.rec, nil)
	case anyShared(d.rec.Subscriptions):
		b.store.DeleteSession(d.key, 0, nil)
		sharedScan{
			app: a, box: d.rec.Mailbox, after: ownedAfter(0, d.rec.DropBefore), until: math.MaxUint64, sent: d.rec.Sent, erase: true,
		}.run()
	default:
		b.store.DeleteSession(d.key, d.rec.Mailbox, nil)
	}
}
