package badger

import (
	"context"
	"fmt"

	bdb "github.com/dgraph-io/badger/v4"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// Fault is something wrong with what is stored.
type Fault struct {
	Key []byte // nil if it is of no single key
	Err error
}

// CheckResult is what Check has seen.
type CheckResult struct {
	Usage
	Faults   int
	Unneeded int // bodies that nobody refers to; they are no fault, and leave when the Store is opened
}

// Check reads and decodes all that is stored, verifies checksums, and looks for references to bodies that are missing. It
// calls report, which may be nil, with each fault, and blocks until all is read, or ctx ends. Faults are no error. It needs
// some 50 bytes of memory for each message owed to many.
func (s *Store) Check(ctx context.Context, report func(Fault)) (CheckResult, error) {
	var r CheckResult
	fault := func(key []byte, err error) {
		r.Faults++
		if report != nil {
			report(Fault{Key: key, Err: err})
		}
	}
	err := s.tool(ctx, "check", func(txn *bdb.Txn) error {
		if err := s.db.VerifyChecksum(); err != nil {
			fault(nil, fmt.Errorf("tables: %w", err))
		}
		c := checker{s: s, needed: make(map[uint64]bool)}
		p := progress{s: s, ctx: ctx, what: "check"}
		it := iterate(txn, []byte{kindBody})
		for it.Rewind(); it.Valid(); it.Next() {
			if id, err := numberOf(it.Item().Key()); err == nil {
				c.needed[id] = false
			}
		}
		it.Close()
		it = iterate(txn, nil)
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			if err := p.step(); err != nil {
				return err
			}
			item := it.Item()
			r.count(item)
			if err := guard(func() error { return item.Value(func(b []byte) error { return c.value(item.Key(), b) }) }); err != nil {
				fault(item.KeyCopy(nil), err)
			}
		}
		for _, needed := range c.needed {
			if !needed {
				r.Unneeded++
			}
		}
		return nil
	})
	if err != nil {
		return r, fmt.Errorf("check: %w", err)
	}
	s.measure()
	r.LSMBytes, r.VlogBytes = s.counters.lsmBytes.Load(), s.counters.vlogBytes.Load()
	return r, nil
}

// checker decodes values.
type checker struct {
	s      *Store
	needed map[uint64]bool // by body that is stored: whether it was referred to
}

// refer notes a reference to a body.
func (c *checker) refer(id uint64) error {
	if _, ok := c.needed[id]; !ok {
		return fmt.Errorf("body %d is missing", id)
	}
	c.needed[id] = true
	return nil
}

// value decodes the value of any key.
func (c *checker) value(key, value []byte) error {
	switch key[0] {
	case kindMeta:
		_, err := decodeNumber(value)
		return err
	case kindSession, kindLongSession:
		_, _, err := c.s.clock.record(key, value)
		return err
	case kindMailbox:
		return c.mailbox(key, value)
	case kindTombstone:
		_, err := numberOf(key)
		return err
	case kindBody:
		if _, err := numberOf(key); err != nil {
			return err
		}
		_, err := c.s.clock.message(value)
		return err
	case kindLog:
		if _, _, err := splitLog(key); err != nil {
			return err
		}
		body, _, err := decodeReference(value)
		if err != nil {
			return err
		}
		return c.refer(body)
	case kindRetained, kindLongRetained:
		_, _, err := c.s.retained(key, value)
		return err
	}
	return errNoKey
}

func (c *checker) mailbox(key, value []byte) error {
	_, kind, _, err := splitMailbox(key)
	if err != nil {
		return err
	}
	switch kind {
	case mailboxCursor:
		_, err := decodeNumber(value)
		return err
	case mailboxReceipt:
		return addReceipt(new(broker.SessionRecord), 0, value)
	case mailboxPart:
		return addPart(new(broker.SessionRecord), 0, value)
	}
	e, err := decodeEntry(value)
	if err != nil {
		return err
	}
	if e.body != 0 {
		return c.refer(e.body)
	}
	_, err = c.s.clock.message(e.rest)
	return err
}
