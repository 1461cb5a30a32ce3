package storetest

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// Faulty is a Store around another one that takes its time: calls take effect and call
// back later, on another goroutine, in order for one Session, mailbox, log or
// Topic Name and in any order between them. What is called between Begin and End takes
// effect together; so does what overlapping brackets, and others meanwhile, call. It can be held, and it can fail. A Remove
// cancels an Append that has not taken effect. Make one with NewFaulty.
//
// AppendLog is the exception: it reaches the inner Store at once, since it returns the place. That it has is
// told later, and LoadLog does not show it before.
type Faulty struct {
	inner     broker.Store
	worker    sync.WaitGroup
	closeOnce sync.Once
	closeErr  error
	log       hiddenLog

	mu        sync.Mutex // not held while the inner Store, a fault or a callback is called
	changed   sync.Cond  // for the worker
	idle      sync.Cond  // for Settle
	rand      *rand.Rand
	queues    map[queueKey][]*unit                 // none is empty
	ready     []*unit                              // the first in all of their queues
	pending   int                                  // units that have not taken effect
	bracket   *unit                                // takes the calls while brackets are open
	brackets  int                                  // open ones
	untold    int                                  // calls handed on that have not called back
	appends   map[entryKey]*call                   // that can be cancelled
	boxes     map[broker.SessionKey]broker.Mailbox // by the last SaveSession
	held      bool
	closed    bool
	fail      func(Call) error
	made      [numOps]int
	cancelled int
}

var _ broker.Store = (*Faulty)(nil)

// NewFaulty returns a Store around inner, which takes over inner and closes it with itself; that happens at
// the end of the test at the latest. seed decides in which order calls take effect. It works in a synctest bubble.
func NewFaulty(t testing.TB, inner broker.Store, seed uint64) *Faulty {
	st := &Faulty{
		inner: inner, rand: rand.New(rand.NewPCG(seed, 1)),
		queues: make(map[queueKey][]*unit), appends: make(map[entryKey]*call),
		boxes: make(map[broker.SessionKey]broker.Mailbox),
	}
	st.changed.L, st.idle.L = &st.mu, &st.mu
	st.log.places = make(map[logPlace]bool)
	st.worker.Go(st.work)
	t.Cleanup(func() { _ = st.Close() })
	return st
}

// work has one unit after the other take effect.
func (st *Faulty) work() {
	st.mu.Lock()
	defer st.mu.Unlock()
	for {
		for st.held || len(st.ready) == 0 {
			if st.closed && st.pending == 0 {
				return
			}
			st.changed.Wait()
		}
		u := st.take()
		turns := st.rand.IntN(8)
		fail := st.fail
		st.mu.Unlock()
		for range turns {
			runtime.Gosched() // so that what runs beside it differs
		}
		st.run(u, fail)
		st.mu.Lock()
		st.finish(u)
		st.checkIdle()
	}
}

func (st *Faulty) checkIdle() {
	if st.pending == 0 && st.untold == 0 {
		st.idle.Broadcast()
	}
}

// Hold has nothing take effect until it is called with false. What has begun to is not stopped.
func (st *Faulty) Hold(on bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.held = on
	st.changed.Signal()
}

// Settle waits until all that has been called has taken effect and has called back. It waits for ever
// while the Store is held or a bracket is open.
func (st *Faulty) Settle() {
	st.mu.Lock()
	defer st.mu.Unlock()
	for st.pending > 0 || st.untold > 0 {
		st.idle.Wait()
	}
}

// Record returns what the inner Store holds of a Session at present, or nil.
func (st *Faulty) Record(key broker.SessionKey) *broker.SessionRecord {
	c := newRecordLater()
	st.inner.LoadSession(key, c.done)
	return (<-c).r
}

// Entries returns what the inner Store holds in a mailbox at present.
func (st *Faulty) Entries(mb broker.Mailbox) []broker.Entry {
	p := newPage()
	st.inner.Load(mb, 0, 1<<30, unlimited, p.done)
	return (<-p).es
}

// Close has everything take effect that has been called, also if the Store is held, and closes the inner
// Store. No call may follow. A second Close does nothing and returns the same.
func (st *Faulty) Close() error {
	st.closeOnce.Do(func() {
		st.mu.Lock()
		st.closed, st.held = true, false
		if st.bracket != nil {
			st.insert(st.bracket)
			st.bracket = nil
		}
		st.changed.Signal()
		st.mu.Unlock()
		st.worker.Wait()
		st.closeErr = st.inner.Close()
	})
	return st.closeErr
}
