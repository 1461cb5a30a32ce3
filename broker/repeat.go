package broker

// repeating tells whether what an earlier connection left unacknowledged has
// not all been sent again.
func (s *Session) repeating() bool { return s.extra != nil && s.extra.resend != 0 }

// repeat sends again what is in flight, in the original order:
// v5 [MQTT-4.4.0-1], [MQTT-4.6.0-1], v3.1.1 [MQTT-4.4.0-1], [MQTT-4.6.0-1].
// It returns false if pump has to go on later, because the Link is Full or
// because the client takes fewer at once than it took before: v5 [MQTT-3.3.4-7].
func (s *Session) repeat(sc *Scratch) bool {
	if !s.repeating() {
		return true
	}
	x, w := s.extra, s.window
	if w == nil {
		x.resend = 0
		return true
	}
	// What is not in the window any more is acknowledged, and all before it.
	from := max(w.index(x.resend), 0)
	x.resend = 0
	unacked := w.unackedBefore(from)
	var oversized []PacketID
	for i := from; i < w.states.len() && x.resend == 0; i++ {
		id := w.first.after(i)
		if *w.states.at(i) == acknowledged {
			continue
		}
		if unacked >= int(s.limit) {
			x.resend = id
			break
		}
		unacked++
		switch s.sendAgain(sc, w, i, id) {
		case Full:
			s.flags |= flagFull
			x.resend = id
		case Gone:
			x.resend = id
		case Oversized:
			oversized = append(oversized, id)
			unacked--
		case Sent:
		}
	}
	for _, id := range oversized { // v5 [MQTT-3.1.2-25]: as if they had been acknowledged
		i := w.index(id)
		s.dropped(sc, w.hold(i).item.msg, DropOversized) // what is not held is not sent again, and not oversized
		s.discharge(sc, i)
	}
	return x.resend == 0
}

// sendAgain repeats the delivery in place i of the window.
func (s *Session) sendAgain(sc *Scratch, w *window, i int, id PacketID) Verdict {
	switch *w.states.at(i) {
	case awaitDone:
		s.link.Release(id, sc.via)
		return Sent
	case awaitSafe: // the release follows when it may
		return Sent
	}
	h := w.hold(i)
	if h == nil || h.item.msg == nil {
		return Sent
	}
	it := h.item
	it.dup = true
	return s.send(sc, &it, id)
}
