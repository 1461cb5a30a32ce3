package topic

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
)

func TestIndexRandom(t *testing.T) {
	for _, subscribers := range []int{1, 4, 60} {
		t.Run(fmt.Sprintf("subscribers=%d", subscribers), func(t *testing.T) {
			rng := newRand(t)
			x, m := NewIndex[int](), make(model)
			var dst Matches[int]
			for i := range 6000 {
				filter, sub := randomFilter(rng), randomSubscription(rng, subscribers)
				if rng.IntN(5) < 3 {
					if got, want := x.Subscribe(filter, sub), m.subscribe(filter, sub); got != want {
						t.Fatalf("Subscribe(%q, %d) = %v, want %v", filter, sub.Subscriber, got, want)
					}
				} else if got, want := x.Unsubscribe(filter, sub.Subscriber), m.unsubscribe(filter, sub.Subscriber); got != want {
					t.Fatalf("Unsubscribe(%q, %d) = %v, want %v", filter, sub.Subscriber, got, want)
				}
				if i%10 == 0 {
					m.check(t, x, randomName(rng), rng.IntN(subscribers+1), &dst)
				}
				if i%1000 == 0 {
					m.checkCounts(t, x)
					dst.Reset()
				}
			}
			for filter, members := range m {
				for s := range members {
					if !x.Unsubscribe(filter, s) {
						t.Fatalf("Unsubscribe(%q, %d) = false, want true", filter, s)
					}
				}
			}
			checkEmpty(t, x)
		})
	}
}

// TestIndexNotValidated gives the Index filters that ValidateFilter refuses:
// they are ordinary filters, match as Match says, and leave no trace.
func TestIndexNotValidated(t *testing.T) {
	filters := []string{"", "a#", "#/a", "a+", "$share/", "$share//a", "$share/g", "$share/g/", "$share/+/a", "$share/#", "\x00", "\xff"}
	x, m := NewIndex[int](), make(model)
	var dst Matches[int]
	for i, f := range filters {
		x.Subscribe(f, Subscription[int]{Subscriber: i + 1})
		m.subscribe(f, Subscription[int]{Subscriber: i + 1})
	}
	for _, name := range []string{"a", "a/a", "b/a", "/", "$share/g"} {
		x.Match(name, 0, &dst)
		m.check(t, x, name, 0, &dst)
	}
	for i, f := range filters {
		if !x.Unsubscribe(f, i+1) {
			t.Errorf("Unsubscribe(%q) = false, want true", f)
		}
	}
	checkEmpty(t, x)
}

// TestNoLocal has subscriptions overlap of which some are No Local: v5 [MQTT-3.8.3-3].
func TestNoLocal(t *testing.T) {
	x := NewIndex[int]()
	x.Subscribe("a/b", Subscription[int]{Subscriber: 1, ID: 1, Options: NewOptions(2, true, true, 0)})
	x.Subscribe("a/+", Subscription[int]{Subscriber: 1, ID: 2, Options: NewOptions(0, false, false, 0)})
	x.Subscribe("a/b", Subscription[int]{Subscriber: 2, ID: 3, Options: NewOptions(1, true, false, 0)})
	var m Matches[int]
	tests := []struct {
		publisher int
		want      string
	}{
		{0, "1:qos2,ids[1 2] 2:qos1,ids[3]"},
		{1, "2:qos1,ids[3] 1:qos0,ids[2]"},
		{2, "1:qos2,ids[1 2]"},
	}
	for _, tt := range tests {
		x.Match("a/b", tt.publisher, &m)
		var got []string
		for i, s := range m.Subs {
			got = append(got, fmt.Sprintf("%d:qos%d,ids%v", s.Subscriber, s.Options.QoS(), m.AppendIDs(nil, i)))
		}
		if got := strings.Join(got, " "); got != tt.want {
			t.Errorf("published by %d: got %s, want %s", tt.publisher, got, tt.want)
		}
	}
}

func TestGroupsAreSeparate(t *testing.T) {
	x := NewIndex[int]()
	x.Subscribe("$share/g/a/b", Subscription[int]{Subscriber: 1})
	x.Subscribe("$share/h/a/b", Subscription[int]{Subscriber: 2})
	x.Subscribe("$share/g/a/+", Subscription[int]{Subscriber: 3})
	x.Subscribe("a/b", Subscription[int]{Subscriber: 1})
	var m Matches[int]
	x.Match("a/b", 0, &m)
	if len(m.Subs) != 1 || len(m.Shared) != 3 || x.Groups() != 3 || x.Len() != 4 {
		t.Errorf("got %d subscribers, %d groups matched, %d groups, %d subscriptions, want 1, 3, 3, 4", len(m.Subs), len(m.Shared), x.Groups(), x.Len())
	}
	x.Match("$share/g/a/b", 0, &m)
	if len(m.Subs)+len(m.Shared) != 0 {
		t.Errorf("a publish to $share/g/a/b matches %d, want 0", len(m.Subs)+len(m.Shared))
	}
	if x.Unsubscribe("$share/h/a/b", 1) || !x.Unsubscribe("$share/g/a/b", 1) {
		t.Error("a member was removed from the group of another ShareName")
	}
}

