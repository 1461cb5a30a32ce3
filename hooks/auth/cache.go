package auth

import (
	"container/list"
	"sync"
	"time"
)

// cache keeps values until their time is over, the most recently used ones if there are too many. It is for
// any number of goroutines.
type cache[K comparable, V any] struct {
	size int

	mu     sync.Mutex
	places map[K]*list.Element // of cached[K, V]
	recent list.List           // the most recently used first
}

type cached[K comparable, V any] struct {
	key   K
	value V
	until time.Time
}

func newCache[K comparable, V any](size int) *cache[K, V] {
	return &cache[K, V]{size: size, places: make(map[K]*list.Element)}
}

// get returns the value of a key, if it is there and its time is not over.
func (c *cache[K, V]) get(k K, now time.Time) (v V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.places[k]
	if e == nil {
		return v, false
	}
	entry := e.Value.(*cached[K, V])
	if !now.Before(entry.until) {
		c.removeLocked(e)
		return v, false
	}
	c.recent.MoveToFront(e)
	return entry.value, true
}

// put keeps a value until then.
func (c *cache[K, V]) put(k K, v V, until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.places[k]; e != nil {
		c.removeLocked(e)
	}
	c.places[k] = c.recent.PushFront(&cached[K, V]{k, v, until})
	if len(c.places) > c.size {
		c.removeLocked(c.recent.Back())
	}
}

func (c *cache[K, V]) removeLocked(e *list.Element) {
	c.recent.Remove(e)
	delete(c.places, e.Value.(*cached[K, V]).key)
}

func (c *cache[K, V]) len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.places)
}
