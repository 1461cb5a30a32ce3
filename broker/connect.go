package broker

import (
	"net/netip"
	"runtime"
	"sync/atomic"
	"time"
)

// Connect is what a front knows of a client that wants in.
type Connect struct {
	App        *App
	ClientID   string // not empty
	Beside     string // what it would be, had that not a connection which is to stay: a ConnectInterceptor is asked about this one; empty is ClientID itself
	User       string // for Config.AutoSubscribe; may be empty
	CleanStart bool   // discard what there is of an older Session
	// Expiry is the Session Expiry Interval in seconds: 0 ends the Session with
	// the connection, NeverExpires keeps it. It is cut to Config.MaxSessionExpiry.
	Expiry uint32
	// ReceiveMaximum is how many deliveries the client takes at once
	// unacknowledged; 0 means that it has named no bound.
	ReceiveMaximum uint16
	Will           *Will // nil for none
	Link           Link
	// Subscriptions are made for the client, whatever it asks for, unless the Session has them already.
	Subscriptions []Subscribe
	// NumberAll has QoS 0 deliveries numbered too, among those of the mailbox: see Delivery.Seq.
	NumberAll bool
	// Pulls tells that the client fetches what is delivered from the Link by itself, so that a connection on which it acknowledges nothing
	// is in vain only if Session.Fetched has been called.
	Pulls bool

	// Rebind tells that the client goes on with a connection that it has just lost. Only hooks are told; see SessionEstablished.Resumed.
	Rebind bool

	// For hooks, as in ConnectRequest; each may be zero.
	Remote   netip.AddrPort
	Listener string
	Protocol string
	Version  uint8
}

// Connected is the outcome of a Connect.
type Connected struct {
	Session *Session
	Epoch   uint64
	Present bool   // there was a Session, and it goes on
	Expiry  uint32 // the Session Expiry Interval that is in force
	Seq     uint64 // number of the last message that was put into the mailbox; all later ones have larger ones. 0 without mailbox
	// ReceiveMaximum is how many deliveries there are at once unacknowledged: the client's bound or the broker's.
	ReceiveMaximum uint16
	Err            error
}

// pendingConnect is a Connect that waits for the Session's record.
type pendingConnect struct {
	c    *Connect
	done func(Connected)
}

// Connect gives the Link the Session of its Client Identifier. An older
// connection of that Session is ended with ErrTakenOver. done is called once:
// with no lock held, before Connect returns, or later from any goroutine if the Session has
// to be fetched from the Store or its record to be made safe. A ConnectInterceptor may refuse it. Messages flow once the front has called
// Session.Start.
func (b *Broker) Connect(sc *Scratch, c *Connect, done func(Connected)) {
	if err := b.mayEnter(c); err != nil {
		done(Connected{Err: err})
		return
	}
	c.Expiry = b.clampExpiry(c.Expiry)
	if !c.App.admit(c.ClientID) {
		done(Connected{Err: ErrQuotaExceeded})
		return
	}
	b.connect(sc, c, c.App.dismissing(done))
}

// connect is Connect for a client that its App has admitted.
func (b *Broker) connect(sc *Scratch, c *Connect, done func(Connected)) {
	for {
		s := c.App.obtain(sc, c.ClientID)
		s.mu.Lock()
		switch {
		case s.has(flagEnded): // just being removed; take another look
			s.mu.Unlock()
			runtime.Gosched()
			continue
		case s.outlived():
			s.finish(sc)
			continue
		case s.asleep():
			s.wake()
			s.awaitRecord(sc, &pendingConnect{c, done})
		case s.has(flagLoading):
			s.awaitRecord(sc, &pendingConnect{c, done})
		default:
			s.takeIn(sc, c, done)
		}
		return
	}
}

