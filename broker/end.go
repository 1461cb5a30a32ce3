package broker

import "time"

// Leave is how a Network Connection ended.
type Leave struct {
	// Graceful means that the client took leave, and wants no Will published.
	Graceful bool
	// Expiry replaces the Session Expiry Interval if it is not nil.
	Expiry *uint32
}

// Detach tells that the connection of that epoch has ended. Nothing happens if
// a newer one owns the Session already.
func (s *Session) Detach(sc *Scratch, epoch uint64, how Leave) {
	s.mu.Lock()
	if s.epoch.Load() != epoch || s.link == nil {
		s.mu.Unlock()
		return
	}
	s.link = nil
	s.flags &^= flagReady | flagFull
	sc.gauges.connected.add(-1)
	if how.Expiry != nil && s.persistent() { // v5 3.14.2.2.2: what was to end ends
		s.expiry = s.app.broker.clampExpiry(*how.Expiry)
	}
	if x := s.extra; x != nil && how.Graceful {
		x.will = nil // v5 [MQTT-3.14.4-3], v3.1.1 [MQTT-3.1.2-10]
	}
	if !s.lasting() {
		s.finish(sc)
		return
	}
	will := s.sleep()
	refused := s.refuseWaiting(sc)
	s.save()
	s.unlock(sc)
	for _, op := range refused {
		op.finish(QuotaExceeded)
	}
	if will != nil {
		s.app.broker.publishWill(sc, s, will)
	}
}

// sleep makes a persistent Session off line. It returns the Will if that is
// due at once.
func (s *Session) sleep() (due *Will) {
	b := s.app.broker
	x := s.more()
	now := b.deadlines.now()
	x.expireAt, x.slowAt, x.willAt = 0, 0, 0
	if s.expiry != NeverExpires {
		x.expireAt = now + time.Duration(s.expiry)*time.Second
	}
	if x.will != nil {
		if x.will.Delay > 0 {
			x.willAt = now + x.will.Delay
		} else {
			due, x.will = x.will, nil
		}
	}
	s.schedule()
	if bl := s.backlog; bl != nil && bl.queued.len() > 0 {
		// It is all in the mailbox; what sleeps needs no RAM.
		x.mailbox.behind = true
		x.mailbox.loaded = bl.queued.at(0).seq - 1
		bl.queued.drop()
		bl.bytes = 0
	}
	return due
}

// schedule sets the Session's deadline to the earliest of its reasons.
func (s *Session) schedule() {
	x := s.extra
	var at time.Duration
	for _, t := range []time.Duration{x.willAt, x.expireAt, x.slowAt} {
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
		x := s.extra
		if x == nil || s.has(flagEnded) {
			s.mu.Unlock()
			return
		}
		now := b.deadlines.now()
		if x.expireAt != 0 && x.expireAt <= now && s.link == nil {
			s.finish(sc)
			return
		}
		var will *Will
		if x.willAt != 0 && x.willAt <= now {
			will, x.will, x.willAt = x.will, nil, 0
		}
		if x.slowAt != 0 && x.slowAt <= now {
			x.slowAt = 0
			s.endSlow(now)
		}
		s.schedule()
		s.unlock(sc)
		if will != nil {
			b.publishWill(sc, s, will)
		}
	})
}

// finish ends the Session for good. It is called with mu held and unlocks.
func (s *Session) finish(sc *Scratch) {
	stored := s.persistent()
	left := s.retire(sc, ErrTakenOver)
	s.mu.Unlock()
	s.app.forget(s, stored)
	left.settle(sc)
}

// leftovers are what remains to be done after a Session has ended, with no
// lock held.
type leftovers struct {
	session *Session
	subs    []Subscribe
	will    *Will
	ops     []*publishOp // publishers that need not wait for it any more
	shared  []item       // messages of Shared Subscriptions for other members
}

// retire takes the Session out of service, with mu held. Only the first call
// has an effect: between the end of a Session and its removal from the registry
// a clean start may find it there.
func (s *Session) retire(sc *Scratch, reason error) leftovers {
	if s.has(flagEnded) {
		return leftovers{}
	}
	left := leftovers{session: s, subs: s.subs}
	if s.link != nil {
		s.link.End(reason)
		s.link = nil
		s.app.broker.takeovers.Add(1)
		sc.gauges.connected.add(-1)
	}
	s.flags = s.flags&flagLoading | flagEnded
	s.subs = nil
	s.epoch.Store(0)
	sc.gauges.sessions.add(-1)
	if x := s.extra; x != nil {
		left.will, x.will = x.will, nil
		x.willAt, x.expireAt, x.slowAt = 0, 0, 0
		s.app.broker.deadlines.set(x, 0)
		sc.gauges.queued.add(-x.mailbox.count)
		sc.gauges.queuedBytes.add(-x.mailbox.bytes)
	}
	s.retireWindow(sc, &left)
	s.retireBacklog(sc, &left)
	return left
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
			left.shared = append(left.shared, h.item)
		}
	}
	sc.gauges.inflight.add(-w.unacked)
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
			sc.gauges.queued.add(-1)
			sc.gauges.queuedBytes.add(-it.msg.size())
		}
		if it.group != nil {
			left.shared = append(left.shared, it)
			continue
		}
		sc.Counters.Dropped[DropSessionEnd].add(1)
	}
	for b.waiting.len() > 0 {
		it := b.waiting.pop()
		sc.gauges.waiting.add(-1)
		if it.group != nil { // its publisher waits for what becomes of it
			left.shared = append(left.shared, it)
			continue
		}
		left.ops = append(left.ops, it.op)
	}
	s.backlog = nil
}

// settle does what remains.
func (l *leftovers) settle(sc *Scratch) {
	s := l.session
	if s == nil {
		return
	}
	for _, sub := range l.subs {
		s.app.index.Unsubscribe(sub.TopicFilter, s)
	}
	for _, it := range l.shared {
		s.app.broker.handOn(sc, it)
	}
	for _, op := range l.ops {
		op.finish(Accepted)
	}
	if l.will != nil {
		s.app.broker.publishWill(sc, s, l.will)
	}
}
