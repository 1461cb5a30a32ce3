package broker

import "time"

// Connect is what a front knows of a client that wants in.
type Connect struct {
	App        *App
	ClientID   string // not empty
	CleanStart bool   // discard what there is of an older Session
	// Expiry is the Session Expiry Interval in seconds: 0 ends the Session with
	// the connection, NeverExpires keeps it. It is cut to Config.MaxSessionExpiry.
	Expiry uint32
	// ReceiveMaximum is how many deliveries the client takes at once
	// unacknowledged; 0 means that it has named no bound.
	ReceiveMaximum uint16
	Will           *Will // nil for none
	Link           Link
}

// Connected is the outcome of a Connect.
type Connected struct {
	Session *Session
	Epoch   uint64
	Present bool   // there was a Session, and it goes on
	Expiry  uint32 // the Session Expiry Interval that is in force
	Err     error
}

// pendingConnect is a Connect that waits for the Session's record.
type pendingConnect struct {
	c    *Connect
	done func(Connected)
}

// Connect gives the Link the Session of its Client Identifier. An older
// connection of that Session is ended with ErrTakenOver. done is called once, with no lock
// held: before Connect returns, or later from any goroutine if the Session has
// to be fetched from the Store. Messages flow once the front has called
// Session.Start.
func (b *Broker) Connect(sc *Scratch, c *Connect, done func(Connected)) {
	c.Expiry = b.clampExpiry(c.Expiry)
	if c.CleanStart {
		b.connectClean(sc, c, done)
		return
	}
	for {
		s, isNew := c.App.obtain(c.ClientID, func() *Session {
			s := newSession(c.App, c.ClientID)
			s.flags |= flagLoading
			return s
		})
		if isNew {
			sc.gauges.sessions.add(1)
		}
		s.mu.Lock()
		switch {
		case s.has(flagEnded):
			s.mu.Unlock() // just being removed; take another look
			continue
		case s.has(flagLoading):
			s.awaitRecord(isNew, &pendingConnect{c, done})
		case !s.lasting():
			// It ends with the connection that is being taken over:
			// v5 3.1.2.11.2, v3.1.1 [MQTT-3.1.2-6].
			s.mu.Unlock()
			b.connectClean(sc, c, done)
		default:
			done(s.attach(sc, c, true))
		}
		return
	}
}

func (b *Broker) clampExpiry(seconds uint32) uint32 {
	if most := b.cfg.MaxSessionExpiry; most > 0 {
		return uint32(min(int64(seconds), int64(most/time.Second)))
	}
	return seconds
}

// connectClean begins a new Session in the place of any older one.
func (b *Broker) connectClean(sc *Scratch, c *Connect, done func(Connected)) {
	s := newSession(c.App, c.ClientID)
	s.flags |= flagLoading // whoever finds it before it is attached waits
	left := c.App.replace(sc, s)
	sc.gauges.sessions.add(1)
	left.settle(sc)
	s.mu.Lock()
	s.flags &^= flagLoading
	var next *pendingConnect
	if s.extra != nil {
		next, s.extra.connect = s.extra.connect, nil
	}
	if s.has(flagEnded) { // another clean start has come, after next too
		s.mu.Unlock()
		done(Connected{Err: ErrTakenOver})
		if next != nil {
			next.done(Connected{Err: ErrTakenOver})
		}
		return
	}
	done(s.attach(sc, c, false))
	if next != nil {
		b.Connect(sc, next.c, next.done)
	}
}

// awaitRecord has the connect wait until the Session's record is there; the
// first one fetches it. It unlocks.
func (s *Session) awaitRecord(first bool, p *pendingConnect) {
	x := s.more()
	older := x.connect // only the newest can have the Session in the end
	x.connect = p
	s.mu.Unlock()
	if older != nil {
		older.done(Connected{Err: ErrTakenOver})
	}
	if first {
		s.app.broker.store.LoadSession(s.key(), s.recordLoaded)
	}
}

