package broker

// receipt is what a Session knows of a QoS 2 publish of its client, from the
// PUBLISH until the release (PUBREL). Its message must not be published twice,
// and the client must not be told that it is received before it is accepted,
// even if the client is lost in between and comes back.
type receipt struct {
	pending bool       // the publish has no result yet
	waiter  Completion // of a repetition that came while it had none
}

// receive notes a QoS 2 publish under its Packet Identifier. result is Accepted
// if it is new, Repeated if it was accepted before, and Pending if it is being
// published, in which case d's Completion will be told.
func (s *Session) receive(epoch uint64, id PacketID, d Deferrer) (result Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.epoch.Load() != epoch {
		return Stale
	}
	x := s.more()
	r, known := x.received[id]
	switch {
	case !known:
		s.setReceipt(id, receipt{pending: true})
		return Accepted
	case !r.pending:
		return Repeated
	case d != nil:
		x.received[id] = receipt{pending: true, waiter: d.Defer()}
	}
	return Pending
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
	if s.extra == nil {
		return nil
	}
	r, known := s.extra.received[id]
	if !known || !r.pending {
		return nil
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

// Release ends a QoS 2 publish of the client (PUBREL). It returns false if
// there is none under that Packet Identifier.
func (s *Session) Release(epoch uint64, id PacketID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.epoch.Load() != epoch || s.extra == nil {
		return false
	}
	r, known := s.extra.received[id]
	if !known || r.pending {
		return false
	}
	s.dropReceipt(id)
	return true
}
