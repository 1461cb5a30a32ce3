package broker

// wake has the record of a Session fetched that sleeps: by unlock. Until it is
// there, publishers wait.
func (s *Session) wake() {
	s.live = &live{nextID: 1}
	s.flags |= flagLoading | flagWake
}

// recordLoaded is called by the Store, from any goroutine.
func (s *Session) recordLoaded(r *SessionRecord, err error) {
	var todo sessionFlags
	s.app.broker.withScratch(func(sc *Scratch) {
		s.mu.Lock()
		s.flags &^= flagLoading
		var p *pendingConnect
		if x := s.extra; x != nil {
			p, x.connect = x.connect, nil
		}
		switch {
		case s.has(flagEnded): // a clean start came meanwhile
			s.mu.Unlock()
			if p != nil {
				p.done(Connected{Err: ErrTakenOver})
			}
		case err != nil:
			s.recordUnreadable(sc, p, err)
		case s.box.id != 0 && (r == nil || r.outlived(s.app.broker.deadlines.wallNow().UnixMilli())): // it has expired just now
			if r != nil { // it is kept for what was addressed to the device
				s.restore(sc, r)
			}
			s.finish(sc)
			if p != nil {
				s.app.broker.connect(sc, p.c, p.done) // which its App has admitted
			}
		default:
			todo = s.awoken(sc, p, r)
		}
	})
	s.carryOut(todo)
}

// awoken goes on with what the record was fetched for. It is called with mu held
// and unlocks.
func (s *Session) awoken(sc *Scratch, p *pendingConnect, r *SessionRecord) (todo sessionFlags) {
	if r != nil && r.Expiry == 0 { // only a Will, of a Session that has ended with the node
		s.app.broker.store.DeleteSession(s.key(), r.Mailbox, nil)
		r = nil
	}
	if r != nil && r.outlived(s.app.broker.deadlines.wallNow().UnixMilli()) {
		r = s.outlivedRecord(r)
	}
	if r != nil {
		s.restore(sc, r)
	}
	switch {
	case p != nil && r == nil:
		s.attach(sc, p.c, false, p.done)
	case p != nil:
		s.takeIn(sc, p.c, p.done)
	default: // a publish has woken it
		tx := s.app.broker.store.Begin() // without the record of a new inbox its entries would be lost
		if r == nil {
			s.makeInbox()
		}
		s.goOnWaiting(sc)
		s.app.broker.store.End(tx)
		s.linger(sc)
		return s.release()
	}
	return 0
}

// outlivedRecord is what is left of a Session that has expired in the Store: what was
// addressed to the device, or nothing.
func (s *Session) outlivedRecord(r *SessionRecord) *SessionRecord {
	if r.Mail && r.Count > 0 {
		r.Will = nil
		s.orphan(r)
		return r
	}
	s.app.broker.store.DeleteSession(s.key(), r.Mailbox, nil)
	return nil
}

// recordUnreadable puts a Session back to sleep whose record the Store cannot read.
func (s *Session) recordUnreadable(sc *Scratch, p *pendingConnect, err error) {
	s.app.broker.cfg.Logger.Error("session_unreadable", "client_id", s.clientID, "error", err)
	ops := s.refuseWaiting(sc)
	if s.box.id != 0 {
		left := leftovers{session: s}
		if s.extra != nil {
			left.shared = s.extra.refused
		}
		s.flags = s.flags&^flagHandOn | flagUncounted
		s.live = nil
		s.mu.Unlock()
		left.settle(sc)
	} else {
		left := s.retire(sc, err)
		s.mu.Unlock()
		s.app.forget(s)
		left.settle(sc)
	}
	for _, op := range ops {
		op.finish(StoreFailed)
	}
	if p != nil {
		p.done(Connected{Err: err})
	}
}
