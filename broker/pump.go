package broker

// pump sends what waits as long as window and Link take it, and lets waiting
// publishers in as room appears. It is called with mu held, on a Session that
// is ready.
func (s *Session) pump(sc *Scratch) {
	if s.link == nil || !s.has(flagReady) || s.has(flagFull) {
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
	}
	// Retained messages wait until the mailbox is read, because they go to its
	// end when they are sent.
	if b := s.backlog; b != nil && len(b.jobs) > 0 && b.queued.len() == 0 && !s.behind() {
		s.runJobs(sc)
	}
	s.relax()
}

// drain sends what is queued. It returns false if something is left.
func (s *Session) drain(sc *Scratch) bool {
	b := s.backlog
	for b.queued.len() > 0 {
		it := b.queued.at(0)
		if it.msg.expired(s.app.broker.cfg.Clock) {
			sc.Counters.Dropped[DropExpired].add(1)
			s.dequeue(sc, true)
			continue
		}
		if !s.room() {
			return false
		}
		switch s.send(sc, it, s.nextID) {
		case Sent:
			s.inFlight(sc, it)
			s.dequeue(sc, it.seq == 0)
		case Oversized:
			sc.Counters.Dropped[DropOversized].add(1)
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
		if !s.fits(it.msg.size()) {
			break
		}
		w := b.waiting.pop()
		b.waitingBytes -= w.msg.size()
		sc.gauges.waiting.add(-1)
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
	b := s.backlog
	op := it.op
	it.op = nil
	if s.persistent() {
		s.appendMailbox(&it, op) // tells the op, since the publish itself has returned
	}
	sc.gauges.queued.add(1)
	sc.gauges.queuedBytes.add(it.msg.size())
	if it.seq != 0 && (s.behind() || b.queued.len() >= page) {
		s.extra.mailbox.behind = true
		return false
	}
	if it.seq != 0 {
		s.extra.mailbox.loaded = it.seq
	}
	b.queued.push(it)
	b.bytes += it.msg.size()
	if it.seq == 0 {
		op.finish(Accepted)
	}
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

// wantPage has unlock fetch the next page of the mailbox, if there is one.
func (s *Session) wantPage() {
	if s.behind() && s.room() && !s.has(flagPaging|flagEnded) {
		s.flags |= flagPaging | flagFetch
	}
}

// fetchPage asks the Store for the next page. mu is not held.
func (s *Session) fetchPage() {
	s.mu.Lock()
	p := pageRequest{session: s, after: s.extra.mailbox.loaded, next: s.extra.mailbox.next}
	s.mu.Unlock()
	s.app.broker.store.Load(s.key(), p.after, page, p.loaded)
}

// pageRequest is a page of a mailbox that is being fetched.
type pageRequest struct {
	session *Session
	after   uint64 // the largest seq that was in RAM
	next    uint64 // the next entry's seq at that time
}

// loaded is called by the Store, from any goroutine.
func (p pageRequest) loaded(es []Entry, more bool, err error) {
	s := p.session
	fetch := false
	s.app.broker.withScratch(func(sc *Scratch) {
		s.mu.Lock()
		s.flags &^= flagPaging
		switch {
		case s.has(flagEnded) || s.link == nil:
		case err != nil:
			s.app.broker.cfg.Logger.Error("mailbox_unreadable", "client_id", s.clientID, "error", err)
			s.link.End(err)
		default:
			if s.extra.mailbox.loaded == p.after {
				s.addPage(p, es, more)
				s.recount(sc)
			} // else the client has gone and come back meanwhile: fetch again
			s.pump(sc)
		}
		fetch = s.release()
	})
	if fetch { // with the working memory given back: a Store may answer at once, and so on
		s.fetchPage()
	}
}

func (s *Session) addPage(p pageRequest, es []Entry, more bool) {
	mb := &s.extra.mailbox
	b := s.pending()
	for _, e := range es {
		mb.loaded = e.Seq
		b.queued.push(item{msg: e.Message, qos: e.QoS, retain: e.Retain, seq: e.Seq, ids: e.SubscriptionIDs})
		b.bytes += e.Message.size()
	}
	if len(es) == 0 && !more {
		mb.loaded = p.next - 1 // what is missing up to here has never been stored
	}
	mb.behind = mb.loaded+1 < mb.next
}

// recount corrects what is counted of the mailbox once all of it is in RAM:
// the Store may have failed to keep what it was given, or the record may be
// older than the mailbox.
func (s *Session) recount(sc *Scratch) {
	mb := &s.extra.mailbox
	if mb.behind {
		return
	}
	count, bytes := s.backlog.queued.len(), s.backlog.bytes
	if w := s.window; w != nil {
		for i := range w.holds.len() {
			if it := &w.holds.at(i).item; it.seq != 0 {
				count++
				bytes += it.msg.size()
			}
		}
	}
	sc.gauges.queued.add(count - mb.count)
	sc.gauges.queuedBytes.add(bytes - mb.bytes)
	mb.count, mb.bytes = count, bytes
}
