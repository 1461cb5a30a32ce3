package topic

import "testing"

func TestChildren(t *testing.T) {
	var c children[int]
	nodes := make(map[string]*node[int])
	check := func(step string) {
		t.Helper()
		for _, l := range []string{"", "a", "b", "c"} {
			if got, want := c.get(l), nodes[l]; got != want {
				t.Errorf("%s: get(%q) = %p, want %p", step, l, got, want)
			}
		}
		if got, want := c.empty(), len(nodes) == 0; got != want {
			t.Errorf("%s: empty = %v, want %v", step, got, want)
		}
		if c.many != nil && (c.one != nil || len(c.many) < 2) {
			t.Errorf("%s: a map of %d beside child %p", step, len(c.many), c.one)
		}
	}
	check("zero value")
	for range 2 {
		for _, l := range []string{"a", "", "b"} {
			nodes[l] = &node[int]{level: l}
			c.add(nodes[l])
			check("add " + l)
		}
		for _, l := range []string{"a", "b", ""} {
			c.remove(nodes[l])
			delete(nodes, l)
			check("remove " + l)
		}
	}
}
