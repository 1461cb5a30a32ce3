package broker

// pump sends what waits as long as window and Link take it, and lets waiting
// publishers in as room appears. It is called with mu held, on a Session that
// is ready.
func (s *Session) pump(sc *Scratch) {
	if s.link == nil || !s.has(flagReady) || s.has(flagFull|flagHeld) {
		return
	}
	if !s.repeat(sc) {
		return
	}
	for s.backlog != nil {
		drained := s.drain(sc)
		if !s.admit(sc) || !drained {
			break
		}
	}
	if s.backlog == nil || s.backlog.queued.len() == 0 {
		s.wantPage()
		s.wantLog()
	}
	// Retained messages wait until the mailbox is read, because they go to its
	// end when they are sent.
	if b := s.backlog; b != nil && len(b.jobs) > 0 && b.queued.len() == 0 && !s.behind() {
		s.runJobs(sc)
	}
	s.relax()
	s.dropMailbox()
}

// drain sends what is queued. It returns false if something is left.
func (s *Session) drain(sc *Scratch) bool {
	b := s.backlog
	for b.queued.len() > 0 {
		it := b.queued.at(0)
		if it.lost || it.msg.expired(s.app.broker.cfg.Clock) && !it.dup && !it.released { // delivery of dup has begun: it goes on
			if !it.lost {
				s.dropped(sc, it.msg, DropExpired)
			}
			s.dequeue(sc, true)
			continue
		}
		if !s.room() || !it.unsafe.safe() || !s.spans(it) {
			return false
		}
		switch s.sendQueued(sc, it) {
		case Sent:
			it.unsafe = nil
			s.inFlight(sc, it)
			s.dequeue(sc, it.seq == 0)
		case Oversized:
			s.dropped(sc, it.msg, DropOversized)
			s.dequeue(sc, true)
		case Full:
			s.flags |= flagFull
			return false
		case Gone:
			return false
		}
	}
	return true
}

// sendQueued sends it, or what is owed of it.
func (s *Session) sendQueued(sc *Scratch, it *item) Verdict {
	id := s.nextPacketID(it)
	if it.released {
		s.link.Release(id, sc.via)
		return Sent
	}
	return s.send(sc, it, id)
}

// spans tells whether its Packet Identifier is not in use still by an older
// delivery.
func (s *Session) spans(it *item) bool {
	w := s.window
	return w == nil || it.seq == 0 || w.states.len()+w.gap(packetIDOf(it.seq)) < maxPacketID
}

// dequeue takes the first item out of the queue; gone tells that the Session
// owes it to nobody any more or has it in a transient window.
func (s *Session) dequeue(sc *Scratch, gone bool) {
	it := s.backlog.queued.pop()
	s.backlog.bytes -= it.msg.size()
	if gone {
		s.unstore(sc, &it)
	}
}

// admit lets waiting publishers in. It returns true if something was queued.
func (s *Session) admit(sc *Scratch) bool {
	b := s.backlog
	some := false
	for b.waiting.len() > 0 {
		it := b.waiting.at(0)
		if it.op.unsettled.Load() || !s.makeRoom(sc, it.msg.size()) {
			break
		}
		w := b.waiting.pop()
		b.waitingBytes -= w.msg.size()
		s.app.await(-1, -w.msg.size())
		some = s.acceptWaiting(sc, w) || some
	}
	if some && b.waiting.len() == 0 && s.extra != nil && s.extra.slowAt != 0 {
		s.extra.slowAt = 0
		s.schedule()
	}
	return some
}

// acceptWaiting keeps an item whose publisher has been waiting. It returns
// true if it is in the queue.
func (s *Session) acceptWaiting(sc *Scratch, it item) bool {
	op := it.op
	it.op = nil
	if s.persistent() || it.addressed { // the op is told by the Store, since the publish itself has returned
		rc := op.receipt.Load()
		if rc == nil {
			return s.enqueue(sc, &it, op)
		}
		s.keepMailbox()
		if rc.has(s.box.id) { // which was not known when it was offered
			op.finish(Accepted)
			return false
		}
		queued := false
		rc.give(s.box.id, func() { queued = s.enqueue(sc, &it, op) })
		return queued
	}
	s.enqueue(sc, &it, nil)
	op.finish(Accepted)
	return true
}

// Resume tells that the Link takes messages again after it was Full.
func (s *Session) Resume(sc *Scratch, epoch uint64) {
	s.mu.Lock()
	if s.epoch.Load() == epoch {
		s.flags &^= flagFull
		s.pump(sc)
	}
	s.unlock(sc)
}
