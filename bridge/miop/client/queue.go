package client

import "sync"

// messageOverhead is what a message counts for in Options.QueueBytes beside its body.
const messageOverhead = 64

// queued is a message that waits to be taken.
type queued struct {
	Message
	settles bool // once it is taken, what has come with its Ack is taken
}

// queue is what has come and waits to be taken: bounded in number and in bytes, but it takes one whatever its size.
type queue struct {
	most, mostBytes int
	some, room      chan struct{} // with an element when there may be something, or room, again

	mu    sync.Mutex
	items []queued
	bytes int
	whole bool // nothing more comes
}

func newQueue(most, mostBytes int) *queue {
	return &queue{most: most, mostBytes: mostBytes, some: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

// put takes m, if there is room for it. Only one goroutine puts.
func (q *queue) put(m queued) bool {
	size := len(m.Body) + messageOverhead
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.items) > 0 && (len(q.items) >= q.most || q.bytes+size > q.mostBytes) {
		return false
	}
	q.items = append(q.items, m)
	q.bytes += size
	signal(q.some)
	return true
}

// end says that nothing more comes.
func (q *queue) end() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.whole = true
	signal(q.some)
}

// first is the message that is to be taken next. ok is false if there is none; then whole tells that there never will be.
func (q *queue) first() (m queued, ok, whole bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.items) == 0 {
		return m, false, q.whole
	}
	return q.items[0], true, false
}

// took says that the first message is taken.
func (q *queue) took() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.bytes -= len(q.items[0].Body) + messageOverhead
	q.items[0] = queued{}
	if q.items = q.items[1:]; len(q.items) == 0 {
		q.items = nil
	}
	signal(q.room)
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// deliver hands on what is in the queue until there will be nothing more, or Close is called.
func (c *Client) deliver() {
	defer close(c.messages)
	for {
		m, ok, whole := c.queue.first()
		switch {
		case whole:
			return
		case !ok:
			select {
			case <-c.queue.some:
			case <-c.closing:
				return
			}
			continue
		}
		select {
		case c.messages <- m.Message:
		case <-c.closing:
			return
		}
		c.queue.took()
		if m.settles && !c.o.Manual {
			_ = c.Ack(m.Ack) // fails with the connection, which the others see
		}
	}
}

// hand puts m into the queue, and waits for room there.
func (c *Client) hand(m queued) error {
	if c.queue.put(m) {
		return nil
	}
	c.full.Store(true)
	defer c.full.Store(false)
	for !c.queue.put(m) {
		select {
		case <-c.queue.room:
		case <-c.done:
			return c.Err()
		}
	}
	return nil
}