// takeIn lets a client in whose Session, if it has one, is there. It is called
// with mu held and unlocks.
func (s *Session) takeIn(sc *Scratch, c *Connect, done func(Connected)) {
	switch {
	case s.orphaned() && s.link == nil:
		s.adopt()
		s.attach(sc, c, false, done)
	case c.CleanStart || !s.lasting():
		// A Session that ends with the connection which is being taken over does not go on:
		// v5 3.1.2.11.2, v3.1.1 [MQTT-3.1.2-6].
		s.mu.Unlock()
		s.app.broker.connectClean(sc, s, c, done)
	default:
		s.attach(sc, c, true, done)
	}
}

// adopt makes a mailbox without a Session that of a new one. What the client had begun to publish with QoS 2 in
// the older Session is forgotten.
func (s *Session) adopt() {
	for id := range s.extra.received {
		s.app.broker.store.RemoveReceipt(s.box.id, id, nil)
	}
	s.extra.received = nil
	s.extra.reader.dropBefore = s.box.next
	s.extra.fruitless = 0
}

func (b *Broker) clampExpiry(seconds uint32) uint32 {
	if most := b.cfg.MaxSessionExpiry; most > 0 {
		return uint32(min(int64(seconds), int64(most/time.Second)))
	}
	return seconds
}

// connectClean begins a new Session in the place of old.
func (b *Broker) connectClean(sc *Scratch, old *Session, c *Connect, done func(Connected)) {
	s := newSession(c.App, c.ClientID)
	s.flags |= flagLoading | flagBeginning // whoever finds it before it is attached waits
	tx := b.store.Begin()                  // what the older one leaves to others is with them when it is gone
	left, ok := c.App.replace(sc, old, s)
	if !ok {
		b.store.End(tx)
		b.connect(sc, c, done)
		return
	}
	c.App.usage.sessions.Add(1)
	left.settle(sc)
	b.store.End(tx)
	s.mu.Lock()
	s.flags &^= flagLoading | flagBeginning
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
	s.attach(sc, c, false, done)
	if next != nil {
		b.connect(sc, next.c, next.done)
	}
}

// awaitRecord has the connect wait until the Session's record is there. It unlocks.
func (s *Session) awaitRecord(sc *Scratch, p *pendingConnect) {
	x := s.more()
	older := x.connect // only the newest can have the Session in the end
	x.connect = p
	s.unlock(sc)
	if older != nil {
		older.done(Connected{Err: ErrTakenOver})
	}
}

// attach makes c.Link the Session's connection. It is called with mu held and
// unlocks.
func (s *Session) attach(sc *Scratch, c *Connect, present bool, done func(Connected)) {
	b := s.app.broker
	resumed := c.Rebind && present && s.lostOfLate()
	will := s.detachOld(sc)
	var tx Tx
	if will != nil {
		tx = b.store.Begin() // it is published and out of the record, or neither
	}
	s.link = c.Link
	epoch := b.epochs.Add(1) // larger than any of the Client Identifier's Sessions before
	s.epoch.Store(epoch)
	s.flags &^= flagReady | flagFull | flagHeld | flagNumberAll | flagPulls
	if c.NumberAll {
		s.flags |= flagNumberAll
	}
	if c.Pulls {
		s.flags |= flagPulls
	}
	s.dropFleeting()
	lasted := s.lasting()
	if s.expiry = c.Expiry; s.lasting() {
		s.keepMailbox()
	} else if lasted && s.persistent() && s.logSubscription() != nil {
		s.more().reader.logBehind = true // it ends with this connection, and gets what it has missed before
	}
	s.limit = uint16(b.cfg.MaxInflight)
	if c.ReceiveMaximum > 0 {
		s.limit = min(s.limit, c.ReceiveMaximum)
	}
	s.settleDeadlines(c.Will)
	s.autoSubscribe(c)
	r := Connected{Session: s, Epoch: epoch, Present: present, Expiry: s.expiry, Seq: s.lastSeq(), ReceiveMaximum: s.limit}
	s.app.usage.connected.Add(1)
	if h := sc.hooks; h != nil {
		s.tellEstablished(h, c, r, resumed)
	}
	saving := s.saveConnected(r, done)
	s.relaxExtra()
	if s.has(flagKicked) {
		s.kick(s.has(flagKickedOut))
	}
	s.flags &^= flagKicked | flagKickedOut
	s.unlock(sc)
	if will != nil {
		b.publishWill(sc, s, will)
		b.store.End(tx)
	}
	if saving == nil || saving.early() {
		done(r)
	}
}

