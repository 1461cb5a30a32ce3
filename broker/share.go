package broker

// offerShared offers it to one member of its group: in turn to one that is
// connected and has nothing waiting, else to one that is connected, else to any
// that keeps it. v5 4.8.2 leaves the choice to the server.
func (sc *Scratch) offerShared(g *group, it item) Result {
	for _, ok := range [...]func(groupMember) bool{memberIdle, memberConnected, nil} {
		sub, found := g.Pick(ok)
		if !found {
			continue
		}
		it.qos = min(it.msg.QoS, QoS(sub.Options.QoS()))
		it.retain = it.msg.Retain && sub.Options.RetainAsPublished()
		it.ids = nil
		if sub.ID != 0 {
			sc.ids = append(sc.ids[:0], sub.ID)
			it.ids = sc.ids
		}
		return sub.Subscriber.offer(sc, &it)
	}
	return Accepted
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

// handOn gives a message that a member has left unacknowledged to another one:
// v5 4.8.2.
func (b *Broker) handOn(sc *Scratch, it item) {
	it.seq, it.dup, it.op = 0, false, nil
	if it.group.Len() == 0 {
		sc.Counters.Dropped[DropSessionEnd].add(1)
		return
	}
	if r := sc.offerShared(it.group, it); !r.OK() {
		sc.Counters.Dropped[DropSessionEnd].add(1)
	}
	if sc.op != nil { // nobody waits for it: its publisher has been answered
		sc.op.finish(Accepted)
		sc.op = nil
	}
}
