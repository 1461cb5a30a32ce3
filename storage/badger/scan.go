package badger

import (
	"errors"
	"time"

	bdb "github.com/dgraph-io/badger/v4"
)

// errStopped ends a scan because the Store is closed.
var errStopped = errors.New("stopped")

// scan counts, in the state of the start, who needs which body; the Store serves meanwhile. Bodies that nobody
// needs, which a crash may leave, are deleted, and so are mailboxes of Sessions that expired while nobody looked.
func (s *Store) scan() {
	snap := s.started
	defer snap.release()
	p := &pace{s: s, since: time.Now()}
	err := s.scanExpired(snap.txn, p)
	if err == nil {
		err = s.scanEntries(snap.txn, p)
	}
	if err == nil {
		err = s.scanBodies(snap.txn, p)
	}
	switch {
	case errors.Is(err, errStopped):
	case err != nil:
		s.failed("scan", err) // old bodies stay until their time to live ends
	default:
		s.q.forsake(s.bodies.scanned()...)
	}
}

// pace keeps a scan from taking more than half of a processor.
type pace struct {
	s     *Store
	keys  int
	since time.Time // it has worked
}

// paceKeys is how many keys a scan reads before it rests.
const paceKeys = 10_000

// step is called for each key, and ends the scan when the Store is closed.
func (p *pace) step() error {
	if p.keys++; p.keys%paceKeys != 0 {
		return nil
	}
	select {
	case <-p.s.done:
		return errStopped
	case <-time.After(time.Since(p.since)):
		p.since = time.Now()
		return nil
	}
}

// isClosed tells whether Close has been called.
func (s *Store) isClosed() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// scanExpired ends the mailboxes of Sessions that had expired when the Store was opened. Nobody else will:
// no call has told of them, or ever will.
func (s *Store) scanExpired(txn *bdb.Txn, p *pace) error {
	now := s.clock.base
	for _, kind := range []byte{kindSession, kindLongSession} {
		err := s.each(txn, []byte{kind}, func(key, value []byte, item *bdb.Item) error {
			if err := p.step(); err != nil {
				return err
			}
			if item.ExpiresAt() == 0 {
				return nil
			}
			_, r, err := s.clock.record(key, value)
			if err == nil && r.EndsAt() != 0 && r.EndsAt() <= now && r.Mailbox != 0 {
				s.q.push(&op{kind: opDrop, cost: opCost, mb: r.Mailbox, x: new(opExtra)}, false)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// scanEntries counts the references of entries.
func (s *Store) scanEntries(txn *bdb.Txn, p *pace) error {
	return s.each(txn, []byte{kindMailbox}, func(key, value []byte, _ *bdb.Item) error {
		if err := p.step(); err != nil {
			return err
		}
		_, kind, _, err := splitMailbox(key)
		if err != nil || kind != mailboxEntry {
			return err
		}
		e, err := decodeEntry(value)
		if err == nil && e.body != 0 {
			s.bodies.found(e.body, 1, 0)
		}
		return err
	})
}

// scanBodies counts the references of logs, and finds the bodies that are stored.
func (s *Store) scanBodies(txn *bdb.Txn, p *pace) error {
	err := s.each(txn, []byte{kindLog}, func(_, value []byte, _ *bdb.Item) error {
		body, _, err := decodeReference(value)
		if err == nil {
			s.bodies.found(body, 1, 0)
		}
		return err
	})
	if err != nil {
		return err
	}
	it := iterate(txn, []byte{kindBody})
	defer it.Close()
	for it.Rewind(); it.Valid(); it.Next() {
		if err := p.step(); err != nil {
			return err
		}
		id, err := numberOf(it.Item().Key())
		if err != nil {
			s.corrupt(it.Item().Key(), err)
			continue
		}
		s.bodies.found(id, 0, it.Item().ExpiresAt())
	}
	return nil
}
