package topic

const (
	// rosterIndexAt is the number of members from which a roster keeps an
	// index: below it a scan is as fast and the map would cost more than the members.
	rosterIndexAt = 16

	// rosterShrinkAt is the capacity from which a roster gives memory back
	// once three quarters of it are unused.
	rosterShrinkAt = 64
)

// roster is a set of subscriptions with different subscribers, in no
// particular order. put and remove are O(1) amortised. The zero value is
// empty. It is guarded by its owner's lock.
//
// Invariant: index == nil, or len(index) == len(subs) and
// subs[index[s]].Subscriber == s for every s in it.
type roster[S comparable] struct {
	subs  []Subscription[S]
	index map[S]int32
}

func (r *roster[S]) find(s S) (int, bool) {
	if r.index != nil {
		i, ok := r.index[s]
		return int(i), ok
	}
	for i := range r.subs {
		if r.subs[i].Subscriber == s {
			return i, true
		}
	}
	return 0, false
}

// put adds sub, or replaces the subscription of the same subscriber.
func (r *roster[S]) put(sub Subscription[S]) (existed bool) {
	if i, ok := r.find(sub.Subscriber); ok {
		r.subs[i] = sub
		return true
	}
	r.subs = append(r.subs, sub)
	switch {
	case r.index != nil:
		r.index[sub.Subscriber] = int32(len(r.subs) - 1)
	case len(r.subs) > rosterIndexAt:
		r.reindex()
	}
	return false
}

// remove takes out the subscription of s; the last member moves into its place.
func (r *roster[S]) remove(s S) (existed bool) {
	i, ok := r.find(s)
	if !ok {
		return false
	}
	last := len(r.subs) - 1
	moved := r.subs[last]
	r.subs[i] = moved
	r.subs[last] = Subscription[S]{}
	r.subs = r.subs[:last]
	if r.index != nil {
		r.index[moved.Subscriber] = int32(i)
		delete(r.index, s)
	}
	r.shrink()
	return true
}

// shrink gives back memory after many removals. It leaves a margin on both
// sides so that members coming and going at a boundary cost nothing.
func (r *roster[S]) shrink() {
	n := len(r.subs)
	if c := cap(r.subs); c >= rosterShrinkAt && n <= c/4 {
		r.subs = append(make([]Subscription[S], 0, n*2), r.subs...)
		if r.index != nil {
			r.reindex() // a Go map does not shrink by itself
		}
	}
	if n <= rosterIndexAt/2 {
		r.index = nil
	}
}

func (r *roster[S]) reindex() {
	r.index = make(map[S]int32, len(r.subs))
	for i := range r.subs {
		r.index[r.subs[i].Subscriber] = int32(i)
	}
}
