package topic

import (
	"strings"
	"sync"
	"sync/atomic"
)

// trie holds the subscriptions to filters with wildcards, one node per level.
// The zero value is empty.
type trie[S comparable] struct {
	filters atomic.Int64 // leaves; lets Match skip an empty trie without the lock

	mu   sync.RWMutex
	root node[S] // guarded by mu
}

// node is the end of a path of levels from the root. All its fields are
// guarded by trie.mu. A node other than the root that is empty is removed.
type node[S comparable] struct {
	parent *node[S] // nil for the root
	level  string   // the last level of the path
	kids   children[S]
	plus   *node[S] // the child for level "+"
	here   *leaf[S] // of the filter that ends at this level
	below  *leaf[S] // of the filter that ends with a "#" below this level
}

// leaf holds the subscriptions to one filter. One that is empty is removed.
type leaf[S comparable] struct {
	subs    entry[S] // valid if hasSubs
	groups  groups[S]
	hasSubs bool
}

// subscribe adds sub to filter, or to its group called name if shared.
func (t *trie[S]) subscribe(filter, name string, shared bool, sub Subscription[S]) (existed, made bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at := t.grow(filter)
	l := *at
	if l == nil {
		l = new(leaf[S])
		*at = l
		t.filters.Add(1)
	}
	switch {
	case shared:
		return l.groups.subscribe(name, filter, sub)
	case l.hasSubs:
		return l.subs.put(sub), false
	default:
		l.subs, l.hasSubs = entry[S]{one: sub}, true
		return false, false
	}
}

// unsubscribe removes s from filter, or from its group called name if shared.
func (t *trie[S]) unsubscribe(filter, name string, shared bool, s S) (existed, gone bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n, at := t.find(filter)
	if at == nil || *at == nil {
		return false, false
	}
	l := *at
	switch {
	case shared:
		existed, gone = l.groups.unsubscribe(name, s)
	case l.hasSubs:
		var empty bool
		if existed, empty = l.subs.remove(s); empty {
			l.subs, l.hasSubs = entry[S]{}, false
		}
	}
	if !l.hasSubs && len(l.groups) == 0 {
		*at = nil
		t.filters.Add(-1)
		prune(n)
	}
	return existed, gone
}

// group returns the group of filter called name, or nil.
func (t *trie[S]) group(filter, name string) *Group[S] {
	t.mu.RLock()
	defer t.mu.RUnlock()
	_, at := t.find(filter)
	if at == nil || *at == nil {
		return nil
	}
	return (*at).groups.get(name)
}

// grow returns the place of filter's leaf, making the nodes on the way.
func (t *trie[S]) grow(filter string) **leaf[S] {
	n := &t.root
	for pos := 0; pos >= 0; {
		l, next := level(filter, pos)
		switch {
		case l == "#" && next < 0:
			return &n.below
		case l == "+":
			if n.plus == nil {
				n.plus = &node[S]{parent: n, level: "+"}
			}
			n = n.plus
		default:
			kid := n.kids.get(l)
			if kid == nil {
				// A copy: the node may outlive this filter, whose other levels it would keep.
				kid = &node[S]{parent: n, level: strings.Clone(l)}
				n.kids.add(kid)
			}
			n = kid
		}
		pos = next
	}
	return &n.here
}

// find returns the last node of filter's path and the place of its leaf, nil if there is no such path.
func (t *trie[S]) find(filter string) (*node[S], **leaf[S]) {
	n := &t.root
	for pos := 0; pos >= 0; {
		l, next := level(filter, pos)
		if l == "#" && next < 0 {
			return n, &n.below
		}
		if l == "+" {
			n = n.plus
		} else {
			n = n.kids.get(l)
		}
		if n == nil {
			return nil, nil
		}
		pos = next
	}
	return n, &n.here
}

// prune removes n and those above it that have become empty.
func prune[S comparable](n *node[S]) {
	for n.parent != nil && n.here == nil && n.below == nil && n.plus == nil && n.kids.empty() {
		parent := n.parent
		if parent.plus == n {
			parent.plus = nil
		} else {
			parent.kids.remove(n)
		}
		n = parent
	}
}

// match adds to dst the subscriptions whose filters match name. It keeps the
// nodes reached after each level of name, of which a node has one parent, so
// none is reached twice; see the package comment for the bound.
func (t *trie[S]) match(name string, publisher S, dst *Matches[S]) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	// v5 [MQTT-4.7.2-1], v3.1.1 [MQTT-4.7.2-1]: no wildcard in the first level matches "$…"
	wildcards := !strings.HasPrefix(name, "$")
	nodes, reached := append(dst.walk[:0], &t.root), dst.walkNext
	for pos := 0; pos >= 0 && len(nodes) > 0; {
		l, next := level(name, pos)
		reached = reached[:0]
		for _, n := range nodes {
			if wildcards {
				dst.addLeaf(n.below, publisher)
				if n.plus != nil {
					reached = append(reached, n.plus)
				}
			}
			if kid := n.kids.get(l); kid != nil {
				reached = append(reached, kid)
			}
		}
		nodes, reached = reached, nodes
		wildcards = true
		pos = next
	}
	for _, n := range nodes {
		dst.addLeaf(n.here, publisher)
		dst.addLeaf(n.below, publisher) // "a/#" matches "a": v5 4.7.1.2, v3.1.1 4.7.1.2
	}
	dst.walk, dst.walkNext = nodes, reached
}

func (m *Matches[S]) addLeaf(l *leaf[S], publisher S) {
	if l == nil {
		return
	}
	if l.hasSubs {
		m.addEntry(&l.subs, publisher)
	}
	m.Shared = append(m.Shared, l.groups...)
}
