package broker

import (
	"hash/maphash"
	"runtime"
	"strings"
	"sync"
)

// sessionShards spreads the look-up of Sessions over this many locks.
const sessionShards = 64

type sessionShard struct {
	mu sync.Mutex
	m  map[string]*Session
}

var shardSeed = maphash.MakeSeed()

func (a *App) shard(clientID string) *sessionShard {
	return &a.shards[maphash.String(shardSeed, clientID)%sessionShards]
}

// obtain returns the Session of a Client Identifier. If there is none in RAM,
// it is one whose record is about to be fetched.
func (a *App) obtain(sc *Scratch, clientID string) *Session {
	sh := a.shard(clientID)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	s := sh.m[clientID]
	if s == nil {
		s = newSession(a, strings.Clone(clientID))
		s.flags |= flagLoading | flagWake
		sh.m[s.clientID] = s
		a.usage.sessions.Add(1)
	}
	return s
}

// register puts s into the registry, where there must be none of its Client Identifier.
func (a *App) register(s *Session) {
	sh := a.shard(s.clientID)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.m[s.clientID] = s
}

// find returns the Session of a Client Identifier if it is in RAM, or nil.
func (a *App) find(clientID string) *Session {
	sh := a.shard(clientID)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return sh.m[clientID]
}

// lock is find, and locks mu. A Session that has ended is none: another may be about to take its place.
func (a *App) lock(clientID string) *Session {
	for {
		s := a.find(clientID)
		if s == nil {
			return nil
		}
		s.mu.Lock()
		if !s.has(flagEnded) {
			return s
		}
		s.mu.Unlock() // just being removed or replaced; take another look
		runtime.Gosched()
	}
}

// replace puts s in the place of old, which ends, with all that is stored of it except for what was addressed to
// the device. Doing so under the shard's lock puts the Store's deletion before anything that s stores. It returns false, and does
// nothing, if old has ended or gone to sleep since it was found: what there is of it in the Store is not known any more.
func (a *App) replace(sc *Scratch, old, s *Session) (left leftovers, ok bool) {
	sh := a.shard(s.clientID)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	old.mu.Lock()
	defer old.mu.Unlock()
	if old.has(flagEnded|flagLoading) || old.asleep() {
		return leftovers{}, false
	}
	heir := old.bequeath(s)
	left = old.retire(sc, ErrTakenOver)
	if w := left.will; w != nil && w.LostOnly {
		left.will = nil
	}
	if heir {
		left.box = s.box.id
		s.setGauges(sc)
		s.awaitScan(&left)
	} else if old.box.id != 0 || old.recorded() {
		left.erase(old)
	}
	sh.m[s.clientID] = s
	return left, true
}

// bequeath gives the mailbox to s, if it holds anything: what of it was
// addressed to the device is still owed. What the client has begun to publish
// with QoS 2 is forgotten.
func (s *Session) bequeath(to *Session) bool {
	if !s.leavesMail() {
		return false
	}
	st := s.app.broker.store
	for id := range s.extra.received {
		st.RemoveReceipt(s.box.id, id, nil)
	}
	to.box, to.flags = s.box, to.flags|flagStored|flagMail
	if !s.mailRecorded() {
		to.flags |= flagUnrecorded
	}
	to.more().reader = reader{
		loaded: s.head() - 1, behind: true, sent: s.box.next - 1, dropBefore: s.box.next, logTaken: s.extra.reader.logTaken,
	}
	if s.extra.scans > 0 {
		to.extra.scans, s.extra.heir = s.extra.scans, to
	}
	return true
}

// setGauges counts in what the mailbox holds.
func (s *Session) setGauges(sc *Scratch) {
	s.app.hold(int(s.box.count), int(s.box.bytes))
}

// recorded tells whether there is a record in the Store.
func (s *Session) recorded() bool { return !s.asleep() && s.extra != nil && s.extra.record.saved }

// forget removes s, unless another Session has taken its place, which it returns false for.
func (a *App) forget(s *Session) bool {
	sh := a.shard(s.clientID)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.m[s.clientID] != s {
		return false
	}
	delete(sh.m, s.clientID)
	return true
}

// forgetGone removes from the registry what has left RAM. No lock is held.
func (sc *Scratch) forgetGone() {
	for len(sc.gone) > 0 {
		n := len(sc.gone) - 1
		s := sc.gone[n]
		sc.gone[n], sc.gone = nil, sc.gone[:n]
		s.app.forget(s)
	}
}

// Connected tells whether the client of a Client Identifier has a connection in this moment. It does not block.
func (a *App) Connected(clientID string) bool {
	s := a.lock(clientID)
	if s == nil {
		return false
	}
	defer s.mu.Unlock()
	return s.connected()
}

// connected tells whether the client has a connection, or takes over its own with a clean start in this moment.
func (s *Session) connected() bool { return !s.asleep() && s.link != nil || s.has(flagBeginning) }
