package broker

import (
	"slices"
	"sync/atomic"
)

// receipt is what a Session knows of a QoS 2 publish of its client, from the
// PUBLISH until the release (PUBREL). Its message must not be published twice,
// and the client must not be told that it is received before it is accepted,
// even if the client is lost in between and comes back, or the node restarts:
// those of a lasting Session are in the Store.
type receipt struct {
	pending  bool           // the publish has no result yet
	restored bool           // it is from before the Session was woken
	waiter   Completion     // of a repetition that came while it had none
	partial  PartialReceipt // if Given is not empty: the publish is not accepted, but these have it
	forget   Commit         // it is to be forgotten once it has its result, and this be told; nil is not
}

// receive notes a QoS 2 publish under its Packet Identifier. result is Accepted
// if it is new, Repeated if it was accepted before, and Pending if it is being
// published, in which case d's Completion will be told. box is where the receipt
// is to be stored; 0 is nowhere. given are mailboxes, in order, that have the message already: a crash came
// before it was accepted by all.
//
// A receipt from before a restart is for a repetition only, which has DUP set: v5 [MQTT-3.3.1-1],
// v3.1.1 [MQTT-3.3.1-1]. If the Store has lost its last writes with the
// disk, the client may have finished that exchange and use the identifier again.
func (s *Session) receive(p *Publish) (result Result, box Mailbox, given []Mailbox) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.epoch.Load() != p.Epoch || s.asleep() {
		return Stale, 0, nil
	}
	x, id := s.more(), p.PacketID
	r, known := x.received[id]
	if known && r.restored && !p.Dup {
		known = false
	}
	partial := known && len(r.partial.Given) > 0
	switch {
	case partial && !r.pending && r.partial.Print == p.Message.print():
		s.setReceipt(id, receipt{pending: true})
		return Accepted, s.receiptBox(), slices.Sorted(slices.Values(r.partial.Given))
	case !known || partial && !r.pending:
		s.setReceipt(id, receipt{pending: true})
		return Accepted, s.receiptBox(), nil
	case !r.pending:
		return Repeated, 0, nil
	case p.Deferrer != nil:
		r.waiter = p.Deferrer.Defer()
		x.received[id] = r
	}
	return Pending, 0, nil
}

func (s *Session) setReceipt(id PacketID, r receipt) {
	x := s.more()
	if x.received == nil {
		x.received = make(map[PacketID]receipt)
	}
	x.received[id] = r
}

// Conclude tells the result of a QoS 2 publish that was Pending, also when its
// connection has ended meanwhile. If the publish has been repeated on another
// connection, the Completion of that is returned and must be told the result.
func (s *Session) Conclude(id PacketID, result Result) Completion {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asleep() || s.extra == nil {
		return nil
	}
	r, known := s.extra.received[id]
	if !known || !r.pending {
		return nil
	}
	if r.forget != nil {
		s.dropReceipt(id)
		if !result.OK() || s.removeReceipt(id, r.forget) == Accepted {
			r.forget.Committed(nil)
		}
		return r.waiter
	}
	if result.OK() {
		s.extra.received[id] = receipt{}
	} else { // it has not been taken: a repetition is a new publish
		s.dropReceipt(id)
	}
	return r.waiter
}

func (s *Session) dropReceipt(id PacketID) {
	delete(s.extra.received, id)
	if len(s.extra.received) == 0 {
		s.extra.received = nil
	}
}

// receiptPending tells whether a QoS 2 publish of the client has no result yet.
func (s *Session) receiptPending() bool {
	if s.extra == nil {
		return false
	}
	for _, r := range s.extra.received {
		if r.pending {
			return true
		}
	}
	return false
}

// Release ends a QoS 2 publish of the client (PUBREL). The result is Accepted, or
// Pending if c is told when it is on disk: until then the release must not be acknowledged, since
// the client may then use the Packet Identifier again, and what it publishes under it
// would be taken for a repetition. It is NoSubscribers if there is no publish under that
// identifier, and Stale if a newer connection owns the Session.
func (s *Session) Release(epoch uint64, id PacketID, c Commit) Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.epoch.Load() != epoch || s.asleep() {
		return Stale
	}
	if s.extra == nil {
		return NoSubscribers
	}
	r, known := s.extra.received[id]
	unremoved := &s.extra.unremoved
	switch {
	case known && !r.pending:
		s.dropReceipt(id)
	case known || unremoved.Load() == 0:
		return NoSubscribers
	} // else repeated, maybe before the first is on disk
	return s.removeReceipt(id, c)
}

// removeReceipt removes a receipt from the Store. It returns Accepted if there is none, or Pending if c is told.
func (s *Session) removeReceipt(id PacketID, c Commit) Result {
	if !s.persistent() {
		return Accepted
	}
	unremoved := &s.extra.unremoved
	unremoved.Add(1)
	s.app.broker.store.RemoveReceipt(s.box.id, id, &receiptRemoval{unremoved, c})
	return Pending
}

// Forget ends a QoS 2 publish that the client has repeated, and may not publish any more. The result is that of Release;
// if the publish has no result yet it is Pending, and c is told after that.
func (s *Session) Forget(epoch uint64, id PacketID, c Commit) Result {
	if s.forgetLater(epoch, id, c) {
		return Pending
	}
	return s.Release(epoch, id, c)
}

func (s *Session) forgetLater(epoch uint64, id PacketID, c Commit) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.epoch.Load() != epoch || s.asleep() || s.extra == nil {
		return false
	}
	r, known := s.extra.received[id]
	if !known || !r.pending {
		return false
	}
	r.forget = c
	s.extra.received[id] = r
	return true
}

// receiptRemoval is a receipt that is being removed. It is the Store's Commit.
type receiptRemoval struct {
	unremoved *atomic.Int32
	c         Commit
}

// Committed implements Commit. What the Store has failed to remove counts for good: the receipt may come
// back with a restart.
func (r *receiptRemoval) Committed(err error) {
	if err == nil {
		r.unremoved.Add(-1)
	}
	if r.c != nil {
		r.c.Committed(err)
	}
}
