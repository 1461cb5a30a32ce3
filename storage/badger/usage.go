package badger

import (
	"context"
	"fmt"

	bdb "github.com/dgraph-io/badger/v4"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// Amount is how many there are of something, and the bytes of their keys and values.
type Amount struct {
	Count, Bytes int64
}

func (a *Amount) add(item *bdb.Item) {
	a.Count++
	a.Bytes += item.EstimatedSize()
}

// Usage is what the Store is full of.
type Usage struct {
	Sessions  Amount
	Mailboxes int64 // in which there is anything
	Entries   Amount
	Receipts  Amount // of QoS 2 publishes that are not released
	Cursors   Amount
	Bodies    Amount
	Logs      Amount // messages in logs of broadcasts
	Retained  Amount
	Other     Amount // the Store's own, and further parts of receipts

	LSMBytes, VlogBytes int64 // on disk

	last broker.Mailbox // counted
}

// count adds a key. Keys come in order.
func (u *Usage) count(item *bdb.Item) {
	key := item.Key()
	switch key[0] {
	case kindSession, kindLongSession:
		u.Sessions.add(item)
	case kindBody:
		u.Bodies.add(item)
	case kindLog:
		u.Logs.add(item)
	case kindRetained, kindLongRetained:
		u.Retained.add(item)
	case kindMailbox:
		u.countMailbox(item)
	default:
		u.Other.add(item)
	}
}

func (u *Usage) countMailbox(item *bdb.Item) {
	mb, kind, _, err := splitMailbox(item.Key())
	if err != nil {
		u.Other.add(item)
		return
	}
	if mb != u.last {
		u.Mailboxes++
		u.last = mb
	}
	switch kind {
	case mailboxEntry:
		u.Entries.add(item)
	case mailboxReceipt:
		u.Receipts.add(item)
	case mailboxPart:
		u.Other.add(item)
	default:
		u.Cursors.add(item)
	}
}

// Usage counts what is stored. It blocks until all keys are read, or ctx ends.
func (s *Store) Usage(ctx context.Context) (Usage, error) {
	var u Usage
	err := s.tool(ctx, "usage", func(txn *bdb.Txn) error {
		p := progress{s: s, ctx: ctx, what: "usage"}
		it := iterate(txn, nil)
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			if err := p.step(); err != nil {
				return err
			}
			u.count(it.Item())
		}
		return nil
	})
	if err != nil {
		return u, fmt.Errorf("usage: %w", err)
	}
	s.measure()
	u.LSMBytes, u.VlogBytes = s.counters.lsmBytes.Load(), s.counters.vlogBytes.Load()
	return u, nil
}
