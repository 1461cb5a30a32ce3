package badger

import (
	"sync"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// purgePieces bounds how many pieces wait to be committed, purgeKeys how many keys one has.
const (
	purgePieces = 64
	purgeKeys   = 500
)

// purging is a mailbox whose contents are being deleted: who reads it waits until they are.
type purging struct{ reads []func(*snapshot) }

// purgePiece is a part of a mailbox.
type purgePiece struct {
	keys []purgeKey
	last bool
}

type purgeKey struct {
	key  []byte
	body uint64
}

// purges are the mailboxes whose contents wait to be deleted.
type purges struct {
	mu     sync.Mutex
	cond   sync.Cond
	jobs   []purgeJob
	closed bool
}

type purgeJob struct {
	mb   broker.Mailbox
	snap *snapshot
}

// startPurge has the contents of mb deleted, as they are in snap. Called by the committer.
func (s *Store) startPurge(mb broker.Mailbox, snap *snapshot) {
	if s.purging[mb] == nil {
		s.purging[mb] = new(purging)
	}
	p := &s.purges
	p.mu.Lock()
	defer p.mu.Unlock()
	p.jobs = append(p.jobs, purgeJob{mb, snap})
	p.cond.Signal()
}

// purgeLoop deletes what is in mailboxes that have ended. What it does not come to before the Store is closed has a
// tombstone, and is deleted when it is open again.
func (s *Store) purgeLoop() {
	room := make(chan struct{}, purgePieces)
	p := &s.purges
	for {
		p.mu.Lock()
		for len(p.jobs) == 0 && !p.closed {
			p.cond.Wait()
		}
		if p.closed {
			for _, j := range p.jobs {
				j.snap.release()
			}
			p.mu.Unlock()
			return
		}
		j := p.jobs[0]
		p.jobs = p.jobs[1:]
		p.mu.Unlock()
		if err := s.purgeMailbox(j, room); err != nil {
			s.failed("purge mailbox", err)
		}
		j.snap.release()
	}
}

func (p *purges) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.cond.Broadcast()
}

// purgeMailbox hands the mailbox's keys to the committer, in pieces. The last piece is handed over whatever happens.
func (s *Store) purgeMailbox(j purgeJob, room chan struct{}) error {
	piece := new(purgePiece)
	hand := func() {
		room <- struct{}{}
		o := op{kind: opPurge, cost: opCost, mb: j.mb, c: purgeRoom(room), x: &opExtra{purge: piece}}
		s.q.push(&o, false)
		piece = new(purgePiece)
	}
	it := iterate(j.snap.txn, mailboxPrefix(j.mb))
	defer it.Close()
	for it.Rewind(); it.Valid(); it.Next() {
		item := it.Item()
		k := purgeKey{key: item.KeyCopy(nil)}
		if _, kind, _, err := splitMailbox(k.key); err == nil && kind == mailboxEntry {
			err := s.value(item, func(b []byte) error {
				e, err := decodeEntry(b)
				k.body = e.body
				return err
			})
			if err != nil {
				return err
			}
		}
		if piece.keys = append(piece.keys, k); len(piece.keys) == purgeKeys {
			hand()
		}
	}
	piece.last = true
	hand()
	return nil
}

// purgeRoom makes room for another piece.
type purgeRoom chan struct{}

// Committed implements broker.Commit.
func (r purgeRoom) Committed(error) { <-r }
