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
	case it.qos == 0:
		s.offerQoS0(sc, it)
		return Accepted
	case s.has(flagReady) && s.caughtUp() && s.room() && !s.persistent():
		return s.sendNow(sc, it)
	}
	return s.take(sc, it)
}

// offerQoS0 sends it now or never.
func (s *Session) offerQoS0(sc *Scratch, it *item) {
	if s.link == nil || !s.has(flagReady) {
		sc.Counters.Dropped[DropOffline].add(1)
		return
	}
	switch s.send(sc, it, 0) {
	case Full, Gone:
		sc.Counters.Dropped[DropSlow].add(1)
	case Oversized:
		sc.Counters.Dropped[DropOversized].add(1)
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
		sc.Counters.Dropped[DropOversized].add(1)
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
		SubscriptionIDs: it.ids,
		Via:             sc.via,
	}
	v := s.link.Deliver(d)
	if v == Sent {
		sc.Counters.Delivered[it.qos].add(1)
		sc.Counters.BytesOut.add(uint64(len(it.msg.Payload)))
	}
	return v
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
	w.push(s.nextID, it.qos, h)
	s.nextID = s.nextID.after(1)
	sc.gauges.inflight.add(1)
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
	if s.fits(it.msg.size()) && (s.backlog == nil || s.backlog.waiting.len() == 0) {
		s.accept(sc, it)
		return Accepted // or later, through the op that accept may have made
	}
	if s.link == nil || !s.mayWait(sc, it) {
		return QuotaExceeded
	}
	k := it.keep()
	k.op = sc.waits()
	b := s.pending()
	b.waiting.push(k)
	b.waitingBytes += k.msg.size()
	sc.gauges.waiting.add(1)
	if b.waiting.len() == 1 {
		s.watchProgress()
	}
	return Accepted
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
		if x := s.extra; x != nil {
			count, bytes = x.mailbox.count, x.mailbox.bytes
		}
	} else if b := s.backlog; b != nil {
		count, bytes = b.queued.len(), b.bytes
	}
	return count < cfg.MaxQueuedMessages && (count == 0 || bytes+size <= cfg.MaxQueuedBytes)
}

// accept keeps it: in RAM, and for a persistent Session in the mailbox. If it
// can be sent, it is.
func (s *Session) accept(sc *Scratch, it *item) {
	k := it.keep()
	if s.persistent() {
		s.store(sc, &k)
	} else {
		sc.gauges.queued.add(1)
		sc.gauges.queuedBytes.add(k.msg.size())
	}
	b := s.pending()
	if k.seq != 0 && (s.behind() || b.queued.len() >= page || s.link == nil) {
		s.extra.mailbox.behind = true
		s.relax()
		return
	}
	if k.seq != 0 {
		s.extra.mailbox.loaded = k.seq
	}
	b.queued.push(k)
	b.bytes += k.msg.size()
	if s.has(flagReady) && !s.has(flagFull) && b.queued.len() == 1 {
		s.pump(sc)
	}
}

// store appends k to the mailbox; the publish going on waits until it is safe.
func (s *Session) store(sc *Scratch, k *item) {
	sc.gauges.queued.add(1)
	sc.gauges.queuedBytes.add(k.msg.size())
	s.appendMailbox(k, sc.waits())
}

// appendMailbox gives k the next place in the mailbox; c is told when it is safe.
func (s *Session) appendMailbox(k *item, c Commit) {
	mb := &s.more().mailbox
	k.seq = mb.next
	mb.next++
	mb.count++
	mb.bytes += k.msg.size()
	s.app.broker.store.Append(s.key(), Entry{
		Seq: k.seq, Message: k.msg, QoS: k.qos, Retain: k.retain, SubscriptionIDs: k.ids,
	}, c)
}

// unstore removes from the mailbox what is settled.
func (s *Session) unstore(sc *Scratch, it *item) {
	size := it.msg.size()
	if it.seq != 0 {
		mb := &s.extra.mailbox
		mb.count--
		mb.bytes -= size
		s.app.broker.store.Remove(s.key(), it.seq)
	}
	sc.gauges.queued.add(-1)
	sc.gauges.queuedBytes.add(-size)
}
