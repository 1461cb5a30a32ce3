// Package memory is a broker.Store without a disk: for tests, and for nodes
// whose Sessions need not survive the process. Every call takes effect, and
// calls back, before it returns.
package memory

import (
	"maps"
	"slices"
	"sync"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// shards spreads Sessions over this many locks.
const shards = 32

// Store implements broker.Store. Make one with New.
type Store struct {
	shards [shards]shard
}

type shard struct {
	mu       sync.Mutex
	sessions map[broker.SessionKey]*session
}

// session is a record, which may be missing, and a mailbox in order of Seq.
type session struct {
	record  *broker.SessionRecord
	entries []broker.Entry
	head    int // entries before head are removed
}

// New returns an empty store.
func New() *Store {
	st := new(Store)
	for i := range st.shards {
		st.shards[i].sessions = make(map[broker.SessionKey]*session)
	}
	return st
}

func (st *Store) shard(key broker.SessionKey) *shard {
	h := uint32(2166136261) // FNV-1a
	for i := range len(key.ClientID) {
		h = (h ^ uint32(key.ClientID[i])) * 16777619
	}
	return &st.shards[h%shards]
}

// with calls f with the Session of key, which is made if need be.
func (st *Store) with(key broker.SessionKey, f func(*session)) {
	sh := st.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	s := sh.sessions[key]
	if s == nil {
		s = new(session)
		sh.sessions[key] = s
	}
	f(s)
}

// find returns the Session of key, or nil, with its shard locked.
func (st *Store) find(key broker.SessionKey) (s *session, unlock func()) {
	sh := st.shard(key)
	sh.mu.Lock()
	return sh.sessions[key], sh.mu.Unlock
}

// LoadSession implements broker.Store.
func (st *Store) LoadSession(key broker.SessionKey, done func(*broker.SessionRecord, error)) {
	s, unlock := st.find(key)
	var r *broker.SessionRecord
	if s != nil {
		r = s.record
	}
	unlock()
	done(r, nil)
}

// SaveSession implements broker.Store.
func (st *Store) SaveSession(key broker.SessionKey, r *broker.SessionRecord) {
	st.with(key, func(s *session) { s.record = r })
}

// DeleteSession implements broker.Store.
func (st *Store) DeleteSession(key broker.SessionKey) {
	sh := st.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	delete(sh.sessions, key)
}

// Append implements broker.Store.
func (st *Store) Append(key broker.SessionKey, e broker.Entry, c broker.Commit) {
	st.with(key, func(s *session) { s.entries = append(s.entries, e) })
	if c != nil {
		c.Committed(nil)
	}
}

// search returns the place of seq in entries, or where it would be.
func (s *session) search(seq uint64) (int, bool) {
	i, ok := slices.BinarySearchFunc(s.entries[s.head:], seq, func(e broker.Entry, seq uint64) int {
		switch {
		case e.Seq < seq:
			return -1
		case e.Seq > seq:
			return 1
		}
		return 0
	})
	return s.head + i, ok
}

// Update implements broker.Store.
func (st *Store) Update(key broker.SessionKey, e broker.Entry) {
	s, unlock := st.find(key)
	defer unlock()
	if s == nil {
		return
	}
	if i, ok := s.search(e.Seq); ok {
		s.entries[i] = e
	}
}

// Remove implements broker.Store.
func (st *Store) Remove(key broker.SessionKey, seq uint64) {
	s, unlock := st.find(key)
	defer unlock()
	if s == nil {
		return
	}
	i, ok := s.search(seq)
	switch {
	case !ok:
		return
	case i == s.head: // the usual case: the oldest goes first
		s.entries[i] = broker.Entry{}
		s.head++
	default:
		s.entries = slices.Delete(s.entries, i, i+1)
	}
	s.compact()
}

// compact gives back the memory of removed entries.
func (s *session) compact() {
	switch {
	case s.head == len(s.entries):
		s.entries, s.head = nil, 0
	case s.head > 64 && s.head > len(s.entries)/2:
		s.entries, s.head = slices.Clone(s.entries[s.head:]), 0
	}
}

// Load implements broker.Store.
func (st *Store) Load(key broker.SessionKey, after uint64, limit int, done func([]broker.Entry, bool, error)) {
	s, unlock := st.find(key)
	var es []broker.Entry
	more := false
	if s != nil {
		i, found := s.search(after)
		if found {
			i++
		}
		n := min(limit, len(s.entries)-i)
		es = slices.Clone(s.entries[i : i+n])
		more = i+n < len(s.entries)
	}
	unlock()
	done(es, more, nil)
}

// SetRetained implements broker.Store. Retained messages are in RAM anyway.
func (st *Store) SetRetained(_, _ string, _ *broker.Message, c broker.Commit) {
	if c != nil {
		c.Committed(nil)
	}
}

// Sessions returns the keys of all Sessions, in no order.
func (st *Store) Sessions() []broker.SessionKey {
	var keys []broker.SessionKey
	for i := range st.shards {
		sh := &st.shards[i]
		sh.mu.Lock()
		keys = slices.AppendSeq(keys, maps.Keys(sh.sessions))
		sh.mu.Unlock()
	}
	return keys
}

// Close implements broker.Store.
func (st *Store) Close() error { return nil }

var _ broker.Store = (*Store)(nil)
