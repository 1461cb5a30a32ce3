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
	// Deferred means that it was expected, and that the Link's Release will be
	// called once it is on disk.
	Deferred
)

// Unacknowledged is how many deliveries the client has been sent and has not
// acknowledged.
func (s *Session) Unacknowledged() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asleep() || s.window == nil {
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
// the release (PUBREL), unless the outcome is Deferred.
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
	if s.epoch.Load() != epoch || s.asleep() || s.window == nil {
		s.mu.Unlock()
		return Unknown
	}
	w := s.window
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
	case release && *st == awaitSafe: // repeated before the first is on disk
		s.mu.Unlock()
		return Deferred
	case *st != want:
		s.mu.Unlock()
		return OutOfStep
	case release:
		r := s.noteReceived(w, i)
		s.unlock(sc)
		return r
	}
	s.settle(sc, i)
	s.unlock(sc)
	return Settled
}

// noteReceived notes that the client has received place i of the window. The
// release may be sent once that is on disk: the client forgets the message when it gets the
// release, and would take a repetition for another one. If the Store fails, the release is
// sent all the same: better a repetition after a crash than an exchange that never ends.
func (s *Session) noteReceived(w *window, i int) Outcome {
	s.acknowledgedSome()
	st := w.states.at(i)
	h := w.hold(i)
	if h == nil || h.item.seq == 0 || h.item.lost {
		*st = awaitDone
		return Settled
	}
	h.item.released = true
	a := &appended{session: s, seq: h.item.seq, qos2: true, release: true}
	s.app.broker.store.Released(s.box.id, h.item.seq, a)
	if !a.state.CompareAndSwap(appendCalled, appendReturned) {
		*st = awaitDone
		return Settled
	}
	*st = awaitSafe
	x := s.more()
	x.releasing = append(x.releasing, a)
	return Deferred
}

// sendReleases sends the releases that have become safe.
func (s *Session) sendReleases(sc *Scratch) {
	x := s.extra
	if x == nil || len(x.releasing) == 0 {
		return
	}
	n := 0
	for n < len(x.releasing) && x.releasing[n].safe() {
		n++
	}
	for _, a := range x.releasing[:n] {
		id := packetIDOf(a.seq)
		w := s.window
		if w == nil {
			break
		}
		if i := w.index(id); i >= 0 && *w.states.at(i) == awaitSafe {
			*w.states.at(i) = awaitDone
			repeated := x.resend != 0 && i >= w.index(x.resend) // it follows with what is repeated
			if s.link != nil && s.has(flagReady) && !repeated {
				s.link.Release(id, sc.via)
			}
		}
	}
	if x.releasing = x.releasing[n:]; len(x.releasing) == 0 {
		x.releasing = nil
	}
}

// settle takes place i out of the window and goes on with what waits.
func (s *Session) settle(sc *Scratch, i int) {
	if h := sc.hooks; h != nil {
		var m *Message
		if held := s.window.hold(i); held != nil {
			m = held.item.msg
		}
		s.tellCompleted(h, s.window.first.after(i), m)
	}
	s.discharge(sc, i)
	s.progress()
	s.acknowledgedSome()
	if s.backlog != nil || s.behind() || s.repeating() || s.logBehind() {
		s.pump(sc)
	} else {
		s.dropMailbox()
	}
}

// discharge takes place i out of the window, and its message out of the mailbox.
func (s *Session) discharge(sc *Scratch, i int) {
	w := s.window
	h := w.settle(i)
	sc.of(s.app).inflight.add(-1)
	if h.item.seq != 0 {
		s.unstore(sc, &h.item)
	}
	if w.states.len() == 0 {
		w.recycle()
		s.window = nil
	}
}
