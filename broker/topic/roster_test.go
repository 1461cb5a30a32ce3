package topic

import (
	"math/rand/v2"
	"testing"
)

// checkRoster verifies the invariant of roster against the wanted members.
func checkRoster(t *testing.T, r *roster[int], want map[int]Subscription[int]) {
	t.Helper()
	if len(r.subs) != len(want) {
		t.Fatalf("roster has %d members, want %d", len(r.subs), len(want))
	}
	for i, sub := range r.subs {
		if want[sub.Subscriber] != sub {
			t.Fatalf("member %d is %+v, want %+v", i, sub, want[sub.Subscriber])
		}
		if at, ok := r.find(sub.Subscriber); !ok || at != i {
			t.Fatalf("find(%d) = %d, %v, want %d", sub.Subscriber, at, ok, i)
		}
	}
	if r.index != nil && len(r.index) != len(r.subs) {
		t.Fatalf("index has %d members, want %d", len(r.index), len(r.subs))
	}
	if r.index == nil && len(r.subs) > rosterIndexAt {
		t.Fatalf("roster of %d members has no index", len(r.subs))
	}
}

func TestRosterRandom(t *testing.T) {
	rng := newRand(t)
	var r roster[int]
	want := make(map[int]Subscription[int])
	for _, size := range []int{3, 17, 40, 500, 6, 200, 0} {
		for i := range 2000 {
			s := 1 + rng.IntN(2*size+1)
			_, existed := want[s]
			if grow := len(want) < size; grow || i%3 == 0 {
				sub := Subscription[int]{Subscriber: s, ID: rng.Uint32()}
				if got := r.put(sub); got != existed {
					t.Fatalf("put(%d) = %v, want %v", s, got, existed)
				}
				want[s] = sub
			} else {
				if got := r.remove(s); got != existed {
					t.Fatalf("remove(%d) = %v, want %v", s, got, existed)
				}
				delete(want, s)
			}
			if i%50 == 0 {
				checkRoster(t, &r, want)
			}
		}
		checkRoster(t, &r, want)
	}
}

func TestRosterShrinks(t *testing.T) {
	var r roster[int]
	for s := range 10_000 {
		r.put(Subscription[int]{Subscriber: s + 1})
	}
	for s := range 9_990 {
		r.remove(s + 1)
	}
	if got := cap(r.subs); got > rosterShrinkAt {
		t.Errorf("roster of %d has capacity %d, want at most %d", len(r.subs), got, rosterShrinkAt)
	}
	if len(r.index) > len(r.subs) {
		t.Errorf("index has %d members, want at most %d", len(r.index), len(r.subs))
	}
}

// newRand returns a random source whose seed is printed if the test fails.
func newRand(t *testing.T) *rand.Rand {
	t.Helper()
	s := *seed
	if s == 0 {
		s = rand.Uint64()
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("random seed: -seed %d", s)
		}
	})
	return rand.New(rand.NewPCG(s, 0))
}
