package badger

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// bodySlack is how long a body outlives the entries it is written with, so that one which is owed to further
// Sessions soon after need not be written again.
const bodySlack = time.Hour

// bodyState is what the Store knows of a body: one that is stored, or will be. Guarded by its shard's mutex.
type bodyState struct {
	id   uint64
	refs int    // entries and logs that need it, stored or handed over; of an old body only the change since the start
	kept uint64 // until when it is safe in Badger, in seconds since 1970; 0 if it is not, or if nobody knows
}

// bodyShards is a power of two.
const bodyShards = 64

// bodies counts who needs which body.
//
// The counts of the bodies that were there at the start are not known until the scan has told them; until then
// only the changes are counted, and none of these bodies is deleted.
type bodies struct {
	first  uint64 // numbers below were given by an earlier process
	nextID func() uint64
	now    atomic.Int64 // in seconds since 1970, as of the last expire
	shards [bodyShards]bodyShard
}

type bodyShard struct {
	mu      sync.Mutex
	m       map[uint64]*bodyState
	counted bool // the scan has told the counts of old bodies
}

func newBodies(first uint64, nextID func() uint64) *bodies {
	b := &bodies{first: first, nextID: nextID}
	for i := range b.shards {
		b.shards[i].m = make(map[uint64]*bodyState)
	}
	return b
}

func (b *bodies) shard(id uint64) *bodyShard { return &b.shards[id%bodyShards] }

// hold counts one more who needs body, and numbers the body if nobody has.
func (b *bodies) hold(body *broker.Body) *bodyState {
	id := body.ID.Load()
	if id == 0 {
		if id = b.nextID(); !body.ID.CompareAndSwap(0, id) {
			id = body.ID.Load()
		}
	}
	s := b.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.get(id)
	st.refs++
	if int64(st.kept) < b.now.Load() {
		st.kept = 0 // it has left, and with it all who needed it; expire must not forget who needs it now
	}
	return st
}

// get returns the state of a body, a new one if there is none.
func (s *bodyShard) get(id uint64) *bodyState {
	st := s.m[id]
	if st == nil {
		st = &bodyState{id: id}
		s.m[id] = st
	}
	return st
}

// release counts one fewer, and tells whether that was the last one: then the body is forgotten, and the
// caller deletes it.
func (b *bodies) release(id uint64) (last bool) {
	s := b.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.m[id] == nil && b.known(s, id) {
		return false // gone with its time to live
	}
	st := s.get(id)
	st.refs--
	return b.forget(s, st)
}

// known tells whether the references to a body are counted.
func (b *bodies) known(s *bodyShard, id uint64) bool { return id >= b.first || s.counted }

// forget drops the state of a body that nobody needs.
func (b *bodies) forget(s *bodyShard, st *bodyState) bool {
	if st.refs > 0 || !b.known(s, st.id) {
		return false
	}
	delete(s.m, st.id)
	return true
}

// missing tells whether the body must be written for an entry that lives until then.
func (b *bodies) missing(st *bodyState, until uint64) bool {
	s := b.shard(st.id)
	s.mu.Lock()
	defer s.mu.Unlock()
	return st.kept < until
}

// stored notes that the body is safe until then.
func (b *bodies) stored(st *bodyState, until uint64) {
	s := b.shard(st.id)
	s.mu.Lock()
	defer s.mu.Unlock()
	st.kept = max(st.kept, until)
}

// unneeded tells whether nobody has come to need a forgotten body again.
func (b *bodies) unneeded(id uint64) bool {
	s := b.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.m[id]
	return st == nil || st.refs <= 0
}

// found adds what the scan has found of an old body: refs references, or that it is stored until then.
func (b *bodies) found(id uint64, refs int, until uint64) {
	s := b.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.get(id)
	st.refs += refs
	st.kept = max(st.kept, until)
}

// scanned ends the scan. It returns the bodies that nobody needs, and forgets them.
func (b *bodies) scanned() (unneeded []uint64) {
	for i := range b.shards {
		s := &b.shards[i]
		s.mu.Lock()
		s.counted = true
		for id, st := range s.m {
			if id < b.first && b.forget(s, st) {
				unneeded = append(unneeded, id)
			}
		}
		s.mu.Unlock()
	}
	return unneeded
}

// expire forgets the bodies that have left Badger with their time to live, some while before now, in seconds
// since 1970; their entries left without telling.
func (b *bodies) expire(now int64) {
	b.now.Store(now)
	for i := range b.shards {
		s := &b.shards[i]
		s.mu.Lock()
		for id, st := range s.m {
			if st.kept != 0 && int64(st.kept)+int64(bodySlack/time.Second) < now {
				delete(s.m, id)
			}
		}
		s.mu.Unlock()
	}
}

// live is the number of bodies that are known.
func (b *bodies) live() int {
	n := 0
	for i := range b.shards {
		s := &b.shards[i]
		s.mu.Lock()
		n += len(s.m)
		s.mu.Unlock()
	}
	return n
}