// TestIndexConcurrent runs everything at once. Each goroutine changes its own
// subscriber only, so that it knows what it must find.
func TestIndexConcurrent(t *testing.T) {
	const workers, rounds = 8, 400
	x := NewIndex[int]()
	filters := []string{"a/b", "a/+", "#", "a/b/#", "$share/g/a/b", "$share/g/a/+"}
	x.Subscribe("a/b", Subscription[int]{Subscriber: 1000})
	var wg sync.WaitGroup
	for w := 1; w <= workers; w++ {
		wg.Go(func() {
			var m Matches[int]
			for round := range rounds {
				for i, f := range filters {
					x.Subscribe(f, Subscription[int]{Subscriber: w, ID: uint32(i + 1)})
				}
				x.Match("a/b", 0, &m)
				found := 0
				for i := range m.Subs {
					if s := m.Subs[i].Subscriber; s == w || s == 1000 {
						found++
					}
					if m.Subs[i].Subscriber == w && len(m.AppendIDs(nil, i)) != 4 {
						t.Errorf("round %d: worker %d has identifiers %v, want 4", round, w, m.AppendIDs(nil, i))
					}
				}
				if found != 2 || len(m.Shared) != 2 {
					t.Errorf("round %d: found %d of 2 subscribers and %d of 2 groups", round, found, len(m.Shared))
				}
				for _, g := range m.Shared {
					if _, ok := g.Pick(nil); !ok {
						t.Errorf("round %d: group %s/%s has no member, want at least %d", round, g.Name, g.Filter, w)
					}
				}
				for _, f := range filters {
					if !x.Unsubscribe(f, w) {
						t.Errorf("round %d: Unsubscribe(%q, %d) = false, want true", round, f, w)
					}
				}
			}
		})
	}
	wg.Wait()
	x.Unsubscribe("a/b", 1000)
	checkEmpty(t, x)
}

func TestMatchDoesNotAllocate(t *testing.T) {
	exact, overlap := NewIndex[*int](), NewIndex[*int]()
	subs := make([]int, 40)
	for i := range subs {
		exact.Subscribe(fmt.Sprintf("device/%d", i), Subscription[*int]{Subscriber: &subs[i], ID: 1})
		overlap.Subscribe("device/7", Subscription[*int]{Subscriber: &subs[i], ID: 1})
		overlap.Subscribe("device/+", Subscription[*int]{Subscriber: &subs[i], ID: 2})
		overlap.Subscribe("$share/g/#", Subscription[*int]{Subscriber: &subs[i]})
	}
	for name, x := range map[string]*Index[*int]{"exact": exact, "overlap": overlap} {
		var m Matches[*int]
		ids := make([]uint32, 0, 8)
		got := testing.AllocsPerRun(100, func() {
			x.Match("device/7", nil, &m)
			for i := range m.Subs {
				ids = m.AppendIDs(ids[:0], i)
			}
		})
		if got != 0 || len(m.Subs) == 0 {
			t.Errorf("%s: Match allocates %v times for %d subscribers, want 0", name, got, len(m.Subs))
		}
	}
}

// TestExactFilterMemory measures what one exact filter with one subscriber
// costs, its 20 bytes of text included.
func TestExactFilterMemory(t *testing.T) {
	const filters, budget = 200_000, 150
	owner := new(int)
	before := liveHeap()
	x := NewIndex[*int]()
	for i := range filters {
		x.Subscribe(fmt.Sprintf("inbox/device%08d", i), Subscription[*int]{Subscriber: owner, ID: 1})
	}
	per := float64(liveHeap()-before) / filters
	t.Logf("%.1f bytes per filter", per)
	if per > budget {
		t.Errorf("an exact filter costs %.1f bytes, want at most %d", per, budget)
	}
	runtime.KeepAlive(x)
}

// liveHeap returns the bytes in use, signed since differences may be negative.
func liveHeap() int64 {
	var ms runtime.MemStats
	runtime.GC()
	runtime.GC() // the first may find memory that only finalizers held
	runtime.ReadMemStats(&ms)
	return int64(ms.HeapAlloc)
}
