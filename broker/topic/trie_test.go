package topic

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// countNodes counts the nodes of a trie without recursion, root included.
func countNodes(t *trie[int]) int {
	n := 0
	for stack := []*node[int]{&t.root}; len(stack) > 0; n++ {
		last := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if last.plus != nil {
			stack = append(stack, last.plus)
		}
		if last.kids.one != nil {
			stack = append(stack, last.kids.one)
		}
		for _, kid := range last.kids.many {
			stack = append(stack, kid)
		}
	}
	return n
}

func TestTriePrunes(t *testing.T) {
	x := NewIndex[int]()
	steps := []struct {
		add, remove string
		nodes       int
	}{
		{add: "#", nodes: 1},
		{add: "a/b/+", nodes: 4},
		{add: "a/b/#", nodes: 4},
		{add: "a/c/+/d", nodes: 7},
		{add: "$share/g/a/c/+", nodes: 7},
		{remove: "a/b/+", nodes: 6},
		{remove: "a/b/+", nodes: 6},
		{remove: "a/x/+", nodes: 6},
		{remove: "a/+/#", nodes: 6},
		{remove: "a/b/#", nodes: 5},
		{remove: "a/c/+/d", nodes: 4},
		{remove: "a/c/+", nodes: 4},
		{remove: "$share/h/a/c/+", nodes: 4},
		{remove: "$share/g/a/c/+", nodes: 1},
		{remove: "#", nodes: 1},
	}
	for i, st := range steps {
		if st.add != "" {
			x.Subscribe(st.add, Subscription[int]{Subscriber: 1})
		} else {
			x.Unsubscribe(st.remove, 1)
		}
		if got := countNodes(&x.wild); got != st.nodes {
			t.Errorf("step %d (add %q, remove %q): %d nodes, want %d", i, st.add, st.remove, got, st.nodes)
		}
	}
	checkEmpty(t, x)
}

// TestTrieDeep uses filters of as many levels as fit into 65,535 bytes.
func TestTrieDeep(t *testing.T) {
	slashes := strings.Repeat("/", MaxLen-2)
	filters := []string{
		slashes + "/#",
		slashes + "/+",
		strings.Repeat("+/", MaxLen/2) + "+",
		strings.Repeat("+/", MaxLen/2) + "#",
	}
	x, m := NewIndex[int](), make(model)
	before := liveHeap()
	for i, f := range filters {
		x.Subscribe(f, Subscription[int]{Subscriber: i + 1})
		m.subscribe(f, Subscription[int]{Subscriber: i + 1})
	}
	if got, bound := liveHeap()-before, int64(len(filters)*MaxLen*100); got > bound {
		t.Errorf("%d filters of %d bytes take %d bytes, want at most %d", len(filters), MaxLen, got, bound)
	}
	var dst Matches[int]
	for _, name := range []string{slashes, slashes + "/", slashes + "/a", strings.Repeat("/", MaxLen/2), "a"} {
		m.check(t, x, name, 0, &dst)
	}
	for i, f := range filters {
		if !x.Unsubscribe(f, i+1) {
			t.Errorf("filter %d: Unsubscribe = false, want true", i)
		}
	}
	checkEmpty(t, x)
}

// TestTrieVisitsEachNodeOnce builds the worst case, every combination of "a"
// and "+": the nodes of the last level, all of which match, bound the walk.
func TestTrieVisitsEachNodeOnce(t *testing.T) {
	const levels = 10
	x := NewIndex[int]()
	for bits := range 1 << levels {
		f := make([]string, levels)
		for i := range f {
			f[i] = "a"
			if bits>>i&1 != 0 {
				f[i] = "+"
			}
		}
		x.Subscribe(strings.Join(f, "/"), Subscription[int]{Subscriber: bits + 1})
	}
	var dst Matches[int]
	x.Match(strings.Repeat("a/", levels-1)+"a", 0, &dst)
	if got, want := len(dst.Subs), 1<<levels; got != want {
		t.Errorf("%d subscribers match, want %d", got, want)
	}
	// One filter, "a/a/…", has no wildcard and its last node is missing.
	if got, want := len(dst.walk), 1<<levels-1; got != want {
		t.Errorf("the last level of the walk has %d nodes, want %d", got, want)
	}
}

// TestTrieKeepsNoFilter subscribes to a long filter and a short one that
// shares its first level; the short one must not keep the long one's text.
func TestTrieKeepsNoFilter(t *testing.T) {
	const long, count = 60_000, 100
	x := NewIndex[int]()
	before := liveHeap()
	for i := range count {
		first := fmt.Sprintf("first%d", i)
		f := first + "/+/" + strings.Repeat("x", long)
		x.Subscribe(f, Subscription[int]{Subscriber: 1})
		x.Subscribe(first+"/+", Subscription[int]{Subscriber: 1})
		x.Unsubscribe(f, 1)
	}
	if got := liveHeap() - before; got > long*count/10 {
		t.Errorf("%d short filters take %d bytes", count, got)
	}
	runtime.KeepAlive(x)
}
