package broker

// sharedTries bounds how often another member is picked because the one that
// was has ended in the same moment.
const sharedTries = 16

// offerShared offers it to one member of its group. v5 4.8.2 leaves the choice
// to the server.
func (sc *Scratch) offerShared(g *group, it item) Result {
	for range sharedTries {
		sub, found := pickMember(g, &it)
		if !found {
			return Accepted
		}
		it.qos = min(it.msg.QoS, QoS(sub.Options.QoS()))
		it.retain = it.msg.Retain && sub.Options.RetainAsPublished()
		it.ids = nil
		if sub.ID != 0 {
			sc.ids = append(sc.ids[:0], sub.ID)
			it.ids = sc.ids
		}
		if r, ended := sub.Subscriber.offerMember(sc, &it); !ended {
			return r
		}
	}
	return QuotaExceeded
}

// pickMember picks, each time in turn, a member that is connected and has
// nothing waiting, else one that is connected, else one that has room to keep
// it, else any, which refuses it.
func pickMember(g *group, it *item) (m groupMember, found bool) {
	for _, ok := range [...]func(groupMember) bool{memberIdle, memberConnected} {
		if m, found = g.Pick(ok); found {
			return m, true
		}
	}
	size := it.msg.size()
	m, found = g.Pick(func(m groupMember) bool { return memberKeeps(m, size) })
	if !found {
		m, found = g.Pick(memberLives)
	}
	return m, found
}

func memberIdle(m groupMember) bool {
	s := m.Subscriber
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.has(flagReady) && !s.has(flagFull) && s.caughtUp() && s.room()
}

func memberConnected(m groupMember) bool {
	s := m.Subscriber
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.link != nil
}

func memberKeeps(m groupMember, size int) bool {
	s := m.Subscriber
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.has(flagEnded) && s.fits(size)
}

func memberLives(m groupMember) bool {
	s := m.Subscriber
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.has(flagEnded)
}

// offerMember is offer to a member of a group. If the Session has ended since
// it was picked, the message is owed to another member.
func (s *Session) offerMember(sc *Scratch, it *item) (r Result, ended bool) {
	s.mu.Lock()
	if s.has(flagEnded) {
		s.mu.Unlock()
		return Accepted, true
	}
	r = s.offerLocked(sc, it)
	s.unlock(sc)
	return r, false
}

// handOn gives a message that a member has left unacknowledged to another one,
// v5 4.8.2, and answers its publisher if that still waits.
func (b *Broker) handOn(sc *Scratch, it item) {
	op := it.op
	it.seq, it.dup, it.op = 0, false, nil
	sc.op, sc.attended = op, op != nil
	r := Accepted
	if it.group.Len() > 0 {
		r = sc.offerShared(it.group, it)
	}
	if op == nil && (!r.OK() || it.group.Len() == 0) {
		sc.Counters.Dropped[DropSessionEnd].add(1)
	}
	if sc.op != nil { // made by the offer if op is nil: then nobody waits for it
		sc.op.finish(r)
		sc.op = nil
	}
}
