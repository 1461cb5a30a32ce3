package broker

// offer has the Session take it, as far as its bounds allow. it.msg and it.ids
// may be borrowed.
func (s *Session) offer(sc *Scratch, it *item) Result {
	s.mu.Lock()
	r := s.offerLocked(sc, it)
	s.unlock(sc)
	return r
}

func (s *Session) offerLocked(sc *Scratch, it *item) Result {
	switch {
	case s.has(flagEnded):
		return Accepted // owed nothing any more
	case it.qos > 0 && (sc.skips(s.box.id) || s.leftToLog(it)):
		return Accepted
	case s.asleep():
		return s.offerAsleep(sc, it)
	case it.qos == 0:
		s.offerQoS0(sc, it)
		return Accepted
	case s.has(flagReady) && s.caughtUp() && s.room() && !s.persistent() && !it.addressed:
		return s.sendNow(sc, it)
	}
	return s.take(sc, it)
}

// offerQoS0 sends it now or never.
func (s *Session) offerQoS0(sc *Scratch, it *item) {
	if s.link == nil || !s.has(flagReady) {
		s.dropped(sc, it.msg, DropOffline)
		return
	}
	if s.app.broker.relief.sheds(s.link) {
		s.dropped(sc, it.msg, DropOverload)
		return
	}
	switch s.send(sc, it, 0) {
	case Full, Gone:
		s.dropped(sc, it.msg, DropSlow)
	case Oversized:
		s.dropped(sc, it.msg, DropOversized)
	case Sent:
	}
}

// sendNow is the fast path of QoS 1 and 2: nothing older waits and the window
// has room.
func (s *Session) sendNow(sc *Scratch, it *item) Result {
	switch s.send(sc, it, s.nextID) {
	case Sent:
		s.inFlight(sc, it)
		return Accepted
	case Oversized: // v5 [MQTT-3.1.2-25]: as if it had been sent
		s.dropped(sc, it.msg, DropOversized)
		return Accepted
	case Gone:
		if it.group == nil {
			return Accepted // a transient Session ends with its connection
		}
		return s.take(sc, it) // the group does not
	}
	s.flags |= flagFull
	return s.take(sc, it)
}

// send hands it to the Link.
func (s *Session) send(sc *Scratch, it *item, id PacketID) Verdict {
	d := &sc.delivery
	*d = Delivery{
		Message:         it.msg,
		QoS:             it.qos,
		Retain:          it.retain,
		Dup:             it.dup,
		PacketID:        id,
		Seq:             it.seq,
		Log:             it.log,
		SubscriptionIDs: it.ids,
		Via:             sc.via,
	}
	if it.qos == 0 && s.has(flagNumberAll) {
		d.Seq = s.passingSeq()
	}
	v := s.link.Deliver(d)
	if v == Sent {
		c := sc.of(s.app)
		c.Delivered[it.qos].add(1)
		c.BytesOut.add(uint64(len(it.msg.Payload)))
		if h := sc.hooks; h != nil {
			s.tellDelivered(h, d)
		}
	}
	return v
}

// nextPacketID is the Packet Identifier under which it is sent.
func (s *Session) nextPacketID(it *item) PacketID {
	switch {
	case it.qos == 0:
		return 0
	case it.seq != 0:
		return packetIDOf(it.seq)
	}
	return s.nextID
}

// inFlight notes that it has been sent as the next delivery.
func (s *Session) inFlight(sc *Scratch, it *item) {
	w := s.window
	if w == nil {
		w = windowPool.Get().(*window)
		s.window = w
	}
	var h held
	if it.seq != 0 || it.group != nil {
		h = held{item: it.keep(), group: it.group}
	}
	id := s.nextPacketID(it)
	w.push(id, it.qos, h)
	if it.released {
		*w.states.at(w.states.len() - 1) = awaitDone
	}
	s.nextID = id.after(1)
	if it.seq != 0 {
		r := &s.extra.reader
		r.sent = max(r.sent, it.seq)
	}
	sc.of(s.app).inflight.add(1)
}

// keep returns it with nothing borrowed and no publisher waiting.
func (it *item) keep() item {
	k := *it
	k.msg, k.op = it.msg.Keep(), nil
	if len(it.ids) > 0 {
		k.ids = append([]uint32(nil), it.ids...)
	}
	return k
}

