// Package memory is a broker.Store without a disk: for tests, and for nodes
// whose Sessions need not survive the process. Every call takes effect, and
// calls back, before it returns.
package memory

import (
	"hash/maphash"
	"sync/atomic"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// shards spreads Sessions and mailboxes over this many locks each.
const shards = 32

// Store implements broker.Store. Make one with New. It may be used from many goroutines.
// What it holds stays there after Close, so that a test may start a second Broker with it.
type Store struct {
	now           func() time.Time
	mailboxNumber atomic.Uint64
	seed          maphash.Seed
	records       [shards]recordShard
	mailboxes     [shards]mailboxShard
	logs          logs
	retained      retained
}

var _ broker.Store = (*Store)(nil)

// New returns an empty store.
func New() *Store { return NewWithClock(time.Now) }

// NewWithClock returns an empty store for which now is the time at which Sessions expire.
func NewWithClock(now func() time.Time) *Store {
	st := &Store{now: now, seed: maphash.MakeSeed()}
	for i := range shards {
		st.records[i].records = make(map[broker.SessionKey]*broker.SessionRecord)
		st.mailboxes[i].mailboxes = make(map[broker.Mailbox]*mailbox)
		st.mailboxes[i].cursors = make(map[broker.Mailbox]uint64)
	}
	st.logs.byApp = make(map[string]*appLog)
	st.BoundLogs(logMessages, logBytes)
	st.retained.messages = make(map[retainedKey]*broker.Message)
	return st
}

// NewMailbox implements broker.Store.
func (st *Store) NewMailbox() broker.Mailbox { return broker.Mailbox(st.mailboxNumber.Add(1)) }

// Begin implements broker.Store. Nothing survives a crash, so that there is nothing to keep together.
func (st *Store) Begin() broker.Tx { return 0 }

// End implements broker.Store.
func (st *Store) End(broker.Tx) {}

// Close implements broker.Store. It has nothing to wait for.
func (st *Store) Close() error { return nil }

// past tells whether t, zero if it is never, has come.
func (st *Store) past(t time.Time) bool { return !t.IsZero() && !st.now().Before(t) }

// committed tells c, which may be nil, that all is well.
func committed(c broker.Commit) {
	if c != nil {
		c.Committed(nil)
	}
}
