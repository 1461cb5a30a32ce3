package badger

import (
	"fmt"
	"sync"
	"sync/atomic"

	bdb "github.com/dgraph-io/badger/v4"
)

// readerCount is how many reads are carried out at once.
const readerCount = 4

// snapshot is the state of the database after a commit. Those who hold it share it.
type snapshot struct {
	txn  *bdb.Txn
	refs atomic.Int32
}

func newSnapshot(db *bdb.DB) *snapshot {
	s := &snapshot{txn: db.NewTransaction(false)}
	s.refs.Store(1)
	return s
}

func (s *snapshot) hold() *snapshot {
	s.refs.Add(1)
	return s
}

func (s *snapshot) release() {
	if s.refs.Add(-1) == 0 {
		s.txn.Discard()
	}
}

// readers carry out reads, which are as many as Sessions are waking up: each has one at a time.
type readers struct {
	mu     sync.Mutex
	cond   sync.Cond
	jobs   []readJob
	closed bool
}

type readJob struct {
	read func(*snapshot)
	snap *snapshot
}

func (r *readers) do(read func(*snapshot), snap *snapshot) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.jobs = append(r.jobs, readJob{read, snap})
	r.cond.Signal()
}

// loop is one reader. It ends when readers are closed and all is read.
func (r *readers) loop() {
	for {
		r.mu.Lock()
		for len(r.jobs) == 0 && !r.closed {
			r.cond.Wait()
		}
		if len(r.jobs) == 0 {
			r.mu.Unlock()
			return
		}
		j := r.jobs[0]
		r.jobs[0] = readJob{}
		r.jobs = r.jobs[1:]
		r.mu.Unlock()
		j.read(j.snap)
		j.snap.release()
	}
}

func (r *readers) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	r.cond.Broadcast()
}

// read queues a read. get fills in the result, done passes it on; after a fault get has not been called or has panicked.
func (s *Store) read(o op, what string, get func(*snapshot) error, done func(error)) {
	o.kind, o.cost = opRead, opCost
	if o.x == nil {
		o.x = new(opExtra)
	}
	o.x.read = func(snap *snapshot) {
		s.counters.reads.Add(1)
		err := s.opts.hooks.fault(what)
		if err == nil {
			err = guard(func() error { return get(snap) })
		}
		if err != nil {
			err = fmt.Errorf("%s: %w", what, err)
			s.failed(what, err)
		}
		done(err)
	}
	o.c = readRefused(done)
	s.q.push(&o, false)
}

// readRefused is told when a read is refused because the Store is closed, and nothing else.
type readRefused func(error)

// Committed implements broker.Commit.
func (r readRefused) Committed(err error) { r(err) }

// guard turns a panic of the database, which finds a corrupt file, into an error.
func guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errCorrupt, p)
		}
	}()
	return f()
}
