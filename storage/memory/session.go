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
	sweep   sweep
}

// sweep says when a map is to be looked through for what has expired, which nobody asks for any more: when it has become
// twice as large as it was after the last time. So it holds no more than twice what it must, and adding costs little.
type sweep struct{ at int }

// smallMap is what is never looked through.
const smallMap = 64

// due tells whether a map of n is to be looked through.
func (s *sweep) due(n int) bool { return n > max(s.at, smallMap) }

// done tells that n are left.
func (s *sweep) done(n int) { s.at = 2 * n }

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
	ended := st.sweepRecords(sh)
	sh.mu.Unlock()
	for _, mb := range ended {
		st.dropMailbox(mb)
	}
	committed(c)
}

// sweepRecords removes the records of Sessions that have ended, if it is time to. It returns their mailboxes. sh.mu is held.
func (st *Store) sweepRecords(sh *recordShard) (ended []broker.Mailbox) {
	if !sh.sweep.due(len(sh.records)) {
		return nil
	}
	for key, r := range sh.records {
		if st.expired(r) {
			delete(sh.records, key)
			ended = append(ended, r.Mailbox)
		}
	}
	sh.sweep.done(len(sh.records))
	return ended
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
