package topic

import (
	"sync"
	"testing"
)

func newGroup(members int) *Group[int] {
	g := &Group[int]{Name: "g", Filter: "a"}
	for s := range members {
		g.put(Subscription[int]{Subscriber: s + 1})
	}
	return g
}

func TestPickIsRoundRobin(t *testing.T) {
	g := newGroup(3)
	for i := range 9 {
		got, ok := g.Pick(nil)
		if want := i%3 + 1; !ok || got.Subscriber != want {
			t.Errorf("pick %d = %d, %v, want %d", i, got.Subscriber, ok, want)
		}
	}
}

func TestPickSkips(t *testing.T) {
	g := newGroup(4)
	even := func(s Subscription[int]) bool { return s.Subscriber%2 == 0 }
	for i, want := range []int{2, 4, 2, 4} {
		if got, ok := g.Pick(even); !ok || got.Subscriber != want {
			t.Errorf("pick %d = %d, %v, want %d", i, got.Subscriber, ok, want)
		}
	}
	asked := 0
	if got, ok := g.Pick(func(Subscription[int]) bool { asked++; return false }); ok {
		t.Errorf("pick with nobody willing = %d, want none", got.Subscriber)
	}
	if asked != 4 {
		t.Errorf("%d members were asked, want each of 4 once", asked)
	}
	if got, ok := new(Group[int]).Pick(nil); ok {
		t.Errorf("pick of an empty group = %d, want none", got.Subscriber)
	}
}

// TestPickWhileMembersLeave has the callback remove members, which moves the
// only willing one to a place already passed.
func TestPickWhileMembersLeave(t *testing.T) {
	g := newGroup(4)
	got, ok := g.Pick(func(s Subscription[int]) bool {
		if s.Subscriber == 2 {
			g.remove(1) // 4 moves to the first place
		}
		return s.Subscriber == 4
	})
	if !ok || got.Subscriber != 4 {
		t.Errorf("pick = %d, %v, want 4", got.Subscriber, ok)
	}
	if got, ok := g.Pick(func(s Subscription[int]) bool { g.remove(s.Subscriber); return false }); ok {
		t.Errorf("pick = %d, want none", got.Subscriber)
	}
	if got := g.Len(); got != 0 {
		t.Errorf("Len = %d, want 0", got)
	}
}

func TestPickSpreads(t *testing.T) {
	const members, pickers, rounds = 5, 4, 500
	g := newGroup(members)
	var mu sync.Mutex
	counts := make(map[int]int)
	var wg sync.WaitGroup
	for range pickers {
		wg.Go(func() {
			for range rounds {
				sub, ok := g.Pick(nil)
				if !ok {
					t.Error("a group with members gives none")
				}
				mu.Lock()
				counts[sub.Subscriber]++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for s := 1; s <= members; s++ {
		if got, want := counts[s], pickers*rounds/members; got != want {
			t.Errorf("member %d was picked %d times, want %d", s, got, want)
		}
	}
}

func TestPickDoesNotAllocate(t *testing.T) {
	g := newGroup(20)
	only := 7
	got := testing.AllocsPerRun(100, func() {
		g.Pick(func(s Subscription[int]) bool { return s.Subscriber == only })
	})
	if got != 0 {
		t.Errorf("Pick allocates %v times, want 0", got)
	}
}

// TestPickAfterNone has every other Pick find nobody. Members take turns all the same.
func TestPickAfterNone(t *testing.T) {
	for members := 1; members <= 4; members++ {
		g := newGroup(members)
		for i := range 3 * members {
			if got, ok := g.Pick(func(Subscription[int]) bool { return false }); ok {
				t.Fatalf("pick with nobody willing = %d, want none", got.Subscriber)
			}
			got, ok := g.Pick(nil)
			if want := i%members + 1; !ok || got.Subscriber != want {
				t.Errorf("%d members: pick %d = %d, %v, want %d", members, i, got.Subscriber, ok, want)
			}
		}
	}
}
