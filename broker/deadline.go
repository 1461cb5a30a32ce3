package broker

import (
	"container/heap"
	"sync"
	"time"
)

// deadlines calls back for Sessions whose time has come: a Will is due, a
// Session expires, a slow consumer has had its chance. It is a heap with one
// timer; a Session is in it at most once.
type deadlines struct {
	// static
	clock Clock
	start time.Time
	due   func(*Session)

	// guarded by mu
	mu      sync.Mutex
	heap    deadlineHeap
	timer   Timer
	at      time.Duration // when timer fires, since start; 0 when it is not set
	stopped bool
	running sync.WaitGroup
}

func newDeadlines(clock Clock, due func(*Session)) *deadlines {
	return &deadlines{clock: clock, start: clock.Now(), due: due}
}

// wall is the time of day at a deadline. Like now, it does not jump when the
// system's clock is set while the process runs.
func (d *deadlines) wall(at time.Duration) time.Time { return d.start.Add(at) }

// wallNow is the time of day.
func (d *deadlines) wallNow() time.Time { return d.wall(d.now()) }

// of is the deadline for a time of day.
func (d *deadlines) of(t time.Time) time.Duration { return max(t.Sub(d.start), 1) }

// now is the time since start.
func (d *deadlines) now() time.Duration { return d.clock.Now().Sub(d.start) }

// set makes the deadline of x's Session at, counted as now is; 0 removes it. It
// may be called with the Session's lock held.
func (d *deadlines) set(x *extra, at time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case at == 0 && x.heapIndex >= 0:
		heap.Remove(&d.heap, x.heapIndex)
		return
	case at == 0:
		return
	case x.heapIndex >= 0:
		x.due = at
		heap.Fix(&d.heap, x.heapIndex)
	default:
		x.due = at
		heap.Push(&d.heap, x)
	}
	d.schedule()
}

// schedule sets the timer for the first deadline.
func (d *deadlines) schedule() {
	if d.stopped || len(d.heap) == 0 {
		return
	}
	first := d.heap[0].due
	if d.at != 0 && first >= d.at {
		return // it fires early enough
	}
	d.at = first
	wait := max(first-d.now(), 0)
	if d.timer == nil {
		d.timer = d.clock.AfterFunc(wait, d.run)
		return
	}
	d.timer.Reset(wait)
}

// run calls back for all that is due.
func (d *deadlines) run() {
	d.mu.Lock()
	d.at = 0
	if d.stopped {
		d.mu.Unlock()
		return
	}
	d.running.Add(1)
	defer d.running.Done()
	now := d.now()
	for len(d.heap) > 0 && d.heap[0].due <= now && !d.stopped {
		x := heap.Pop(&d.heap).(*extra)
		d.mu.Unlock()
		d.due(x.session)
		d.mu.Lock()
	}
	d.schedule()
	d.mu.Unlock()
}

// stop ends all callbacks and waits for one that is running.
func (d *deadlines) stop() {
	d.mu.Lock()
	d.stopped = true
	if d.timer != nil {
		d.timer.Stop()
	}
	d.mu.Unlock()
	d.running.Wait()
}

type deadlineHeap []*extra

func (h deadlineHeap) Len() int           { return len(h) }
func (h deadlineHeap) Less(i, j int) bool { return h[i].due < h[j].due }

func (h deadlineHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].heapIndex, h[j].heapIndex = i, j
}

func (h *deadlineHeap) Push(v any) {
	x := v.(*extra)
	x.heapIndex = len(*h)
	*h = append(*h, x)
}

func (h *deadlineHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	x.heapIndex = -1
	return x
}
