package broker

import "time"

// purgeEvery is how often a full queue is looked through for expired messages.
const purgeEvery = time.Second

// makeRoom sees to it that queue or mailbox has room for size bytes more, and
// tells whether it has. Expired messages leave and, if that is the policy, the
// oldest ones that have not been sent. If those are in the Store only, they are
// fetched; meanwhile flagPaging is set, and publishers may wait.
func (s *Session) makeRoom(sc *Scratch, size int) bool {
	if s.fits(size) {
		return true
	}
	s.purge(sc)
	if s.app.broker.cfg.DropOldest {
		s.dropOldest(sc, size)
	}
	return s.fits(size)
}

// purge removes expired messages from the queue.
func (s *Session) purge(sc *Scratch) {
	b := s.backlog
	if b == nil || b.queued.len() == 0 {
		return
	}
	now := s.app.broker.deadlines.now()
	x := s.more()
	if x.purgedAt != 0 && now < x.purgedAt+purgeEvery {
		return
	}
	x.purgedAt = max(now, 1)
	s.filterQueue(sc, func(it *item) bool { return !it.msg.expired(s.app.broker.cfg.Clock) || it.dup || it.released }, DropExpired)
}

// filterQueue removes what keep returns false for.
func (s *Session) filterQueue(sc *Scratch, keep func(*item) bool, reason DropReason) {
	b := s.backlog
	for range b.queued.len() {
		it := b.queued.pop()
		if keep(&it) {
			b.queued.push(it)
			continue
		}
		b.bytes -= it.msg.size()
		s.unstore(sc, &it)
		s.dropped(sc, it.msg, reason)
	}
}

// dropOldest removes the oldest messages until there is room for size bytes. What the client may have begun to
// receive with QoS 2 stays: its Packet Identifier must not be used for another message.
func (s *Session) dropOldest(sc *Scratch, size int) {
	b := s.backlog
	for b != nil && b.queued.len() > 0 && !s.fits(size) && !b.queued.at(0).begun() {
		oldest := b.queued.at(0).msg
		s.dequeue(sc, true)
		s.dropped(sc, oldest, DropOldest)
	}
	if b != nil && !s.fits(size) {
		s.filterQueue(sc, func(it *item) bool { return it.begun() || s.fits(size) }, DropOldest)
	}
	if !s.fits(size) && s.persistent() && !s.has(flagPaging|flagLoading) && s.behind() && s.extra.scans == 0 && s.extra.reader.looked()+1 < s.box.next {
		s.flags |= flagPaging | flagMakeRoom
	}
}

// begun tells whether the client may have begun to receive it with QoS 2.
func (it *item) begun() bool { return it.released || it.qos == 2 && it.dup }

// looked is up to where the mailbox has been read, or looked through for messages to drop.
func (r *reader) looked() uint64 { return max(r.loaded, r.kept) }

// oldestPage is how many messages are fetched at a time to be dropped.
const oldestPage = 64

// fetchOldest asks the Store for the oldest messages that are not in RAM. mu is
// not held.
func (s *Session) fetchOldest() {
	s.mu.Lock()
	if s.asleep() || s.extra == nil {
		s.mu.Unlock()
		return
	}
	p := pageRequest{session: s, box: s.box.id, after: s.extra.reader.looked(), next: s.box.next}
	s.mu.Unlock()
	s.app.broker.store.Load(p.box, p.after, oldestPage, pageBytes, p.oldestLoaded)
}

// oldestLoaded is called by the Store, from any goroutine.
func (p pageRequest) oldestLoaded(es []Entry, _ bool, err error) {
	s := p.session
	var todo sessionFlags
	s.app.broker.withScratch(func(sc *Scratch) {
		s.mu.Lock()
		s.flags &^= flagPaging
		if s.has(flagEnded) || s.asleep() {
			todo = s.release()
			return
		}
		if err == nil {
			s.dropEntries(sc, p, es)
		}
		s.goOnWaiting(sc)
		todo = s.release()
	})
	s.carryOut(todo)
}

// dropEntries removes as many of es, the oldest in the Store that have not been looked at, as it takes to
// let the first publisher in that waits, and a few more.
func (s *Session) dropEntries(sc *Scratch, p pageRequest, es []Entry) {
	r := &s.extra.reader
	for i := range es {
		e := &es[i]
		b := s.backlog
		if b == nil || b.waiting.len() == 0 || s.fits(b.waiting.at(0).msg.size()) && i >= oldestPage/2 {
			return
		}
		if e.Seq <= r.loaded {
			continue // read meanwhile
		}
		it := item{msg: e.Message, seq: e.Seq, log: e.Log, qos: e.QoS, released: e.Released, dup: e.Seq <= r.sent}
		if it.begun() || r.kept > r.loaded {
			r.kept = e.Seq
		} else {
			r.loaded = e.Seq
		}
		if !it.begun() {
			s.unstore(sc, &it)
			s.dropped(sc, it.msg, DropOldest)
		}
	}
	switch {
	case len(es) > 0:
	case r.kept > r.loaded:
		r.kept = max(r.kept, p.next-1)
	case s.box.next == p.next: // there is nothing there: what was counted has expired
		s.recountEmpty(sc)
	default:
		r.loaded = max(r.loaded, p.next-1)
	}
}

// goOnWaiting lets publishers in that wait for a Session which is off line, or
// refuses them; one that is connected is pumped. Those of a QoS 2 publish that is being offered still go on with settle.
func (s *Session) goOnWaiting(sc *Scratch) {
	if s.link != nil {
		s.pump(sc)
		return
	}
	b := s.backlog
	if b == nil || s.has(flagLoading) {
		return
	}
	s.admit(sc)
	if b.waiting.len() > 0 && !b.waiting.at(0).op.unsettled.Load() && !s.has(flagPaging) {
		for _, op := range s.refuseWaiting(sc) {
			op.finish(QuotaExceeded)
		}
	}
	s.relax()
}
