package storetest

import (
	"slices"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// toldOf is the Commit for the inner Store that passes the result on.
func toldOf(c broker.Commit, told func(func())) broker.Commit {
	return commitFunc(func(err error) {
		told(func() {
			if c != nil {
				c.Committed(err)
			}
		})
	})
}

// commitFunc is a Commit that is a function.
type commitFunc func(err error)

// Committed implements broker.Commit.
func (f commitFunc) Committed(err error) { f(err) }

// refusal tells c that a call has failed.
func refusal(c broker.Commit) func(error) {
	if c == nil {
		return nil
	}
	return c.Committed
}

// write enqueues a call with a Commit.
func (st *Faulty) write(what Call, c broker.Commit, do func(broker.Commit), queues ...queueKey) {
	st.enqueue(&call{
		what: what, queues: queues, refuse: refusal(c), commit: c,
		do: func(told func(func())) { do(toldOf(c, told)) },
	})
}

// quiet enqueues a call without one.
func (st *Faulty) quiet(what Call, do func(), queues ...queueKey) {
	st.enqueue(&call{what: what, queues: queues, do: func(told func(func())) {
		do()
		told(func() {})
	}})
}

func sessionQueue(key broker.SessionKey) queueKey {
	return queueKey{kind: 's', app: key.App, name: key.ClientID}
}
func mailboxQueue(mb broker.Mailbox) queueKey { return queueKey{kind: 'm', mailbox: mb} }
func logQueue(app string) queueKey            { return queueKey{kind: 'l', app: app} }
func retainedQueue(app, name string) queueKey { return queueKey{kind: 'r', app: app, name: name} }

// NewMailbox implements broker.Store.
func (st *Faulty) NewMailbox() broker.Mailbox { return st.inner.NewMailbox() }

// LoadSession implements broker.Store.
func (st *Faulty) LoadSession(key broker.SessionKey, done func(*broker.SessionRecord, error)) {
	queues := []queueKey{sessionQueue(key)}
	st.mu.Lock()
	if mb := st.boxes[key]; mb != 0 { // it tells what is in the mailbox too
		queues = append(queues, mailboxQueue(mb))
	}
	st.mu.Unlock()
	st.enqueue(&call{
		what: Call{Op: OpLoadSession, Key: key}, queues: queues,
		refuse: func(err error) { done(nil, err) },
		do: func(told func(func())) {
			st.inner.LoadSession(key, func(r *broker.SessionRecord, err error) { told(func() { done(r, err) }) })
		},
	})
}

// SaveSession implements broker.Store.
func (st *Faulty) SaveSession(key broker.SessionKey, r *broker.SessionRecord, c broker.Commit) {
	kept := *r
	kept.Subscriptions = slices.Clone(r.Subscriptions)
	if r.Will != nil {
		will := *r.Will
		kept.Will = &will
	}
	st.mu.Lock()
	st.boxes[key] = r.Mailbox
	st.mu.Unlock()
	st.write(Call{Op: OpSaveSession, Key: key, Mailbox: r.Mailbox}, c,
		func(c broker.Commit) { st.inner.SaveSession(key, &kept, c) }, sessionQueue(key))
}

// DeleteSession implements broker.Store.
func (st *Faulty) DeleteSession(key broker.SessionKey, mb broker.Mailbox, c broker.Commit) {
	st.write(Call{Op: OpDeleteSession, Key: key, Mailbox: mb}, c,
		func(c broker.Commit) { st.inner.DeleteSession(key, mb, c) }, sessionQueue(key), mailboxQueue(mb))
}

// DeleteMailbox implements broker.Store.
func (st *Faulty) DeleteMailbox(mb broker.Mailbox, c broker.Commit) {
	st.write(Call{Op: OpDeleteMailbox, Mailbox: mb}, c,
		func(c broker.Commit) { st.inner.DeleteMailbox(mb, c) }, mailboxQueue(mb))
}

// Append implements broker.Store.
func (st *Faulty) Append(mb broker.Mailbox, e *broker.Entry, c broker.Commit) {
	kept := *e
	kept.SubscriptionIDs = slices.Clone(e.SubscriptionIDs)
	st.write(Call{Op: OpAppend, Mailbox: mb, Seq: e.Seq, Entry: &kept}, c,
		func(c broker.Commit) { st.inner.Append(mb, &kept, c) }, mailboxQueue(mb))
}

// Released implements broker.Store.
func (st *Faulty) Released(mb broker.Mailbox, seq uint64, c broker.Commit) {
	st.write(Call{Op: OpReleased, Mailbox: mb, Seq: seq}, c,
		func(c broker.Commit) { st.inner.Released(mb, seq, c) }, mailboxQueue(mb))
}

// Remove implements broker.Store.
func (st *Faulty) Remove(mb broker.Mailbox, seq uint64, body *broker.Body) {
	if c := st.cancel(mb, seq); c != nil {
		if c.commit != nil {
			c.commit.Committed(nil)
		}
		return
	}
	st.quiet(Call{Op: OpRemove, Mailbox: mb, Seq: seq}, func() { st.inner.Remove(mb, seq, body) }, mailboxQueue(mb))
}

// Load implements broker.Store.
func (st *Faulty) Load(mb broker.Mailbox, after uint64, limit, maxBytes int, done func([]broker.Entry, bool, error)) {
	st.enqueue(&call{
		what: Call{Op: OpLoad, Mailbox: mb, Seq: after}, queues: []queueKey{mailboxQueue(mb)},
		refuse: func(err error) { done(nil, false, err) },
		do: func(told func(func())) {
			st.inner.Load(mb, after, limit, maxBytes, func(es []broker.Entry, more bool, err error) {
				told(func() { done(es, more, err) })
			})
		},
	})
}

// SetCursor implements broker.Store.
func (st *Faulty) SetCursor(mb broker.Mailbox, seq uint64) {
	st.quiet(Call{Op: OpSetCursor, Mailbox: mb, Seq: seq}, func() { st.inner.SetCursor(mb, seq) }, mailboxQueue(mb))
}

// AddPartialReceipt implements broker.Store.
func (st *Faulty) AddPartialReceipt(mb broker.Mailbox, id broker.PacketID, part int, p broker.PartialReceipt, c broker.Commit) {
	p.Given = slices.Clone(p.Given)
	st.write(Call{Op: OpAddPartialReceipt, Mailbox: mb, PacketID: id, Part: part}, c,
		func(c broker.Commit) { st.inner.AddPartialReceipt(mb, id, part, p, c) }, mailboxQueue(mb))
}

// AddReceipt implements broker.Store.
func (st *Faulty) AddReceipt(mb broker.Mailbox, id broker.PacketID, c broker.Commit) {
	st.write(Call{Op: OpAddReceipt, Mailbox: mb, PacketID: id}, c,
		func(c broker.Commit) { st.inner.AddReceipt(mb, id, c) }, mailboxQueue(mb))
}

// RemoveReceipt implements broker.Store.
func (st *Faulty) RemoveReceipt(mb broker.Mailbox, id broker.PacketID, c broker.Commit) {
	st.write(Call{Op: OpRemoveReceipt, Mailbox: mb, PacketID: id}, c,
		func(c broker.Commit) { st.inner.RemoveReceipt(mb, id, c) }, mailboxQueue(mb))
}

// SetRetained implements broker.Store.
func (st *Faulty) SetRetained(app, name string, m *broker.Message, c broker.Commit) {
	st.write(Call{Op: OpSetRetained, App: app, Name: name, Message: m}, c,
		func(c broker.Commit) { st.inner.SetRetained(app, name, m, c) }, retainedQueue(app, name))
}

// LoadRetained implements broker.Store.
func (st *Faulty) LoadRetained(app string, names []string, done func([]*broker.Message, error)) {
	names = slices.Clone(names)
	queues := make([]queueKey, len(names))
	for i, name := range names {
		queues[i] = retainedQueue(app, name)
	}
	st.enqueue(&call{
		what: Call{Op: OpLoadRetained, App: app}, queues: queues,
		refuse: func(err error) { done(nil, err) },
		do: func(told func(func())) {
			st.inner.LoadRetained(app, names, func(ms []*broker.Message, err error) { told(func() { done(ms, err) }) })
		},
	})
}

// Begin implements broker.Store.
func (st *Faulty) Begin() broker.Tx {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.brackets++; st.bracket == nil && !st.closed {
		st.bracket = new(unit)
		st.pending++
	}
	return broker.Tx(st.brackets)
}

// End implements broker.Store.
func (st *Faulty) End(broker.Tx) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.brackets--; st.brackets == 0 && st.bracket != nil {
		st.insert(st.bracket)
		st.bracket = nil
	}
}

// Sessions implements broker.Store. It waits as Settle does.
func (st *Faulty) Sessions(f func(key broker.SessionKey, r *broker.SessionRecord)) error {
	st.Settle()
	return st.inner.Sessions(f)
}

// RetainedMessages implements broker.Store. It waits as Settle does.
func (st *Faulty) RetainedMessages(f func(app string, m *broker.Message)) error {
	st.Settle()
	return st.inner.RetainedMessages(f)
}
