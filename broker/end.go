package broker

import (
	"math"
	"time"
)

// Leave is how a Network Connection ended.
type Leave struct {
	// Graceful means that the client took leave, and wants no Will published.
	Graceful bool
	// Expiry replaces the Session Expiry Interval if it is not nil.
	Expiry *uint32
	// Reason is why, for hooks; nil is not known.
	Reason error
}

// Detach tells that the connection of that epoch has ended. Nothing happens if
// a newer one owns the Session already.
func (s *Session) Detach(sc *Scratch, epoch uint64, how Leave) {
	s.mu.Lock()
	if s.epoch.Load() != epoch || s.asleep() || s.link == nil {
		s.mu.Unlock()
		return
	}
	s.link = nil
	s.flags &^= flagReady | flagFull | flagHeld
	s.app.left()
	if how.Expiry != nil && s.lasting() { // v5 3.14.2.2.2: what was to end ends
		s.expiry = s.app.broker.clampExpiry(*how.Expiry)
	}
	if x := s.extra; x != nil && how.Graceful {
		x.will = nil // v5 [MQTT-3.14.4-3], v3.1.1 [MQTT-3.1.2-10]
	}
	s.tellDisconnected(sc, Disconnected{Graceful: how.Graceful, Reason: how.Reason, Ended: !s.lasting()})
	if !s.lasting() {
		s.finish(sc)
		return
	}
	refused := s.refuseWaiting(sc)
	tx := s.app.broker.store.Begin() // a Will is published and out of the record, or neither
	will := s.goOffline(sc)
	s.unlock(sc)
	if will != nil {
		s.app.broker.publishWill(sc, s, will)
	}
	s.app.broker.store.End(tx)
	for _, op := range refused {
		op.finish(QuotaExceeded)
	}
}

// DropWill drops the Will of a client that has taken leave, before Detach follows: what it has published before may
// still have to wait, and the connection end by other means. Nothing happens if a newer connection owns the Session.
func (s *Session) DropWill(epoch uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.epoch.Load() == epoch && !s.asleep() && s.link != nil && s.extra != nil {
		s.extra.will = nil
	}
}

// schedule sets the Session's deadline to the earliest of its reasons.
func (s *Session) schedule() {
	x := s.extra
	var at time.Duration
	for _, t := range [...]time.Duration{x.willAt, x.expireAt, x.slowAt, x.dozeAt, x.heldUntil, x.logAt} {
		if t != 0 && (at == 0 || t < at) {
			at = t
		}
	}
	s.app.broker.deadlines.set(x, at)
}

// onDeadline is called when a Session's deadline has come.
func (b *Broker) onDeadline(s *Session) {
	b.withScratch(func(sc *Scratch) {
		s.mu.Lock()
		if s.has(flagEnded) || s.asleep() || s.extra == nil {
			s.mu.Unlock()
			return
		}
		x := s.extra
		now := b.deadlines.now()
		if x.expireAt != 0 && x.expireAt <= now && s.link == nil {
			s.finish(sc)
			return
		}
		var will *Will
		if x.willAt != 0 && x.willAt <= now {
			tx := b.store.Begin() // it is published and out of the record, or neither
			defer b.store.End(tx)
			will, x.will, x.willAt = x.will, nil, 0
			x.dozeAt = now + time.Second
			s.saveRecord(nil)
		}
		if x.slowAt != 0 && x.slowAt <= now {
			x.slowAt = 0
			s.endSlow(now)
		}
		if x.heldUntil != 0 && x.heldUntil <= now {
			x.heldUntil = 0
			s.flags &^= flagHeld
			s.pump(sc)
		}
		if x.logAt != 0 && x.logAt <= now {
			x.logAt = 0
			s.pump(sc)
		}
		if x.dozeAt != 0 && x.dozeAt <= now {
			x.dozeAt = now + time.Second // unless it succeeds
			s.doze(sc)
		}
		if !s.asleep() {
			s.schedule()
		}
		s.unlock(sc)
		if will != nil {
			b.publishWill(sc, s, will)
		}
	})
}

// finish ends the Session for good. It is called with mu held and unlocks.
func (s *Session) finish(sc *Scratch) {
	b := s.app.broker
	erase := s.box.id != 0 || s.recorded()
	var orphan *SessionRecord
	if s.leavesMail() {
		orphan = s.orphanRecord()
	}
	left := s.retire(sc, ErrTakenOver)
	s.mu.Unlock()
	tx := b.store.Begin() // its Will is published if it ends, and only then
	s.app.forgetStored(s, func() {
		switch {
		case orphan != nil:
			left.box = s.box.id
			left.readRecord(s)
			b.store.SaveSession(s.key(), orphan, nil)
		case erase:
			left.erase(s)
		}
	})
	left.settle(sc)
	b.store.End(tx)
}

// leavesMail tells whether the mailbox of a Session that ends holds messages that were
// addressed to the device: they are kept for it.
func (s *Session) leavesMail() bool {
	return s.persistent() && s.has(flagMail) && (s.box.count > 0 || s.has(flagUncounted))
}

// forgetStored is forget that calls first, under the shard's lock, what changes the Store: who connects
// next under the Client Identifier reads the Store after that.
func (a *App) forgetStored(s *Session, first func()) {
	sh := a.shard(s.clientID)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.m[s.clientID] != s {
		return
	}
	first()
	delete(sh.m, s.clientID)
}

// leftovers are what remains to be done after a Session has ended, with no
// lock held.
type leftovers struct {
	session *Session
	subs    []Subscribe
	will    *Will
	ops     []*publishOp // publishers that need not wait for it any more
	shared  []item       // messages of Shared Subscriptions for other members
	mail    []item       // messages addressed to the device
	scan    sharedScan   // of a mailbox that may hold more of shared
	late    *lateScan    // likewise; nil is none
	box     Mailbox      // that stays for what was addressed to the device, and is to hold none of shared; 0 is none
}

