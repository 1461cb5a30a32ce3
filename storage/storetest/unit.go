package storetest

import (
	"maps"
	"slices"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// queueKey names what has an order of its own: a Session, a mailbox, a log or a Topic Name. The zero fields
// that the others leave keep them apart.
type queueKey struct {
	kind      byte // 's', 'm', 'l', 'r'
	app, name string
	mailbox   broker.Mailbox
}

// entryKey names an entry.
type entryKey struct {
	mailbox broker.Mailbox
	seq     uint64
}

// call is a call that has not taken effect.
type call struct {
	what   Call
	queues []queueKey
	// do makes the call of the inner Store. It, or what it calls, calls told once with the callback for
	// the caller.
	do func(told func(callback func()))
	// refuse is the callback for the caller if the call fails; nil if there is none.
	refuse    func(err error)
	commit    broker.Commit // of an Append
	cancelled bool          // guarded by Faulty.mu; final once the unit is taken
}

// unit is what takes effect together: a call, or a bracket of them. It stands in the queues of all its calls.
type unit struct {
	calls   []*call
	queues  []queueKey
	blocked int      // queues in which it is not the first
	running bool     // callbacks gather
	told    []func() // the callbacks that have gathered
}

// enqueue takes a call that has been made.
func (st *Faulty) enqueue(c *call) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.made[c.what.Op]++
	if c.what.Op == OpAppend {
		st.appends[entryKey{c.what.Mailbox, c.what.Seq}] = c
	}
	if st.bracket != nil {
		st.bracket.calls = append(st.bracket.calls, c)
		return
	}
	st.pending++
	st.insert(&unit{calls: []*call{c}})
}

// insert puts a unit at the end of its queues.
func (st *Faulty) insert(u *unit) {
	keys := make(map[queueKey]bool)
	for _, c := range u.calls {
		for _, key := range c.queues {
			keys[key] = true
		}
		if c.what.Op != OpLoadSession {
			continue
		}
		for key := range st.queues { // which mailbox it will look at is not known yet
			if key.kind == 'm' {
				keys[key] = true
			}
		}
	}
	u.queues = slices.Collect(maps.Keys(keys))
	for _, key := range u.queues {
		if len(st.queues[key]) > 0 {
			u.blocked++
		}
		st.queues[key] = append(st.queues[key], u)
	}
	if u.blocked == 0 {
		st.ready = append(st.ready, u)
		st.changed.Signal()
	}
}

// take chooses a unit to take effect. Its calls cannot be cancelled any more.
func (st *Faulty) take() *unit {
	at := st.rand.IntN(len(st.ready))
	u := st.ready[at]
	last := len(st.ready) - 1
	st.ready[at] = st.ready[last]
	st.ready = st.ready[:last]
	u.calls = slices.DeleteFunc(u.calls, func(c *call) bool { return c.cancelled })
	for _, c := range u.calls {
		if c.what.Op == OpAppend {
			delete(st.appends, entryKey{c.what.Mailbox, c.what.Seq})
		}
	}
	u.running = true
	return u
}

// finish takes a unit that has taken effect out of its queues.
func (st *Faulty) finish(u *unit) {
	st.pending--
	for _, key := range u.queues {
		q := st.queues[key][1:]
		if len(q) == 0 {
			delete(st.queues, key)
			continue
		}
		st.queues[key] = q
		if q[0].blocked--; q[0].blocked == 0 {
			st.ready = append(st.ready, q[0])
		}
	}
}

// cancel returns the Append that has not taken effect, having cancelled it, or nil.
func (st *Faulty) cancel(mb broker.Mailbox, seq uint64) *call {
	st.mu.Lock()
	defer st.mu.Unlock()
	key := entryKey{mb, seq}
	c := st.appends[key]
	if c == nil {
		return nil
	}
	delete(st.appends, key)
	c.cancelled = true
	st.cancelled++
	st.made[OpRemove]++
	return c
}

// run has a unit take effect. Its callbacks follow when all of it has.
func (st *Faulty) run(u *unit, fail func(Call) error) {
	faults, failed := make([]error, len(u.calls)), error(nil)
	for i, c := range u.calls {
		if fail == nil {
			break
		}
		faults[i] = fail(c.what)
		if faults[i] != nil && failed == nil && !c.what.Op.isRead() {
			failed = faults[i]
		}
	}
	if len(u.calls) > 1 {
		defer st.callBack(u)
		defer st.inner.End(st.inner.Begin())
	} else {
		defer st.callBack(u)
	}
	for i, c := range u.calls {
		err := faults[i]
		if !c.what.Op.isRead() {
			err = failed
		}
		st.perform(u, c, err)
	}
}

// perform makes the call of the inner Store, or has it fail.
func (st *Faulty) perform(u *unit, c *call, err error) {
	st.mu.Lock()
	st.untold++
	st.mu.Unlock()
	told := func(callback func()) { st.told(u, callback) }
	switch {
	case err == nil:
		c.do(told)
	case c.refuse == nil:
		told(func() {})
	default:
		told(func() { c.refuse(err) })
	}
}

// told calls a callback, or keeps it until the whole unit has taken effect.
func (st *Faulty) told(u *unit, callback func()) {
	st.mu.Lock()
	if u.running {
		u.told = append(u.told, callback)
		st.mu.Unlock()
		return
	}
	st.mu.Unlock()
	st.callOne(callback)
}

func (st *Faulty) callOne(callback func()) {
	callback()
	st.mu.Lock()
	defer st.mu.Unlock()
	st.untold--
	st.checkIdle()
}

// callBack calls the callbacks that have gathered; those that come later are called at once.
func (st *Faulty) callBack(u *unit) {
	st.mu.Lock()
	u.running = false
	told := u.told
	st.mu.Unlock()
	for _, callback := range told {
		st.callOne(callback)
	}
}