// take keeps it until it can be sent, or has its publisher wait, or refuses.
func (s *Session) take(sc *Scratch, it *item) Result {
	if !s.mayKeep(it) {
		return QuotaExceeded
	}
	unknown := s.has(flagLoading) // what the mailbox holds
	if !unknown && (s.backlog == nil || s.backlog.waiting.len() == 0) && s.makeRoom(sc, it.msg.size()) {
		k := it.keep()
		s.accept(sc, &k, s.waitsFor(sc, it))
		if k.seq != 0 {
			sc.note(s.box.id)
		}
		return Accepted // or later, through the op that waitsFor may have made
	}
	if s.link == nil && !unknown && !s.has(flagPaging) || !s.mayWait(sc, it) {
		return QuotaExceeded
	}
	k := it.keep()
	sc.park(s, &k)
	b := s.pending()
	b.waiting.push(k)
	b.waitingBytes += k.msg.size()
	s.app.await(1, k.msg.size())
	if b.waiting.len() == 1 && s.link != nil {
		s.watchProgress()
	}
	return Accepted
}

// mayKeep tells whether the App has room to keep it. What has been accepted before is only moved, and what is in the
// App's log has its bound there.
func (s *Session) mayKeep(it *item) bool { return it.owed || it.log != 0 || s.app.keeps(it.msg.size()) }

// waitsFor is what is told when the message is in the mailbox; nil if it is kept in RAM.
func (s *Session) waitsFor(sc *Scratch, it *item) *publishOp {
	if s.persistent() || it.addressed {
		return sc.waits()
	}
	return nil
}

// offerAsleep puts it into the mailbox of a Session that sleeps. It is woken if
// it is not known what its mailbox holds, or if there is no room in it.
func (s *Session) offerAsleep(sc *Scratch, it *item) Result {
	if s.outlived() {
		return Accepted // it has ended, though nobody has noticed
	}
	if it.qos == 0 {
		s.dropped(sc, it.msg, DropOffline)
		return Accepted
	}
	if !s.mayKeep(it) {
		return QuotaExceeded
	}
	if !s.has(flagUncounted) && s.fits(it.msg.size()) && (!it.addressed || s.mailRecorded()) {
		k := it.keep()
		s.appendMailbox(sc, &k, sc.waits())
		sc.note(s.box.id)
		return Accepted
	}
	s.wake()
	return s.take(sc, it)
}

// mayWait tells whether the list of waiting publishes has room for it.
func (s *Session) mayWait(sc *Scratch, it *item) bool {
	b := s.backlog
	if b == nil || b.waiting.len() == 0 {
		return true
	}
	cfg := &s.app.broker.cfg
	count, bytes := cfg.MaxQueuedMessages, cfg.MaxQueuedBytes
	if sc.attended {
		count, bytes = cfg.MaxWaitingMessages, cfg.MaxWaitingBytes
	}
	return b.waiting.len() < count && b.waitingBytes+it.msg.size() <= bytes
}

// fits tells whether the queue or mailbox has room for size bytes more.
func (s *Session) fits(size int) bool {
	cfg := &s.app.broker.cfg
	count, bytes := 0, 0
	if s.persistent() {
		count, bytes = int(s.box.count), int(s.box.bytes)
	} else if b := s.backlog; b != nil {
		count, bytes = b.queued.len(), b.bytes
	}
	return count < cfg.MaxQueuedMessages && (count == 0 || bytes+size <= cfg.MaxQueuedBytes)
}

// accept keeps k: in RAM, and for a persistent Session in the mailbox, of which
// op is told. If it can be sent, it is. k must be kept already.
func (s *Session) accept(sc *Scratch, k *item, op *publishOp) {
	if s.enqueue(sc, k, op) && s.has(flagReady) && !s.has(flagFull) && s.backlog.queued.len() == 1 {
		s.pump(sc)
	}
}

// enqueue is accept without sending. It returns true if k is in the queue.
func (s *Session) enqueue(sc *Scratch, k *item, op *publishOp) bool {
	if k.addressed && !s.mailRecorded() {
		s.keepMailbox()
		tx := s.app.broker.store.Begin() // without the record the entry would be lost
		defer s.app.broker.store.End(tx)
		s.recordMail(op)
	}
	if s.persistent() {
		s.appendMailbox(sc, k, op)
	} else {
		s.app.hold(1, k.msg.size())
	}
	b := s.pending()
	if k.seq != 0 && (s.behind() || b.queued.len() >= page || s.link == nil) {
		s.more().reader.behind = true
		s.relax()
		return false
	}
	if k.seq != 0 {
		s.more().reader.loaded = k.seq
	}
	b.queued.push(*k)
	b.bytes += k.msg.size()
	return true
}
