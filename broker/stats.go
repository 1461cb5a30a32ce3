package broker

import "sync/atomic"

// DropReason says why a message did not reach a Session. A message that was
// acknowledged to its publisher is dropped for DropExpired, DropOversized,
// DropOldest and DropSessionEnd only: the specification or the operator asked for it.
type DropReason uint8

// Drop reasons.
const (
	DropSlow       DropReason = iota // QoS 0: the client does not read fast enough
	DropOffline                      // QoS 0 to a persistent Session that is off line
	DropExpired                      // Message Expiry Interval passed
	DropOversized                    // larger than the client's Maximum Packet Size
	DropOldest                       // mailbox full, policy drop-oldest
	DropSessionEnd                   // the Session ended with the message undelivered
	DropOverload                     // QoS 0: the client is behind, and the node has too much to do
	dropReasons
)

func (r DropReason) String() string {
	return [...]string{"slow", "offline", "expired", "oversized", "oldest", "session_end", "overload"}[r]
}

// Counters count what one Scratch has done for one App. They have one writer.
type Counters struct {
	Received  [3]counter // PUBLISH from clients by QoS
	Delivered [3]counter // deliveries to Sessions by QoS, repetitions included
	BytesIn   counter    // payload bytes published
	BytesOut  counter    // payload bytes delivered
	NoMatch   counter    // published, and nobody subscribes
	Refused   counter    // publishes refused for want of room
	Rejected  counter    // publishes that a PublishInterceptor has rejected
	Discarded counter    // publishes that one has dropped
	Deferred  counter    // publishes that had to wait for a Session
	Dropped   [dropReasons]counter
	inflight  gauge
}

// counter is written by one goroutine at a time and read by any.
type counter struct{ v atomic.Uint64 }

func (c *counter) add(n uint64)  { c.v.Store(c.v.Load() + n) }
func (c *counter) Value() uint64 { return c.v.Load() }

// gauge is a delta: only the sum over all Scratches means something.
type gauge struct{ v atomic.Int64 }

func (g *gauge) add(n int) { g.v.Store(g.v.Load() + int64(n)) }

// Stats is a snapshot of the broker.
type Stats struct {
	Connected     int64 // Sessions with a Network Connection
	Sessions      int64 // Sessions, off line ones included
	Subscriptions int64
	SharedGroups  int64
	Retained      int64
	Queued        int64 // messages in queues and mailboxes of Sessions
	QueuedBytes   int64
	Waiting       int64 // publishes that wait for a Session to take them
	Inflight      int64 // deliveries sent and not acknowledged

	Received  [3]uint64
	Delivered [3]uint64
	BytesIn   uint64
	BytesOut  uint64
	NoMatch   uint64
	Refused   uint64
	Rejected  uint64 // publishes that a PublishInterceptor has rejected
	Discarded uint64 // publishes that one has dropped
	Deferred  uint64
	Pauses    uint64 // times that a client was not heard for a while because it had published too fast
	Takeovers uint64
	SlowEnded uint64 // connections ended because they held up publishers

	FruitlessEnded  uint64 // connections ended because their client acknowledges nothing
	Kicked          uint64 // connections ended by operators
	ClientsRejected uint64 // clients that a ConnectInterceptor has refused
	Flash           int64  // Sessions whose client may come back soon
	FlashBytes      int64
	Dropped         map[string]uint64

	HookPanics     map[string]uint64 // by HookKind
	HookEventsLost map[string]uint64 // by Hook.ID: what a hook was not told because its queue was full
}

// addApp adds what there is of an App, and what has been counted.
func (s *Stats) addApp(a *App) {
	u := &a.usage
	s.Connected += u.connected.Load()
	s.Sessions += u.sessions.Load()
	s.Subscriptions += int64(a.index.Len())
	s.SharedGroups += int64(a.index.Groups())
	s.Retained += int64(a.retained.Len())
	s.Queued += u.queued.Load()
	s.QueuedBytes += u.queuedBytes.Load()
	s.Waiting += u.waiting.Load()
	s.Pauses += u.pauses.Load()
	for _, c := range a.allCounters() {
		s.addCounters(c)
	}
}

// allCounters are those of all Scratches. The Broker's mu is not held while they are read: there may be many Apps, and
// it is in the way of every message that the Store has committed.
func (a *App) allCounters() []*Counters {
	a.broker.mu.Lock()
	defer a.broker.mu.Unlock()
	return a.counters
}

func (s *Stats) addCounters(c *Counters) {
	for q := range 3 {
		s.Received[q] += c.Received[q].Value()
		s.Delivered[q] += c.Delivered[q].Value()
	}
	s.BytesIn += c.BytesIn.Value()
	s.BytesOut += c.BytesOut.Value()
	s.NoMatch += c.NoMatch.Value()
	s.Refused += c.Refused.Value()
	s.Rejected += c.Rejected.Value()
	s.Discarded += c.Discarded.Value()
	s.Deferred += c.Deferred.Value()
	s.Inflight += c.inflight.v.Load()
	for r := range c.Dropped {
		s.Dropped[DropReason(r).String()] += c.Dropped[r].Value()
	}
}

// add adds what is counted by App.
func (s *Stats) add(o *Stats) {
	s.Connected += o.Connected
	s.Sessions += o.Sessions
	s.Subscriptions += o.Subscriptions
	s.SharedGroups += o.SharedGroups
	s.Retained += o.Retained
	s.Queued += o.Queued
	s.QueuedBytes += o.QueuedBytes
	s.Waiting += o.Waiting
	s.Pauses += o.Pauses
	for q := range 3 {
		s.Received[q] += o.Received[q]
		s.Delivered[q] += o.Delivered[q]
	}
	s.BytesIn += o.BytesIn
	s.BytesOut += o.BytesOut
	s.NoMatch += o.NoMatch
	s.Refused += o.Refused
	s.Rejected += o.Rejected
	s.Discarded += o.Discarded
	s.Deferred += o.Deferred
	s.Inflight += o.Inflight
	for reason, n := range o.Dropped {
		s.Dropped[reason] += n
	}
}
