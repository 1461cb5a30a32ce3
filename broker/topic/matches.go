package topic

import "slices"

const (
	// dedupScan bounds the comparisons per already matched subscriber that are
	// spent on scanning before a map of them is built, which costs about as
	// much; at most this many subscribers are always scanned.
	dedupScan = 16

	// keepCap is the number of elements up to which Reset keeps scratch memory.
	keepCap = 64 << 10
)

// Matched is one subscriber that is owed a message, its overlapping
// subscriptions merged.
type Matched[S comparable] struct {
	// Subscriber is the subscribing Session; each appears once in Matches.Subs.
	Subscriber S

	// ID is the Subscription Identifier of one matching subscription, 0 if
	// none has one. Matches.AppendIDs returns all of them.
	ID uint32

	// more is 1 + the place in Matches.ids of the next identifier; 0 means none.
	more uint32

	// Options has the highest QoS granted, Retain As Published if any of the
	// subscriptions has it, and No Local if all have it. Retain Handling is
	// that of one of them.
	Options Options
}

// HasMoreIDs reports whether there are Subscription Identifiers besides ID.
func (m *Matched[S]) HasMoreIDs() bool { return m.more != 0 }

// Matches is the result of Index.Match and the scratch memory to find it. The
// zero value is ready; reusing it saves allocations. It belongs to one
// goroutine at a time.
type Matches[S comparable] struct {
	// Subs are the subscribers that are each owed one copy. It is overwritten by the next Match.
	Subs []Matched[S]

	// Shared are the groups of which one member each is owed one copy, to be
	// chosen by Group.Pick. It is overwritten by the next Match.
	Shared []*Group[S]

	ids      []idNode    // identifiers beyond the first of each subscriber
	seen     map[S]int32 // if indexed: place of each subscriber in Subs
	indexed  bool
	compared int // comparisons spent on scanning

	walk, walkNext []*node[S] // trie nodes of one level and of the next
}

// idNode is an element of a chain of Subscription Identifiers.
type idNode struct {
	id   uint32
	next uint32 // as Matched.more
}

// AppendIDs appends to dst all Subscription Identifiers of Subs[i] and returns
// the extended slice. An identifier that the client gave to several matching
// subscriptions appears as often: v5 3.3.4 has the PUBLISH carry it as often.
func (m *Matches[S]) AppendIDs(dst []uint32, i int) []uint32 {
	s := &m.Subs[i]
	if s.ID == 0 {
		return dst
	}
	dst = append(dst, s.ID)
	for at := s.more; at != 0; at = m.ids[at-1].next {
		dst = append(dst, m.ids[at-1].id)
	}
	return dst
}

// Reset empties m, so that it holds on to no subscriber, and gives back the
// memory of an unusually large result. Match does not need it; call it before
// m is put away for long.
func (m *Matches[S]) Reset() {
	m.begin()
	m.Subs = wipe(m.Subs)
	m.Shared = wipe(m.Shared)
	m.ids = wipe(m.ids)
	m.walk = wipe(m.walk)
	m.walkNext = wipe(m.walkNext)
}

func wipe[E any](s []E) []E {
	if cap(s) > keepCap {
		return nil
	}
	clear(s[:cap(s)])
	return s[:0]
}

// begin makes m empty but keeps its memory.
func (m *Matches[S]) begin() {
	m.Subs = m.Subs[:0]
	m.Shared = m.Shared[:0]
	m.ids = m.ids[:0]
	m.compared = 0
	if m.indexed {
		m.indexed = false
		if len(m.seen) > keepCap {
			m.seen = nil // clearing costs as much as its largest size ever
		} else {
			clear(m.seen)
		}
	}
}

// addEntry adds the subscriptions of one filter, leaving out those with No
// Local whose subscriber is the publisher: v5 [MQTT-3.8.3-3]. They are left
// out before merging since they must neither raise the QoS nor add their
// identifier to a copy that is due for another subscription.
func (m *Matches[S]) addEntry(e *entry[S], publisher S) {
	known := len(m.Subs) // subscribers of one entry differ: only these may repeat
	if e.many == nil {
		m.add(&e.one, publisher, known)
		return
	}
	m.Subs = slices.Grow(m.Subs, len(e.many.subs))
	if known == 0 {
		m.copyAll(e.many.subs, publisher)
		return
	}
	for i := range e.many.subs {
		m.add(&e.many.subs[i], publisher, known)
	}
}

// copyAll adds subs to an m without Subs: the loop of a large fan-out.
func (m *Matches[S]) copyAll(subs []Subscription[S], publisher S) {
	to := m.Subs
	for i := range subs {
		sub := &subs[i]
		if sub.Options&noLocalBit != 0 && sub.Subscriber == publisher {
			continue
		}
		to = append(to, Matched[S]{Subscriber: sub.Subscriber, ID: sub.ID, Options: sub.Options})
	}
	m.Subs = to
}

func (m *Matches[S]) add(sub *Subscription[S], publisher S, known int) {
	if sub.Options.NoLocal() && sub.Subscriber == publisher {
		return
	}
	if known > 0 {
		if i, ok := m.find(sub.Subscriber, known); ok {
			m.merge(&m.Subs[i], sub)
			return
		}
	}
	if m.indexed {
		m.seen[sub.Subscriber] = int32(len(m.Subs))
	}
	m.Subs = append(m.Subs, Matched[S]{Subscriber: sub.Subscriber, ID: sub.ID, Options: sub.Options})
}

// find looks for s among the first known matches.
func (m *Matches[S]) find(s S, known int) (int, bool) {
	if !m.indexed && known > dedupScan && m.compared > dedupScan*known {
		if m.seen == nil {
			m.seen = make(map[S]int32, len(m.Subs))
		}
		for i := range m.Subs {
			m.seen[m.Subs[i].Subscriber] = int32(i)
		}
		m.indexed = true
	}
	if m.indexed {
		i, ok := m.seen[s]
		return int(i), ok
	}
	m.compared += known
	for i := range m.Subs[:known] {
		if m.Subs[i].Subscriber == s {
			return i, true
		}
	}
	return 0, false
}

// merge adds another matching subscription of the same subscriber: v5 [MQTT-3.3.4-2] to [MQTT-3.3.4-4].
func (m *Matches[S]) merge(to *Matched[S], sub *Subscription[S]) {
	to.Options = to.Options.merge(sub.Options)
	switch {
	case sub.ID == 0:
	case to.ID == 0:
		to.ID = sub.ID
	default:
		m.ids = append(m.ids, idNode{id: sub.ID, next: to.more})
		to.more = uint32(len(m.ids))
	}
}