// retire takes the Session out of service, with mu held. Only the first call
// has an effect: between the end of a Session and its removal from the registry
// a clean start may find it there.
func (s *Session) retire(sc *Scratch, reason error) leftovers {
	if s.has(flagEnded) {
		return leftovers{}
	}
	left := leftovers{session: s, subs: s.subs}
	if s.persistent() {
		s.app.hold(-int(s.box.count), -int(s.box.bytes))
		if s.sharesMailbox() {
			left.scan = sharedScan{app: s.app, box: s.box.id, until: math.MaxUint64}
			if !s.asleep() {
				r := &s.extra.reader
				left.scan.after, left.scan.until, left.scan.sent = ownedAfter(r.loaded, r.dropBefore), s.box.next-1, r.sent
			}
		}
	}
	s.subs = nil
	s.app.usage.sessions.Add(-1)
	if s.asleep() {
		s.epoch.Store(0)
		s.flags = flagEnded
		return left
	}
	if s.link != nil {
		s.link.End(reason)
		s.link = nil
		s.tellDisconnected(sc, Disconnected{Reason: reason, Ended: true})
		s.app.broker.takeovers.Add(1)
		s.app.left()
	}
	s.epoch.Store(0)
	s.flags = s.flags&(flagLoading|flagWake) | flagEnded
	if x := s.extra; x != nil {
		left.will, x.will = x.will, nil
		left.shared, x.refused = x.refused, nil
		x.willAt, x.expireAt, x.slowAt, x.dozeAt, x.heldUntil, x.logAt = 0, 0, 0, 0, 0, 0
		s.app.broker.deadlines.set(x, 0)
		s.app.broker.flash.giveBack(x)
	}
	s.retireWindow(sc, &left)
	s.retireBacklog(sc, &left)
	return left
}

// sharesMailbox tells whether messages of a Shared Subscription may be in the
// mailbox that are not in RAM.
func (s *Session) sharesMailbox() bool {
	if s.asleep() {
		return s.has(flagShared) && (s.box.count > 0 || s.has(flagUncounted))
	}
	if !s.behind() {
		return false
	}
	return anyShared(s.subs)
}

func (s *Session) retireWindow(sc *Scratch, left *leftovers) {
	w := s.window
	if w == nil {
		return
	}
	for i := range w.states.len() {
		// A QoS 2 message that has been sent to the client is not for another:
		// v5 [MQTT-4.8.2-5].
		if h := w.hold(i); h != nil && h.group != nil && *w.states.at(i) == awaitAck {
			h.item.refused = 0
			left.shared = append(left.shared, h.item)
		}
	}
	sc.of(s.app).inflight.add(-w.unacked)
	w.states.drop()
	w.recycle()
	s.window = nil
}

func (s *Session) retireBacklog(sc *Scratch, left *leftovers) {
	b := s.backlog
	if b == nil {
		return
	}
	for b.queued.len() > 0 {
		it := b.queued.pop()
		if it.seq == 0 {
			s.app.hold(-1, -it.msg.size())
		}
		if it.addressed {
			continue // it is in the mailbox
		}
		if it.group != nil && !it.released {
			it.refused = 0
			left.shared = append(left.shared, it)
			continue
		}
		s.dropped(sc, it.msg, DropSessionEnd)
	}
	for b.waiting.len() > 0 {
		it := b.waiting.pop()
		s.app.await(-1, -it.msg.size())
		switch { // its publisher waits for what becomes of it
		case it.group != nil:
			left.shared = append(left.shared, it)
			continue
		case it.addressed:
			left.mail = append(left.mail, it)
			continue
		}
		left.ops = append(left.ops, it.op)
	}
	s.backlog = nil
}

// erase deletes what is stored of s, but leaves the mailbox as long as it has
// to be looked through, which settle begins. Locks may be held.
func (l *leftovers) erase(s *Session) {
	st := s.app.broker.store
	if l.scan.box == 0 {
		st.DeleteSession(s.key(), s.box.id, nil)
		return
	}
	l.scan.erase = true
	l.readRecord(s)
	st.DeleteSession(s.key(), 0, nil)
}

// readRecord has the look through the mailbox of a Session that sleeps wait for its record, which is about to be
// replaced: it tells what the client has been sent, and what belonged to an older Session. Locks may be held.
func (l *leftovers) readRecord(s *Session) {
	if l.scan.box == 0 || !s.asleep() {
		return
	}
	late := &lateScan{sharedScan: l.scan}
	late.missing.Store(2)
	l.scan, l.late = sharedScan{}, late
	s.app.broker.store.LoadSession(s.key(), func(r *SessionRecord, err error) {
		if r != nil {
			late.sent, late.after = r.Sent, ownedAfter(0, r.DropBefore)
		}
		late.arrived()
	})
}

// settle does what remains.
func (l *leftovers) settle(sc *Scratch) {
	s := l.session
	if s == nil {
		return
	}
	b := s.app.broker
	for _, sub := range l.subs {
		s.app.index.Unsubscribe(sub.TopicFilter, s)
	}
	for _, it := range l.shared {
		s.app.handOn(sc, it)
		if l.box != 0 && it.seq != 0 {
			b.store.Remove(l.box, it.seq, it.msg.Body)
		}
	}
	for _, it := range l.mail {
		s.app.handMail(sc, s.clientID, it)
	}
	for _, op := range l.ops {
		op.finish(Accepted)
	}
	if l.scan.box != 0 {
		l.scan.run()
	}
	if l.late != nil {
		l.late.arrived()
	}
	if l.will != nil {
		b.publishWill(sc, s, l.will)
	}
}
