package broker_test

import (
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/storage/memory"
	"github.com/holdfast-mqtt/holdfast/storage/storetest"
)

// lateStore is a Store that takes its time: calls take effect and call back on
// another goroutine, later, in order for one Session and in any order between
// Sessions. It can be held, and it can fail.
type lateStore struct {
	disk *memory.Store
	done sync.WaitGroup

	mu      sync.Mutex
	changed sync.Cond
	rand    *rand.Rand
	queues  map[broker.SessionKey][]*lateCall
	keys    []broker.SessionKey // with a queue that is not empty
	busy    bool                // a call is taking effect
	idle    sync.Cond
	held    bool
	closed  bool

	// They say whether a call fails; nil is never. Set before use.
	failAppend      func(broker.SessionKey, broker.Entry) error
	failLoad        func(broker.SessionKey) error
	failLoadSession func(broker.SessionKey) error
}

// lateCall is a call that has not taken effect.
type lateCall struct {
	do     func()
	seq    uint64        // of an Append; else 0
	commit broker.Commit // of an Append
}

func newLateStore(t testing.TB, seed uint64) *lateStore {
	st := &lateStore{disk: memory.New(), rand: rand.New(rand.NewPCG(seed, 1)), queues: make(map[broker.SessionKey][]*lateCall)}
	st.changed.L, st.idle.L = &st.mu, &st.mu
	st.done.Go(st.work)
	t.Cleanup(func() { _ = st.Close() })
	return st
}

// work has one call after the other take effect.
func (st *lateStore) work() {
	st.mu.Lock()
	defer st.mu.Unlock()
	for {
		for len(st.keys) == 0 && !st.closed || st.held {
			st.changed.Wait()
		}
		if len(st.keys) == 0 {
			return
		}
		at := st.rand.IntN(len(st.keys))
		key := st.keys[at]
		q := st.queues[key]
		call := q[0]
		if q = q[1:]; len(q) == 0 {
			delete(st.queues, key)
			st.keys = slices.Delete(st.keys, at, at+1)
		} else {
			st.queues[key] = q
		}
		turns := st.rand.IntN(8)
		st.busy = true
		st.mu.Unlock()
		for range turns {
			runtime.Gosched()
		}
		call.do()
		st.mu.Lock()
		if st.busy = false; len(st.keys) == 0 {
			st.idle.Broadcast()
		}
	}
}

func (st *lateStore) enqueue(key broker.SessionKey, call *lateCall) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if len(st.queues[key]) == 0 {
		st.keys = append(st.keys, key)
	}
	st.queues[key] = append(st.queues[key], call)
	st.changed.Signal()
}

// hold has nothing take effect until it is called with false.
func (st *lateStore) hold(on bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.held = on
	st.changed.Signal()
}

func (st *lateStore) LoadSession(key broker.SessionKey, done func(*broker.SessionRecord, error)) {
	st.enqueue(key, &lateCall{do: func() {
		if st.failLoadSession != nil {
			if err := st.failLoadSession(key); err != nil {
				done(nil, err)
				return
			}
		}
		st.disk.LoadSession(key, done)
	}})
}

func (st *lateStore) SaveSession(key broker.SessionKey, r *broker.SessionRecord) {
	st.enqueue(key, &lateCall{do: func() { st.disk.SaveSession(key, r) }})
}

func (st *lateStore) DeleteSession(key broker.SessionKey) {
	st.enqueue(key, &lateCall{do: func() { st.disk.DeleteSession(key) }})
}

func (st *lateStore) Append(key broker.SessionKey, e broker.Entry, c broker.Commit) {
	st.enqueue(key, &lateCall{seq: e.Seq, commit: c, do: func() {
		if st.failAppend != nil {
			if err := st.failAppend(key, e); err != nil {
				c.Committed(err)
				return
			}
		}
		st.disk.Append(key, e, c)
	}})
}

func (st *lateStore) Update(key broker.SessionKey, e broker.Entry) {
	st.enqueue(key, &lateCall{do: func() { st.disk.Update(key, e) }})
}

func (st *lateStore) Remove(key broker.SessionKey, seq uint64) {
	if call := st.cancel(key, seq); call != nil {
		if call.commit != nil {
			call.commit.Committed(nil)
		}
		return
	}
	st.enqueue(key, &lateCall{do: func() { st.disk.Remove(key, seq) }})
}

// cancel takes an Append out of the queue that has not taken effect.
func (st *lateStore) cancel(key broker.SessionKey, seq uint64) *lateCall {
	st.mu.Lock()
	defer st.mu.Unlock()
	for _, call := range st.queues[key] {
		if call.seq == seq && seq != 0 {
			call.do, call.seq = func() {}, 0
			return call
		}
	}
	return nil
}

func (st *lateStore) Load(key broker.SessionKey, after uint64, limit int, done func([]broker.Entry, bool, error)) {
	st.enqueue(key, &lateCall{do: func() {
		if st.failLoad != nil {
			if err := st.failLoad(key); err != nil {
				done(nil, false, err)
				return
			}
		}
		st.disk.Load(key, after, limit, done)
	}})
}

func (st *lateStore) SetRetained(app, name string, m *broker.Message, c broker.Commit) {
	st.enqueue(broker.SessionKey{App: app, ClientID: "\x00retained"}, &lateCall{do: func() { st.disk.SetRetained(app, name, m, c) }})
}

// settle waits until all that has been called has taken effect.
func (st *lateStore) settle() {
	st.mu.Lock()
	defer st.mu.Unlock()
	for len(st.keys) > 0 || st.busy {
		st.idle.Wait()
	}
}

// mailbox returns what is on disk for a client.
func (st *lateStore) mailbox(clientID string) (all []broker.Entry) {
	st.disk.Load(broker.SessionKey{App: broker.DefaultApp, ClientID: clientID}, 0, 1<<20, func(es []broker.Entry, _ bool, _ error) { all = es })
	return all
}

func (st *lateStore) Close() error {
	st.mu.Lock()
	st.closed, st.held = true, false
	st.changed.Signal()
	st.mu.Unlock()
	st.done.Wait()
	return st.disk.Close()
}

var _ broker.Store = (*lateStore)(nil)

// TestLateStore tests the tests' own Store.
func TestLateStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) broker.Store { return newLateStore(t, storetest.Rand(t).Uint64()) })
}
