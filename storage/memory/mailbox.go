package memory

import (
	"cmp"
	"slices"
	"sync"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// mailboxShard is a part of the mailboxes. One that is empty is not in it.
type mailboxShard struct {
	mu        sync.Mutex
	mailboxes map[broker.Mailbox]*mailbox
	cursors   map[broker.Mailbox]uint64 // apart, since most mailboxes are empty but have a cursor
}

// mailbox holds entries in order of Seq, and the Packet Identifiers of what was received.
type mailbox struct {
	entries  []broker.Entry
	received []broker.PacketID
	partial  map[broker.PacketID][]broker.PartialReceipt // in parts
}

func (st *Store) mailbox(mb broker.Mailbox) *mailboxShard { return &st.mailboxes[mb%shards] }

// with calls f with mailbox mb, which is made if need be and leaves when it is empty.
func (st *Store) with(mb broker.Mailbox, f func(*mailbox)) {
	sh := st.mailbox(mb)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	m, known := sh.mailboxes[mb]
	if !known {
		m = new(mailbox)
	}
	f(m)
	switch empty := m.empty(); {
	case empty && known:
		delete(sh.mailboxes, mb)
	case !empty && !known:
		sh.mailboxes[mb] = m
	}
}

func (m *mailbox) empty() bool {
	return len(m.entries) == 0 && len(m.received) == 0 && len(m.partial) == 0
}

// describe fills in what a record tells of its mailbox.
func (st *Store) describe(r *broker.SessionRecord) {
	sh := st.mailbox(r.Mailbox)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	r.Cursor = sh.cursors[r.Mailbox]
	if m := sh.mailboxes[r.Mailbox]; m != nil {
		if n := len(m.entries); n > 0 {
			r.Next = max(r.Next, m.entries[n-1].Seq+1)
		}
		st.dropExpired(m)
		r.Count = len(m.entries)
		for _, e := range m.entries {
			r.Bytes += e.Message.Size()
		}
		r.Received, r.Partial = slices.Clone(m.received), m.partials()
		if m.empty() {
			delete(sh.mailboxes, r.Mailbox)
		}
	}
}

// partials puts the parts of receipts together. A part of which there is none was refused.
func (m *mailbox) partials() map[broker.PacketID]broker.PartialReceipt {
	if len(m.partial) == 0 {
		return nil
	}
	whole := make(map[broker.PacketID]broker.PartialReceipt, len(m.partial))
	for id, parts := range m.partial {
		var p broker.PartialReceipt
		for _, part := range parts {
			if len(p.Given) == 0 {
				p.Print = part.Print
			}
			if part.Print == p.Print {
				p.Given = append(p.Given, part.Given...)
			}
		}
		whole[id] = p
	}
	return whole
}

// keptExpired is how many entries a mailbox may have before those are looked for that have expired. The broker drops and counts a few
// itself when the client is back; of many, which may be all that there is room for, it would let no others in before that.
const keptExpired = 64

// dropExpired removes messages that are worth nothing any more.
func (st *Store) dropExpired(m *mailbox) {
	if len(m.entries) > keptExpired {
		m.entries = slices.DeleteFunc(m.entries, st.expiredEntry)
	}
}

// expiredEntry tells whether e is worth nothing any more. The exchange of one of QoS 2 may have begun, and is to end.
func (st *Store) expiredEntry(e broker.Entry) bool { return e.QoS < 2 && st.past(e.Message.Expires) }

// DeleteMailbox implements broker.Store.
func (st *Store) DeleteMailbox(mb broker.Mailbox, c broker.Commit) {
	st.dropMailbox(mb)
	committed(c)
}

func (st *Store) dropMailbox(mb broker.Mailbox) {
	sh := st.mailbox(mb)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	delete(sh.mailboxes, mb)
	delete(sh.cursors, mb)
}

// search returns the place of seq in entries, or where it would be.
func (m *mailbox) search(seq uint64) (int, bool) {
	return slices.BinarySearchFunc(m.entries, seq, func(e broker.Entry, seq uint64) int { return cmp.Compare(e.Seq, seq) })
}

// Append implements broker.Store.
func (st *Store) Append(mb broker.Mailbox, e *broker.Entry, c broker.Commit) {
	kept := *e
	kept.SubscriptionIDs = slices.Clone(e.SubscriptionIDs)
	st.with(mb, func(m *mailbox) {
		m.entries = append(m.entries, kept)
	})
	committed(c)
}

// Released implements broker.Store.
func (st *Store) Released(mb broker.Mailbox, seq uint64, c broker.Commit) {
	st.with(mb, func(m *mailbox) {
		if i, ok := m.search(seq); ok {
			m.entries[i].Released = true
		}
	})
	committed(c)
}

// Remove implements broker.Store.
func (st *Store) Remove(mb broker.Mailbox, seq uint64, _ *broker.Body) {
	st.with(mb, func(m *mailbox) {
		if i, ok := m.search(seq); ok {
			m.remove(i)
		}
	})
}

// remove takes out entry i and moves the fewer of those before and behind it. Append copies the
// rest when it needs room, so that what has left at the front does not stay in memory.
func (m *mailbox) remove(i int) {
	if i >= len(m.entries)/2 {
		m.entries = slices.Delete(m.entries, i, i+1)
		return
	}
	copy(m.entries[1:], m.entries[:i])
	m.entries[0] = broker.Entry{}
	m.entries = m.entries[1:]
}

// Load implements broker.Store.
func (st *Store) Load(mb broker.Mailbox, after uint64, limit, maxBytes int, done func([]broker.Entry, bool, error)) {
	sh := st.mailbox(mb)
	sh.mu.Lock()
	var es []broker.Entry
	more := false
	if m := sh.mailboxes[mb]; m != nil {
		i, found := m.search(after)
		if found {
			i++
		}
		rest := m.entries[i:]
		n := fitting(len(rest), limit, maxBytes, func(i int) *broker.Message { return rest[i].Message })
		es, more = slices.Clone(rest[:n]), n < len(rest)
	}
	sh.mu.Unlock()
	done(es, more, nil)
}

// fitting returns how many of n messages make a page: the first one always.
func fitting(n, limit, maxBytes int, message func(int) *broker.Message) int {
	n = min(n, limit)
	bytes := 0
	for i := range n {
		if bytes += message(i).Size(); i > 0 && bytes > maxBytes {
			return i
		}
	}
	return n
}

// SetCursor implements broker.Store.
func (st *Store) SetCursor(mb broker.Mailbox, seq uint64) {
	sh := st.mailbox(mb)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.cursors[mb] = seq
}

// AddPartialReceipt implements broker.Store.
func (st *Store) AddPartialReceipt(mb broker.Mailbox, id broker.PacketID, part int, p broker.PartialReceipt, c broker.Commit) {
	p.Given = slices.Clone(p.Given)
	st.with(mb, func(m *mailbox) {
		if part == 0 {
			m.received = slices.DeleteFunc(m.received, func(o broker.PacketID) bool { return o == id })
		}
		if slices.Contains(m.received, id) {
			return // part 0 was refused
		}
		if m.partial == nil {
			m.partial = make(map[broker.PacketID][]broker.PartialReceipt)
		}
		parts := m.partial[id]
		parts = append(parts[:min(part, len(parts))], make([]broker.PartialReceipt, max(part-len(parts), 0))...)
		m.partial[id] = append(parts, p)
	})
	committed(c)
}

// AddReceipt implements broker.Store.
func (st *Store) AddReceipt(mb broker.Mailbox, id broker.PacketID, c broker.Commit) {
	st.with(mb, func(m *mailbox) {
		delete(m.partial, id)
		if !slices.Contains(m.received, id) {
			m.received = append(m.received, id)
		}
	})
	committed(c)
}

// RemoveReceipt implements broker.Store.
func (st *Store) RemoveReceipt(mb broker.Mailbox, id broker.PacketID, c broker.Commit) {
	st.with(mb, func(m *mailbox) {
		delete(m.partial, id)
		if i := slices.Index(m.received, id); i >= 0 {
			m.received = slices.Delete(m.received, i, i+1)
		}
	})
	committed(c)
}

// Mailboxes returns how many mailboxes hold entries or receipts.
func (st *Store) Mailboxes() int {
	n := 0
	for i := range st.mailboxes {
		sh := &st.mailboxes[i]
		sh.mu.Lock()
		n += len(sh.mailboxes)
		sh.mu.Unlock()
	}
	return n
}
