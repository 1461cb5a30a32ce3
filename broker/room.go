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
		sc.Counters.Dropped[reason].add(1)
	}
}

// dropOldest removes the oldest messages that have not been sent until there is
// room for size bytes.
func (s *Session) dropOldest(sc *Scratch, size int) {
	b := s.backlog
	for b != nil && b.queued.len() > 0 && !s.fits(size) && !b.queued.at(0).released {
		s.dequeue(sc, true)
		sc.Counters.Dropped[DropOldest].add(1)
	}
	if !s.fits(size) && s.persistent() && (b == nil || b.queued.len() == 0) && !s.has(flagPaging|flagLoading) && s.behind() {
		s.flags |= flagPaging | flagMakeRoom
	}
}

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
	id, after := s.box.id, s.extra.reader.loaded
	s.mu.Unlock()
	s.app.broker.store.Load(id, after, oldestPage, pageBytes, s.oldestLoaded)
}

// oldestLoaded is called by the Store, from any goroutine.
func (s *Session) oldestLoaded(es []Entry, _ bool, err error) {
	var todo sessionFlags
	s.app.broker.withScratch(func(sc *Scratch) {
		s.mu.Lock()
		s.flags &^= flagPaging
		if s.has(flagEnded) || s.asleep() {
			todo = s.release()
			return
		}
		if err == nil {
			s.dropEntries(sc, es)
		}
		s.goOnWaiting(sc)
		todo = s.release()
	})
	s.carryOut(todo)
}

// dropEntries removes as many of es, the oldest in the Store, as it takes to
// let the first publisher in that waits, and a few more.
func (s *Session) dropEntries(sc *Scratch, es []Entry) {
	r := &s.extra.reader
	for i := range es {
		e := &es[i]
		b := s.backlog
		if b == nil || b.waiting.len() == 0 || s.fits(b.waiting.at(0).msg.size()) && i >= oldestPage/2 {
			return
		}
		if e.Seq != r.loaded+1 && e.Seq <= r.loaded {
			continue // read meanwhile
		}
		r.loaded = e.Seq
		it := item{msg: e.Message, seq: e.Seq, log: e.Log}
		s.unstore(sc, &it)
		sc.Counters.Dropped[DropOldest].add(1)
	}
	if len(es) == 0 { // there is nothing there: what was counted has expired
		s.recountEmpty(sc)
	}
}

// goOnWaiting lets publishers in that wait for a Session which is off line, or
// refuses them; one that is connected is pumped.
func (s *Session) goOnWaiting(sc *Scratch) {
	if s.link != nil {
		s.pump(sc)
		return
	}
	b := s.backlog
	if b == nil {
		return
	}
	s.admit(sc)
	if b.waiting.len() > 0 && !s.has(flagPaging|flagLoading) {
		for _, op := range s.refuseWaiting(sc) {
			op.finish(QuotaExceeded)
		}
	}
	s.relax()
}
