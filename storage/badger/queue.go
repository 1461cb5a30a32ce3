package badger

import (
	"sync"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// waiting is what the committer does.
type waiting uint8

const (
	committing waiting = iota // it looks at the queue before it waits
	idle                      // it waits for anything to do
	collecting                // it waits a moment for more to do
)

// queue holds the operations that wait for the committer, in the order of the calls.
//
// Operation p, head <= p < tail, is ring[p&(len(ring)-1)]. An Append that is cancelled leaves a hole.
type queue struct {
	maxBytes int64
	many     int           // so many operations are not kept waiting
	wake     chan struct{} // tells the committer; holds one
	refusals chan struct{} // tells who tells those that are refused; holds one

	mu         sync.Mutex
	ring       []op
	head, tail uint64
	aged, mark uint64 // what is before aged has waited for half of the delay, and what is before mark will have next time
	live       int    // operations that are not cancelled
	bytes      int64  // of those, and of those taken and not yet settled
	pending    map[entryID]uint64
	brackets   brackets
	urgent     int      // reads, which are not kept waiting
	rejected   []reject // to be told no
	unneeded   []uint64 // bodies that a cancelled Append was the last to need
	look       bool     // the committer should come by: for bodies to delete, or to see whether there is room again
	state      waiting
	full       error // why nothing may be added; nil if it may
	closed     bool  // nothing comes any more
	ended      bool  // the goroutines are gone
	cancelled  uint64
	refused    uint64
}

// reject is a Commit that is to be told an error.
type reject struct {
	c   broker.Commit
	err error
}

func newQueue(maxBytes int64, many int) *queue {
	return &queue{
		maxBytes: maxBytes, many: many, wake: make(chan struct{}, 1), refusals: make(chan struct{}, 1),
		ring: make([]op, smallQueue), pending: make(map[entryID]uint64),
	}
}

// push adds o. What adds to the Store is refused when there is no room: then push reports false, and
// o.c is told why.
func (q *queue) push(o *op, adds bool) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.refuse(o, adds); err != nil {
		q.refused++
		q.look = true
		q.rejectLocked(o.c, err)
		return false
	}
	if q.tail-q.head == uint64(len(q.ring)) {
		q.growLocked()
	}
	q.ring[q.tail&uint64(len(q.ring)-1)] = *o
	switch o.kind {
	case opAppend:
		q.pending[entryID{o.mb, o.seq}] = q.tail
	case opRead:
		q.urgent++
	}
	q.tail++
	q.live++
	q.bytes += int64(o.cost)
	q.nudgeLocked()
	return true
}

// reject tells c, which may be nil, an error.
func (q *queue) reject(c broker.Commit, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.rejectLocked(c, err)
}

func (q *queue) rejectLocked(c broker.Commit, err error) {
	if c != nil && q.ended {
		go c.Committed(err) // nobody else is left to do it
	} else if c != nil {
		q.rejected = append(q.rejected, reject{c, err})
		notify(q.refusals)
	}
	q.signalLocked(idle)
}

func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// refuseLoop tells those that are refused, also while the disk holds up the committer.
func (q *queue) refuseLoop() {
	for range q.refusals {
		q.mu.Lock()
		told, ended := q.rejected, q.ended
		q.rejected = nil
		q.mu.Unlock()
		for _, r := range told {
			r.c.Committed(r.err)
		}
		if ended {
			return
		}
	}
}

func (q *queue) refuse(o *op, adds bool) error {
	switch {
	case q.closed:
		return ErrClosed
	case !adds:
		return nil
	case q.full != nil:
		return q.full
	case q.bytes > 0 && q.bytes+int64(o.cost) > q.maxBytes:
		return errTooMuchPending
	}
	return nil
}

// nudgeLocked wakes the committer if it should look.
func (q *queue) nudgeLocked() {
	switch {
	case q.state == committing || q.limitLocked(q.tail) == q.head:
	case q.state == idle || q.urgent > 0 || q.live >= q.many:
		q.signalLocked(q.state)
	}
}

// signalLocked wakes the committer if it is in that state.
func (q *queue) signalLocked(s waiting) {
	if q.state != s || s == committing {
		return
	}
	q.state = committing
	notify(q.wake)
}

// limitLocked is how much of the queue, up to end, may be taken.
//
// Where many goroutines are busy there may always be an open bracket that overlaps with one before it, and so on: an endless
// chain. When that is long it is torn where the earliest open bracket begins.
func (q *queue) limitLocked(end uint64) uint64 {
	limit := q.brackets.limit(q.head, end)
	if limit == q.head && q.tail-q.head >= uint64(q.many) {
		limit = max(q.head, q.brackets.earliest(end))
	}
	return limit
}

func (q *queue) growLocked() {
	ring := make([]op, 2*len(q.ring))
	for p := q.head; p != q.tail; p++ {
		ring[p&uint64(len(ring)-1)] = *q.at(p)
	}
	q.ring = ring
}

// Memory that a burst has taken is given back when the queue is empty.
const (
	smallQueue = 256
	largeQueue = 32 << 10
)

func (q *queue) shrinkLocked() {
	if q.head == q.tail && len(q.ring) > largeQueue {
		q.ring = make([]op, smallQueue)
		q.pending = make(map[entryID]uint64)
	}
}

func (q *queue) at(p uint64) *op { return &q.ring[p&uint64(len(q.ring)-1)] }

// cancel takes an Append out of the queue that the committer has not taken yet. The caller tells its Commit.
func (q *queue) cancel(id entryID) (o op, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	p, ok := q.pending[id]
	if !ok {
		return op{}, false
	}
	delete(q.pending, id)
	at := q.at(p)
	o = *at
	*at = op{}
	q.live--
	q.cancelled++
	q.bytes -= int64(o.cost)
	if q.live == 0 && len(q.brackets.open) == 0 {
		q.head = q.tail
		q.brackets.spans = q.brackets.spans[:0]
		q.shrinkLocked()
	}
	return o, true
}

// forsake has the committer delete a body that nobody needs, when it writes next.
func (q *queue) forsake(ids ...uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.unneeded = append(q.unneeded, ids...)
}

func (q *queue) begin() broker.Tx {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.brackets.begin(q.tail)
}

func (q *queue) end(tx broker.Tx) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.brackets.end(tx, q.tail) {
		q.nudgeLocked()
	}
}

// settled gives back the room of operations that are done.
func (q *queue) settled(bytes int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.bytes -= bytes
}

// setFull says why nothing may be added, or that it may again.
func (q *queue) setFull(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.full = err
}

// close refuses whatever comes from now on, and has the committer end when it has done the rest.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.brackets.open = nil // whoever has one open will not end it any more
	q.signalLocked(q.state)
}

// finish has the goroutine end that tells those that are refused. From now on each is told by one of its own.
func (q *queue) finish() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ended = true
	notify(q.refusals)
}

// poke wakes an idle committer if there are bodies to delete, or refused calls that wait for room.
func (q *queue) poke() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.look = q.full != nil || len(q.unneeded) > 0; q.look {
		q.signalLocked(idle)
	}
}
