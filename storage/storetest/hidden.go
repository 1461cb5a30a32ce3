package storetest

import (
	"slices"
	"sync"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// hiddenLog knows the messages that are in the inner Store's logs and must not be seen: those whose AppendLog
// has not taken effect, or has failed.
type hiddenLog struct {
	mu     sync.Mutex
	places map[logPlace]bool
}

type logPlace struct {
	app   string
	place uint64
}

// both is told twice, by the inner Store and when the call takes effect, and then calls f with the inner Store's result.
type both struct {
	mu    sync.Mutex
	one   bool
	inner error
	f     func(err error)
}

// Committed implements broker.Commit, for the inner Store.
func (b *both) Committed(err error) {
	b.mu.Lock()
	b.inner = err
	b.mu.Unlock()
	b.tell()
}

func (b *both) tell() {
	b.mu.Lock()
	second, err := b.one, b.inner
	b.one = true
	b.mu.Unlock()
	if second {
		b.f(err)
	}
}

// AppendLog implements broker.Store.
func (st *Faulty) AppendLog(app string, m *broker.Message, c broker.Commit) uint64 {
	var told func(func())
	b := &both{f: func(err error) { toldOf(c, told).Committed(err) }}
	st.log.mu.Lock() // so that LoadLog does not see it before it is hidden
	place := logPlace{app, st.inner.AppendLog(app, m, b)}
	st.log.places[place] = true
	st.log.mu.Unlock()
	st.enqueue(&call{
		what: Call{Op: OpAppendLog, App: app, Seq: place.place, Message: m}, queues: []queueKey{logQueue(app)}, refuse: refusal(c),
		do: func(t func(func())) {
			st.log.mu.Lock()
			delete(st.log.places, place)
			st.log.mu.Unlock()
			told = t
			b.tell()
		},
	})
	return place.place
}

// LogEnd implements broker.Store.
func (st *Faulty) LogEnd(app string) uint64 { return st.inner.LogEnd(app) }

// LoadLog implements broker.Store.
func (st *Faulty) LoadLog(app string, after uint64, limit, maxBytes int, done func([]broker.Entry, bool, error)) {
	st.enqueue(&call{
		what: Call{Op: OpLoadLog, App: app, Seq: after}, queues: []queueKey{logQueue(app)},
		refuse: func(err error) { done(nil, false, err) },
		do: func(told func(func())) {
			st.loadVisible(app, after, limit, maxBytes, func(es []broker.Entry, more bool, err error) {
				told(func() { done(es, more, err) })
			})
		},
	})
}

// loadVisible loads pages until one has something that is not hidden.
func (st *Faulty) loadVisible(app string, after uint64, limit, maxBytes int, done func([]broker.Entry, bool, error)) {
	st.inner.LoadLog(app, after, limit, maxBytes, func(es []broker.Entry, more bool, err error) {
		if len(es) > 0 {
			after = es[len(es)-1].Log
		}
		st.log.mu.Lock()
		es = slices.DeleteFunc(es, func(e broker.Entry) bool { return st.log.places[logPlace{app, e.Log}] })
		st.log.mu.Unlock()
		if len(es) == 0 && more && err == nil {
			st.loadVisible(app, after, limit, maxBytes, done)
			return
		}
		done(es, more, err)
	})
}
