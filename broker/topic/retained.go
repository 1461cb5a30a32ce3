package topic

import (
	"sync"

	"github.com/tidwall/btree"
)

// Retained holds one value, a retained message, per Topic Name. It is safe
// for concurrent use; make one with NewRetained. All its methods cost
// O(log Len), Page excepted.
type Retained[V any] struct {
	mu   sync.RWMutex
	tree *btree.BTreeG[retained[V]] // guarded by mu; ordered by topicLess
}

type retained[V any] struct {
	name  string
	value V
}

// NewRetained returns an empty Retained.
func NewRetained[V any]() *Retained[V] {
	less := func(a, b retained[V]) bool { return topicLess(a.name, b.name) }
	return &Retained[V]{tree: btree.NewBTreeGOptions(less, btree.Options{NoLocks: true})}
}

// Set stores v under name, a valid Topic Name, which is kept. If there was a
// value before, it is returned and replaced is true.
func (r *Retained[V]) Set(name string, v V) (old V, replaced bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	item, replaced := r.tree.Set(retained[V]{name, v})
	return item.value, replaced
}

// Get returns the value of name; ok is false if there is none.
func (r *Retained[V]) Get(name string) (v V, ok bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	item, ok := r.tree.Get(retained[V]{name: name})
	return item.value, ok
}

// Delete removes name and returns the value it had; ok is false if there was none.
func (r *Retained[V]) Delete(name string) (old V, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	item, ok := r.tree.Delete(retained[V]{name: name})
	return item.value, ok
}

// DeleteIf removes name if it has a value for which cond returns true, and
// returns that value. With it a value found earlier, such as an expired
// message, is removed without removing the one that replaced it. cond is
// called with the lock held: it must be quick and must not use r.
func (r *Retained[V]) DeleteIf(name string, cond func(V) bool) (old V, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	item, ok := r.tree.Get(retained[V]{name: name})
	if !ok || !cond(item.value) {
		return old, false
	}
	r.tree.Delete(item)
	return item.value, true
}

// Len returns the number of values.
func (r *Retained[V]) Len() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.tree.Len()
}

// Page calls emit for values whose names match filter, a valid Topic Filter
// without "$share/", in an order that is always the same. It looks at limit
// names at most (at one if limit is smaller), whether they match or not, so
// that the lock is held for a bounded time; it skips what cannot match, so
// that "a/+/c" looks at no more than three names for each level below "a".
//
// If more is true, call it again with after set to next; the first call has
// after "". Names set or deleted between two pages may or may not be seen;
// no name is seen twice.
//
// emit is called with the lock held for reading: it must be quick and must
// not use r.
func (r *Retained[V]) Page(filter, after string, limit int, emit func(name string, v V)) (next string, more bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if !hasWildcard(filter) {
		if item, ok := r.tree.Get(retained[V]{name: filter}); ok && after == "" {
			emit(item.name, item.value)
		}
		return "", false
	}
	it := r.tree.Iter()
	defer it.Release()
	ok := resume(&it, filter, after)
	last := after
	for seen := 0; ok; seen++ {
		item := it.Item()
		if seen >= max(limit, 1) {
			return last, true
		}
		last = item.name
		move, to := step(filter, item.name)
		switch move {
		case moveNext:
			emit(item.name, item.value)
			ok = it.Next()
		case moveSeek:
			ok = it.Seek(retained[V]{name: to})
		case moveEnd:
			ok = false
		}
	}
	return "", false
}

// resume places it on the first name behind after that needs to be looked at.
// after need not exist any more.
func resume[V any](it *btree.IterG[retained[V]], filter, after string) bool {
	move, to := step(filter, after)
	switch move {
	case moveEnd:
		return false
	case moveSeek:
		return it.Seek(retained[V]{name: to})
	}
	ok := it.Seek(retained[V]{name: after})
	if ok && it.Item().name == after {
		ok = it.Next()
	}
	return ok
}
