package broker

import (
	"hash/maphash"
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

// obtain returns the Session of a Client Identifier, which is made with
// makeNew if there is none.
func (a *App) obtain(clientID string, makeNew func() *Session) (s *Session, isNew bool) {
	sh := a.shard(clientID)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	s = sh.m[clientID]
	if s == nil {
		s, isNew = makeNew(), true
		sh.m[clientID] = s
	}
	return s, isNew
}

// replace puts s in the place of the Session with its Client Identifier, which
// ends, with all that is stored of it. Doing so under the shard's lock puts the Store's
// deletion before anything that s stores.
func (a *App) replace(sc *Scratch, s *Session) leftovers {
	sh := a.shard(s.clientID)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	var left leftovers
	if old := sh.m[s.clientID]; old != nil {
		old.mu.Lock()
		left = old.retire(sc, ErrTakenOver)
		old.mu.Unlock()
	}
	a.broker.store.DeleteSession(s.key())
	sh.m[s.clientID] = s
	return left
}

// forget removes s, unless another Session has taken its place, and deletes
// what is stored of it if erase is true.
func (a *App) forget(s *Session, erase bool) {
	sh := a.shard(s.clientID)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.m[s.clientID] != s {
		return
	}
	delete(sh.m, s.clientID)
	if erase {
		a.broker.store.DeleteSession(s.key())
	}
}
