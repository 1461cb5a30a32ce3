package badger

import (
	"container/list"
	"sync"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// cache keeps the bodies read last, so that the Sessions which a message is owed to share one copy of it.
type cache struct {
	mu   sync.Mutex
	max  int // bytes
	size int // sum of the messages' sizes; size <= max
	m    map[uint64]*list.Element
	used list.List // of *broker.Message, the one used last at the front
}

func newCache(maxBytes int) *cache {
	return &cache{max: maxBytes, m: make(map[uint64]*list.Element)}
}

// get returns the message of a body, nil if it is not there.
func (c *cache) get(id uint64) *broker.Message {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.m[id]
	if e == nil {
		return nil
	}
	c.used.MoveToFront(e)
	return e.Value.(*broker.Message)
}

// put adds the message of a body. It returns the one that is there already, if another reader was faster.
func (c *cache) put(m *broker.Message) *broker.Message {
	id, size := m.Body.ID.Load(), m.Size()
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.m[id]; e != nil {
		return e.Value.(*broker.Message)
	}
	if size > c.max/4 {
		return m
	}
	c.m[id] = c.used.PushFront(m)
	for c.size += size; c.size > c.max; {
		e := c.used.Back()
		old := c.used.Remove(e).(*broker.Message)
		delete(c.m, old.Body.ID.Load())
		c.size -= old.Size()
	}
	return m
}