// saveConnected has the record say that the client is connected. What it returns is nil if nobody has to
// wait for that.
func (s *Session) saveConnected(r Connected, done func(Connected)) *connecting {
	switch {
	case s.recordCurrent():
		return nil
	case s.persistent():
		c := &connecting{r: r, done: done}
		s.saveRecord(c)
		return c
	case s.extra.will != nil: // so that it is published if the node goes down
		s.saveRecord(nil)
	default: // nothing is left of what was stored
		s.app.broker.store.DeleteSession(s.key(), 0, nil)
		s.extra.record = recordState{}
		s.subscriptionsChanged()
	}
	return nil
}

// settleDeadlines stops what was to happen while the client was away.
func (s *Session) settleDeadlines(will *Will) {
	if s.extra == nil && will == nil {
		return
	}
	x := s.more()
	s.app.broker.flash.giveBack(x)
	x.will, x.willAt, x.expireAt, x.slowAt, x.dozeAt, x.heldUntil, x.logAt = will, 0, 0, 0, 0, 0, 0
	x.sleptAt = time.Time{}
	if bl := s.backlog; bl != nil && bl.waiting.len() > 0 {
		s.watchProgress() // the new connection has its own chance
	}
	s.schedule()
}

// connecting is a Connect whose record is being made safe. It is the Store's Commit.
type connecting struct {
	r     Connected
	done  func(Connected)
	state atomic.Uint32 // as that of appended
}

// early tells, once the Store has been called, whether it has answered. If not, Committed calls done.
func (c *connecting) early() bool {
	return !c.state.CompareAndSwap(appendCalled, appendReturned) && c.state.Load() == appendSafe
}

// Committed implements Commit. A Session that there was before has its older
// record if the Store has no room for a newer one, and goes on; a new one, which would not
// survive the node, is refused.
func (c *connecting) Committed(err error) {
	if err == nil || c.r.Present {
		if c.state.Swap(appendSafe) == appendReturned {
			c.done(c.r)
		}
		return
	}
	c.state.Store(appendReturned)
	s := c.r.Session
	s.app.broker.withScratch(func(sc *Scratch) {
		s.mu.Lock()
		if s.epoch.Load() != c.r.Epoch || s.asleep() || s.link == nil {
			s.mu.Unlock()
			return
		}
		s.link = nil // the front closes it
		s.tellDisconnected(sc, Disconnected{Reason: err, Ended: true})
		s.extra.will = nil
		s.app.left()
		s.finish(sc)
	})
	c.done(Connected{Epoch: c.r.Epoch, Err: err}) // it had got in, and has left, here or when it was taken over
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
	s.tellDisconnected(sc, Disconnected{Reason: ErrTakenOver})
	s.app.broker.takeovers.Add(1)
	s.app.left()
	if x := s.extra; x != nil && x.will != nil && x.will.Delay == 0 && !x.will.LostOnly {
		return x.will
	}
	return nil
}

// Start lets messages flow: first what an earlier connection left
// unacknowledged, then what has gathered. The front calls it once the client
// knows that it is connected.
func (s *Session) Start(sc *Scratch, epoch uint64) {
	s.mu.Lock()
	if s.epoch.Load() != epoch || s.asleep() || s.link == nil {
		s.mu.Unlock()
		return
	}
	s.sendReleases(sc) // not yet ready: what has become safe is repeated below
	s.flags |= flagReady
	if s.window != nil {
		s.more().resend = s.window.first
	} else if s.extra != nil {
		s.extra.resend = 0
	}
	s.followLog()
	if s.watchFruitless() {
		s.pump(sc)
	}
	s.unlock(sc)
}
