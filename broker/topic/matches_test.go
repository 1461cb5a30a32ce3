package topic

import (
	"fmt"
	"testing"
)

// TestMatchesDedup covers both ways to find subscribers again, with entries of very different sizes.
func TestMatchesDedup(t *testing.T) {
	sizes := [][]int{ // subscribers 1..n of a/b, a/+, +/b, a/#, +/#
		{1, 1, 1, 1, 1},
		{1, 500, 1, 500, 20},
		{500, 1, 1, 1, 1},
		{500, 500, 500, 500, 500},
		{2000, 17, 17, 17, 17},
	}
	for _, size := range sizes {
		x, m := NewIndex[int](), make(model)
		for i, f := range []string{"a/b", "a/+", "+/b", "a/#", "+/#"} {
			for s := 1; s <= size[i]; s++ {
				sub := Subscription[int]{Subscriber: s, ID: uint32(i + 1), Options: NewOptions(uint8(s%3), false, false, 0)}
				x.Subscribe(f, sub)
				m.subscribe(f, sub)
			}
		}
		var dst Matches[int]
		for range 2 { // again with used scratch memory
			m.check(t, x, "a/b", 0, &dst)
			m.check(t, x, "a/c", 0, &dst)
		}
		dst.Reset()
		m.check(t, x, "a/b", 0, &dst)
	}
}

func TestMatchesKeepsEqualIDs(t *testing.T) {
	x := NewIndex[int]()
	for _, f := range []string{"a", "+", "#"} {
		x.Subscribe(f, Subscription[int]{Subscriber: 1, ID: 7})
	}
	var m Matches[int]
	x.Match("a", 0, &m)
	if got, want := fmt.Sprint(m.AppendIDs(nil, 0)), "[7 7 7]"; got != want {
		t.Errorf("identifiers are %s, want %s", got, want)
	}
}

func TestMatchesReset(t *testing.T) {
	x := NewIndex[*int]()
	big := make([]int, keepCap+1)
	for i := range big {
		x.Subscribe("a/b", Subscription[*int]{Subscriber: &big[i]})
	}
	x.Subscribe("a/+", Subscription[*int]{Subscriber: &big[3]})
	var m Matches[*int]
	x.Match("a/b", nil, &m)
	if len(m.Subs) != len(big) {
		t.Fatalf("%d subscribers match, want %d", len(m.Subs), len(big))
	}
	m.Reset()
	if cap(m.Subs) != 0 {
		t.Errorf("Reset keeps memory for %d subscribers, want 0", cap(m.Subs))
	}
	x.Match("a/c", nil, &m)
	m.Reset()
	if got := m.Subs[:1][0].Subscriber; got != nil {
		t.Error("Reset keeps a pointer to a subscriber")
	}
}
