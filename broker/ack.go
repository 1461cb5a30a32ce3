package broker

// Outcome is what became of an acknowledgement.
type Outcome uint8

// Outcomes.
const (
	// Settled means that it was expected and is dealt with.
	Settled Outcome = iota
	// Unknown means that no such delivery is in flight.
	Unknown
	// OutOfStep means that the delivery is at another step of its protocol.
	OutOfStep
)

// Unacknowledged is how many deliveries the client has been sent and has not
// acknowledged.
func (s *Session) Unacknowledged() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.window == nil {
		return 0
	}
	return s.window.unacked
}

// Ack settles a QoS 1 delivery (PUBACK).
func (s *Session) Ack(sc *Scratch, epoch uint64, id PacketID) Outcome {
	return s.step(sc, epoch, id, awaitAck, false)
}

// Received tells that the client has received a QoS 2 delivery (PUBREC). If ok
// is false, it has refused it and nothing follows; otherwise the front sends
// the release (PUBREL).
func (s *Session) Received(sc *Scratch, epoch uint64, id PacketID, ok bool) Outcome {
	if !ok {
		return s.step(sc, epoch, id, awaitReceipt, false)
	}
	return s.step(sc, epoch, id, awaitReceipt, true)
}

// Complete settles a QoS 2 delivery (PUBCOMP).
func (s *Session) Complete(sc *Scratch, epoch uint64, id PacketID) Outcome {
	return s.step(sc, epoch, id, awaitDone, false)
}

// step takes delivery id out of state want: to awaitDone if release is true,
// else out of the window.
func (s *Session) step(sc *Scratch, epoch uint64, id PacketID, want inflightState, release bool) Outcome {
	s.mu.Lock()
	w := s.window
	if s.epoch.Load() != epoch || w == nil {
		s.mu.Unlock()
		return Unknown
	}
	i := w.index(id)
	if i < 0 {
		s.mu.Unlock()
		return Unknown
	}
	switch st := w.states.at(i); {
	case *st == acknowledged:
		s.mu.Unlock()
		return Unknown
	case release && *st == awaitDone: // a repeated PUBREC
		s.mu.Unlock()
		return Settled
	case *st != want:
		s.mu.Unlock()
		return OutOfStep
	case release:
		*st = awaitDone
		s.released(w, i)
		s.mu.Unlock()
		return Settled
	}
	s.settle(sc, i)
	s.unlock(sc)
	return Settled
}

// released notes in the mailbox that only the release is owed.
func (s *Session) released(w *window, i int) {
	if h := w.hold(i); h != nil && h.item.seq != 0 {
		s.app.broker.store.Update(s.key(), Entry{
			Seq: h.item.seq, Message: h.item.msg, QoS: 2, Released: true, PacketID: w.first.after(i),
		})
	}
}

// settle takes place i out of the window and goes on with what waits.
func (s *Session) settle(sc *Scratch, i int) {
	s.discharge(sc, i)
	s.progress()
	if s.backlog != nil || s.behind() || s.repeating() {
		s.pump(sc)
	}
}

// discharge takes place i out of the window, and its message out of the mailbox.
func (s *Session) discharge(sc *Scratch, i int) {
	w := s.window
	h := w.settle(i)
	sc.gauges.inflight.add(-1)
	if h.item.seq != 0 {
		s.unstore(sc, &h.item)
	}
	if w.states.len() == 0 {
		w.recycle()
		s.window = nil
	}
}
