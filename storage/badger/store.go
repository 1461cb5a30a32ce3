package badger

import (
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	bdb "github.com/dgraph-io/badger/v4"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// leaseSize is how many numbers are reserved at once.
const leaseSize = 1_000_000

// Store implements broker.Store. Make one with Open. It may be used from many goroutines.
type Store struct {
	// Static.
	opts   Options
	log    *slog.Logger
	lock   *os.File
	db     *bdb.DB
	clock  *clock
	q      *queue
	bodies *bodies
	cache  *cache
	logs   logs

	number   atomic.Uint64 // the next one for mailboxes, bodies and places
	counters counters
	space    space
	faults   faultLog
	parted   sync.Map              // the mailboxes that may have parts of receipts: see dropParts
	broken   atomic.Pointer[error] // why nothing is written any more

	// Owned by the committer.
	took      time.Time // when it took its last batch
	lease     uint64    // numbers below it are reserved, safely
	timeSaved int64     // the last time that was stored, in ms since 1970
	purging   map[broker.Mailbox]*purging
	buffer    []byte // for the values of the next batch

	readers readers
	purges  purges
	notes   chan *batch // committed, to be told
	free    chan *batch // to be filled
	done    chan struct{}
	workers sync.WaitGroup // all but the committer
	commits sync.WaitGroup // the committer, and who tells Commits
	started *snapshot      // of the start, for the scan
	tools   sync.RWMutex   // read-locked by tools while they walk; Close waits
	closing sync.Once
	closed  error
}

var _ broker.Store = (*Store)(nil)

// newNumber returns a number that was never given before. It is below the lease when anything is written that has it.
func (s *Store) newNumber() uint64 { return s.number.Add(1) - 1 }

// NewMailbox implements broker.Store.
func (s *Store) NewMailbox() broker.Mailbox { return broker.Mailbox(s.newNumber()) }

// Begin implements broker.Store.
func (s *Store) Begin() broker.Tx { return s.q.begin() }

// End implements broker.Store.
func (s *Store) End(tx broker.Tx) { s.q.end(tx) }

// SaveSession implements broker.Store.
func (s *Store) SaveSession(key broker.SessionKey, r *broker.SessionRecord, c broker.Commit) {
	value := s.clock.appendRecord(nil, key, r)
	s.q.push(&op{kind: opPut, cost: costOf(len(value)), c: c, x: &opExtra{
		key: sessionKey(key), value: value, until: recordUntil(r), what: kindSession, names: []string{key.App, key.ClientID},
	}}, true)
}

// DeleteSession implements broker.Store.
func (s *Store) DeleteSession(key broker.SessionKey, mb broker.Mailbox, c broker.Commit) {
	s.q.push(&op{kind: opDrop, cost: opCost, mb: mb, c: c, x: &opExtra{
		key: sessionKey(key), what: kindSession, names: []string{key.App, key.ClientID},
	}}, false)
}

// DeleteMailbox implements broker.Store.
func (s *Store) DeleteMailbox(mb broker.Mailbox, c broker.Commit) {
	s.q.push(&op{kind: opDrop, cost: opCost, mb: mb, c: c, x: new(opExtra)}, false)
}

// Append implements broker.Store.
func (s *Store) Append(mb broker.Mailbox, e *broker.Entry, c broker.Commit) {
	o := op{kind: opAppend, flags: entryFlags(e), cost: opCost, mb: mb, seq: e.Seq, msg: e.Message, c: c}
	if e.Log != 0 || len(e.SubscriptionIDs) > 0 || e.Group != "" {
		o.x = &opExtra{entry: &entryExtra{log: e.Log, ids: append([]uint32(nil), e.SubscriptionIDs...), group: e.Group}}
	}
	if body := e.Message.Body; body != nil {
		o.body = s.bodies.hold(body)
		o.flags |= entryReference
	} else {
		o.cost = costOf(e.Message.Size())
	}
	if !s.q.push(&o, true) && o.body != nil {
		s.drop(o.body.id)
	}
}

// drop is called for a body that was held and then not needed.
func (s *Store) drop(id uint64) {
	if s.bodies.release(id) {
		s.q.forsake(id)
	}
}

// Remove implements broker.Store.
func (s *Store) Remove(mb broker.Mailbox, seq uint64, body *broker.Body) {
	if o, ok := s.q.cancel(entryID{mb, seq}); ok {
		if o.body != nil {
			s.drop(o.body.id)
		}
		if o.c != nil {
			o.c.Committed(nil)
		}
		return
	}
	o := op{kind: opRemove, cost: opCost, mb: mb, seq: seq}
	if body != nil {
		o.x = &opExtra{id: body.ID.Load()}
	}
	s.q.push(&o, false)
}

// Released implements broker.Store.
func (s *Store) Released(mb broker.Mailbox, seq uint64, c broker.Commit) {
	s.q.push(&op{kind: opReleased, cost: opCost, mb: mb, seq: seq, c: c}, false)
}

// SetCursor implements broker.Store.
func (s *Store) SetCursor(mb broker.Mailbox, seq uint64) {
	s.q.push(&op{kind: opPut, cost: opCost, mb: mb, x: &opExtra{key: cursorKey(mb), value: appendNumber(nil, seq)}}, false)
}

// SetRetained implements broker.Store.
func (s *Store) SetRetained(app, name string, m *broker.Message, c broker.Commit) {
	o := op{kind: opDelete, cost: opCost, c: c, x: &opExtra{
		key: retainedKey(app, name), what: kindRetained, names: []string{app, name},
	}}
	if m == nil {
		s.q.push(&o, false)
		return
	}
	o.kind = opPut
	if isLong(app, name) {
		o.x.value = appendBytes(appendBytes(nil, app), name)
	}
	o.x.value = s.clock.appendMessage(o.x.value, m)
	if !m.Expires.IsZero() {
		o.x.until = s.clock.encode(m.Expires)/1000 + 1
		o.x.until = max(o.x.until, s.clock.until(s.clock.badgerNow(), m))
	}
	o.cost = costOf(len(o.x.value))
	s.q.push(&o, true)
}
