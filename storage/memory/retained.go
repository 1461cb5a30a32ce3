package memory

import (
	"sync"

	"github.com/holdfast-mqtt/holdfast/broker"
)

type retained struct {
	mu       sync.Mutex
	messages map[retainedKey]*broker.Message
	sweep    sweep
}

type retainedKey struct{ app, name string }

// SetRetained implements broker.Store.
func (st *Store) SetRetained(app, name string, m *broker.Message, c broker.Commit) {
	st.retained.mu.Lock()
	if m == nil {
		delete(st.retained.messages, retainedKey{app, name})
	} else {
		st.retained.messages[retainedKey{app, name}] = m
		st.sweepRetained()
	}
	st.retained.mu.Unlock()
	committed(c)
}

// sweepRetained removes messages that have expired, if it is time to. The lock is held.
func (st *Store) sweepRetained() {
	r := &st.retained
	if !r.sweep.due(len(r.messages)) {
		return
	}
	for key, m := range r.messages {
		if st.past(m.Expires) {
			delete(r.messages, key)
		}
	}
	r.sweep.done(len(r.messages))
}

// LoadRetained implements broker.Store.
func (st *Store) LoadRetained(app string, names []string, done func([]*broker.Message, error)) {
	ms := make([]*broker.Message, len(names))
	st.retained.mu.Lock()
	for i, name := range names {
		ms[i] = st.retained.messages[retainedKey{app, name}]
	}
	st.retained.mu.Unlock()
	done(ms, nil)
}

// RetainedMessages implements broker.Store. It may be called at any time.
func (st *Store) RetainedMessages(f func(app string, m *broker.Message)) error {
	type message struct {
		app string
		m   *broker.Message
	}
	st.retained.mu.Lock()
	all := make([]message, 0, len(st.retained.messages)) // f may call the Store
	for key, m := range st.retained.messages {
		all = append(all, message{key.app, m})
	}
	st.retained.mu.Unlock()
	for _, r := range all {
		f(r.app, r.m)
	}
	return nil
}
