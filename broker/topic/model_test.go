package topic

import (
	"flag"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

var seed = flag.Uint64("seed", 0, "random seed of the property tests; 0 chooses one")

// model is the Index written down as plainly as possible.
type model map[string]map[int]Subscription[int]

func (m model) subscribe(filter string, sub Subscription[int]) (existed bool) {
	if m[filter] == nil {
		m[filter] = make(map[int]Subscription[int])
	}
	_, existed = m[filter][sub.Subscriber]
	m[filter][sub.Subscriber] = sub
	return existed
}

func (m model) unsubscribe(filter string, s int) (existed bool) {
	_, existed = m[filter][s]
	delete(m[filter], s)
	if len(m[filter]) == 0 {
		delete(m, filter)
	}
	return existed
}

// due is what a subscriber is owed according to the model.
type due struct {
	qos       uint8
	noLocal   bool
	published bool
	ids       []uint32 // sorted
}

func (m model) match(name string, publisher int) (subs map[int]due, shared map[string][]int) {
	subs, shared = make(map[int]due), make(map[string][]int)
	for filter, members := range m {
		_, rest, isShared, err := ParseShared(filter)
		if err != nil {
			rest, isShared = filter, false
		}
		if !Match(rest, name) {
			continue
		}
		for s, sub := range members {
			if isShared {
				shared[filter] = append(shared[filter], s)
				slices.Sort(shared[filter])
				continue
			}
			o := sub.Options
			if o.NoLocal() && s == publisher {
				continue
			}
			d, known := subs[s]
			d.qos = max(d.qos, o.QoS())
			d.noLocal = o.NoLocal() && (!known || d.noLocal)
			d.published = d.published || o.RetainAsPublished()
			if sub.ID != 0 {
				d.ids = append(d.ids, sub.ID)
				slices.Sort(d.ids)
			}
			subs[s] = d
		}
	}
	return subs, shared
}

// check compares what x and m answer for name.
func (m model) check(t *testing.T, x *Index[int], name string, publisher int, dst *Matches[int]) {
	t.Helper()
	subs, shared := m.match(name, publisher)
	x.Match(name, publisher, dst)
	if len(dst.Subs) != len(subs) || len(dst.Shared) != len(shared) {
		t.Fatalf("Match(%q, %d) = %d subscribers and %d groups, want %d and %d",
			name, publisher, len(dst.Subs), len(dst.Shared), len(subs), len(shared))
	}
	for i := range dst.Subs {
		s := &dst.Subs[i]
		want, ok := subs[s.Subscriber]
		ids := dst.AppendIDs(nil, i)
		if s.HasMoreIDs() != (len(ids) > 1) {
			t.Fatalf("Match(%q, %d), subscriber %d: HasMoreIDs %v with identifiers %v", name, publisher, s.Subscriber, s.HasMoreIDs(), ids)
		}
		slices.Sort(ids)
		got := due{s.Options.QoS(), s.Options.NoLocal(), s.Options.RetainAsPublished(), ids}
		if !ok || got.qos != want.qos || got.noLocal != want.noLocal || got.published != want.published || !slices.Equal(ids, want.ids) {
			t.Fatalf("Match(%q, %d), subscriber %d: got %+v, want %+v", name, publisher, s.Subscriber, got, want)
		}
	}
	for _, g := range dst.Shared {
		var got []int
		for range g.Len() {
			sub, _ := g.Pick(nil)
			got = append(got, sub.Subscriber)
		}
		slices.Sort(got)
		filter := sharePrefix + g.Name + "/" + g.Filter
		if !slices.Equal(got, shared[filter]) {
			t.Fatalf("Match(%q, %d), group %q: got members %v, want %v", name, publisher, filter, got, shared[filter])
		}
	}
}

// checkCounts compares the counts of x with those of m.
func (m model) checkCounts(t *testing.T, x *Index[int]) {
	t.Helper()
	subs, groups := 0, 0
	for filter, members := range m {
		subs += len(members)
		if _, _, shared, err := ParseShared(filter); shared && err == nil {
			groups++
		}
	}
	if x.Len() != subs || x.Groups() != groups {
		t.Fatalf("Len = %d, Groups = %d, want %d, %d", x.Len(), x.Groups(), subs, groups)
	}
}

// checkEmpty verifies that nothing is left of subscriptions that have all ended.
func checkEmpty(t *testing.T, x *Index[int]) {
	t.Helper()
	if x.Len() != 0 || x.Groups() != 0 || x.wild.filters.Load() != 0 {
		t.Fatalf("Len = %d, Groups = %d, wildcard filters = %d, want 0", x.Len(), x.Groups(), x.wild.filters.Load())
	}
	if r := &x.wild.root; r.plus != nil || r.here != nil || r.below != nil || !r.kids.empty() {
		t.Fatalf("the trie has nodes left: %+v", *r)
	}
	for i := range x.shards {
		if sh := &x.shards[i]; len(sh.subs) != 0 || len(sh.groups) != 0 {
			t.Fatalf("shard %d has %d filters and %d shared filters left", i, len(sh.subs), len(sh.groups))
		}
	}
}

// randomName and randomFilter draw from few levels, so that they often meet.
func randomName(rng *rand.Rand) string {
	return randomLevels(rng, []string{"", "a", "b", "a!", "$s", "\u00e9"})
}

func randomFilter(rng *rand.Rand) string {
	f := randomLevels(rng, []string{"", "a", "b", "a!", "$s", "+", "+"})
	switch rng.IntN(4) {
	case 0:
		f += "/#"
	case 1:
		if rng.IntN(4) == 0 {
			f = "#"
		}
	}
	if rng.IntN(5) == 0 {
		f = sharePrefix + []string{"g", "h"}[rng.IntN(2)] + "/" + f
	}
	return f
}

func randomLevels(rng *rand.Rand, choice []string) string {
	levels := make([]string, 1+rng.IntN(4))
	for i := range levels {
		levels[i] = choice[rng.IntN(len(choice))]
	}
	if s := strings.Join(levels, "/"); s != "" {
		return s
	}
	return "a"
}

func randomSubscription(rng *rand.Rand, subscribers int) Subscription[int] {
	sub := Subscription[int]{
		Subscriber: 1 + rng.IntN(subscribers),
		Options:    NewOptions(uint8(rng.IntN(3)), rng.IntN(3) == 0, rng.IntN(2) == 0, 0),
	}
	if rng.IntN(2) == 0 {
		sub.ID = 1 + rng.Uint32N(5)
	}
	return sub
}