// recordLoaded is called by the Store, from any goroutine.
func (s *Session) recordLoaded(r *SessionRecord, err error) {
	s.app.broker.withScratch(func(sc *Scratch) {
		s.mu.Lock()
		s.flags &^= flagLoading
		x := s.more()
		p := x.connect
		x.connect = nil
		switch {
		case s.has(flagEnded): // a clean start came meanwhile
			s.mu.Unlock()
			p.done(Connected{Err: ErrTakenOver})
		case err != nil:
			left := s.retire(sc, err)
			s.mu.Unlock()
			s.app.forget(s, false)
			left.settle(sc)
			p.done(Connected{Err: err})
		default:
			if r != nil && r.Expiry == 0 { // it was to end with its connection, as the node did
				s.app.broker.store.DeleteSession(s.key())
				r = nil
			}
			if r != nil {
				s.restore(sc, r)
			}
			p.done(s.attach(sc, p.c, r != nil))
		}
	})
}

// restore fills a new Session from its record.
func (s *Session) restore(sc *Scratch, r *SessionRecord) {
	s.expiry = r.Expiry
	s.flags |= flagStored
	sc.gauges.queued.add(r.Count)
	sc.gauges.queuedBytes.add(r.Bytes)
	x := s.more()
	x.mailbox = mailbox{next: max(r.NextSeq, 1), count: r.Count, bytes: r.Bytes, behind: r.Count > 0}
	for _, id := range r.Received {
		s.setReceipt(id, receipt{})
	}
	for _, sub := range r.Subscriptions {
		s.subs = append(s.subs, sub)
		s.app.index.Subscribe(sub.TopicFilter, s.subscription(sub))
	}
}

// attach makes c.Link the Session's connection. It is called with mu held and
// unlocks.
func (s *Session) attach(sc *Scratch, c *Connect, present bool) Connected {
	b := s.app.broker
	will := s.detachOld(sc)
	s.link = c.Link
	epoch := b.epochs.Add(1) // larger than any of the Client Identifier's Sessions before
	s.epoch.Store(epoch)
	s.flags &^= flagReady | flagFull
	if s.expiry = c.Expiry; s.lasting() {
		s.flags |= flagStored
	}
	s.limit = uint16(b.cfg.MaxInflight)
	if c.ReceiveMaximum > 0 {
		s.limit = min(s.limit, c.ReceiveMaximum)
	}
	if s.extra != nil || c.Will != nil {
		x := s.more()
		x.will, x.willAt, x.expireAt, x.slowAt = c.Will, 0, 0, 0
		if b := s.backlog; b != nil && b.waiting.len() > 0 {
			s.watchProgress() // the new connection has its own chance
		}
		s.schedule()
	}
	s.save()
	expiry := s.expiry
	sc.gauges.connected.add(1)
	s.unlock(sc)
	if will != nil {
		b.publishWill(sc, s, will)
	}
	return Connected{Session: s, Epoch: epoch, Present: present, Expiry: expiry}
}

// detachOld ends the connection that is being taken over and returns the Will
// that it leaves, if that is due now. A Will whose delay has not passed is not
// published, because the Session goes on: v5 [MQTT-3.1.3-9].
func (s *Session) detachOld(sc *Scratch) *Will {
	if s.link == nil {
		return nil
	}
	s.link.End(ErrTakenOver)
	s.link = nil
	s.app.broker.takeovers.Add(1)
	sc.gauges.connected.add(-1)
	if x := s.extra; x != nil && x.will != nil && x.will.Delay == 0 {
		return x.will
	}
	return nil
}

// Start lets messages flow: first what an earlier connection left
// unacknowledged, then what has gathered. The front calls it once the client
// knows that it is connected.
func (s *Session) Start(sc *Scratch, epoch uint64) {
	s.mu.Lock()
	if s.epoch.Load() != epoch || s.link == nil {
		s.mu.Unlock()
		return
	}
	s.flags |= flagReady
	if s.window != nil {
		s.more().resend = s.window.first
	} else if s.extra != nil {
		s.extra.resend = 0
	}
	s.pump(sc)
	s.unlock(sc)
}
