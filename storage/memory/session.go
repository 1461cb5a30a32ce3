package memory

import (
	"hash/maphash"
	"slices"
	"sync"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// recordShard is a part of the Sessions' records. They do not change: SaveSession puts another in place.
type recordShard struct {
	mu      sync.Mutex
	records map[broker.SessionKey]*broker.SessionRecord
}

func (st *Store) record(key broker.SessionKey) *recordShard {
	return &st.records[maphash.Comparable(st.seed, key)%shards]
}

// LoadSession implements broker.Store.
func (st *Store) LoadSession(key broker.SessionKey, done func(*broker.SessionRecord, error)) {
	sh := st.record(key)
	sh.mu.Lock()
	stored := sh.records[key]
	ended := stored != nil && st.expired(stored)
	if ended {
		delete(sh.records, key)
	}
	sh.mu.Unlock()
	switch {
	case stored == nil:
		done(nil, nil)
	case ended:
		st.dropMailbox(stored.Mailbox)
		done(nil, nil)
	default:
		r := clone(stored)
		st.describe(r)
		done(r, nil)
	}
}

// expired tells whether the record need not be kept any longer.
func (st *Store) expired(r *broker.SessionRecord) bool {
	end := r.EndsAt()
	return end != 0 && st.now().UnixMilli() >= end
}

// clone copies what is stored of a record, and what its owner may change.
func clone(r *broker.SessionRecord) *broker.SessionRecord {
	c := *r
	c.Subscriptions = slices.Clone(r.Subscriptions)
	if r.Will != nil {
		will := *r.Will
		c.Will = &will
	}
	c.Received, c.Partial, c.Cursor, c.Count, c.Bytes = nil, nil, 0, 0, 0
	return &c
}

// SaveSession implements broker.Store.
func (st *Store) SaveSession(key broker.SessionKey, r *broker.SessionRecord, c broker.Commit) {
	stored := clone(r)
	sh := st.record(key)
	sh.mu.Lock()
	sh.records[key] = stored
	sh.mu.Unlock()
	committed(c)
}

// DeleteSession implements broker.Store.
func (st *Store) DeleteSession(key broker.SessionKey, mb broker.Mailbox, c broker.Commit) {
	sh := st.record(key)
	sh.mu.Lock()
	delete(sh.records, key)
	sh.mu.Unlock()
	st.dropMailbox(mb)
	committed(c)
}

// Sessions implements broker.Store. It may be called at any time.
func (st *Store) Sessions(f func(key broker.SessionKey, r *broker.SessionRecord)) error {
	type session struct {
		key broker.SessionKey
		r   *broker.SessionRecord
	}
	for i := range st.records {
		sh := &st.records[i]
		sh.mu.Lock()
		all := make([]session, 0, len(sh.records)) // f may call the Store
		for key, r := range sh.records {
			all = append(all, session{key, r})
		}
		sh.mu.Unlock()
		for _, s := range all {
			if !st.expired(s.r) {
				f(s.key, clone(s.r))
			}
		}
	}
	return nil
}
