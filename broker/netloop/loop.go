package netloop

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// handOverAt is the number of connections of other loops that one turn may
// have written to before they are handed to their own loops. Below it, writing
// is cheaper than waking another thread.
const handOverAt = 24

// Task is work posted to a loop. A Task that is a field of, or a pointer to,
// something that lives anyway costs no allocation.
type Task interface {
	// Run is called on the loop. It must not block.
	Run(l *Loop)
}

type taskFunc func()

func (f taskFunc) Run(*Loop) { f() }

// Loop is one event loop.
type Loop struct {
	// Local is the owner's, for state that its handlers share on this loop
	// without a lock. Set it before the first connection.
	Local any

	// static
	engine *Engine
	index  int
	poller poller // epoll; nil in a portable engine

	// owned by the loop
	now     time.Duration // since the engine's start, taken once a turn
	wheel   wheel
	buf     []byte             // read buffer, lent to OnData
	plain   []byte             // what has been decrypted, lent to OnData; made when it is needed
	raw     []byte             // what has been read and not yet been decrypted
	dirty   []*Conn            // have output that this loop shall write
	urgent  []*Conn            // of these: have so much that it should leave at once
	foreign int                // connections of other loops in dirty
	served  int                // how often this turn has dealt with connections of handlers
	entered int                // and with such as have an entrance still
	leaving bool               // Shutdown has begun
	tasks   []Task             // swap buffer of inbox
	flushes []*Conn            // swap buffer of handed
	conns   map[*Conn]struct{} // portable: the open connections
	turnMu  sync.Mutex         // portable: held during a turn; gives the fields above their one owner

	// guarded by mu
	mu      sync.Mutex
	inbox   []Task
	handed  []*Conn // handed over by other loops to be written
	stopped bool

	sleeping  atomic.Bool   // about to wait or waiting: posts must wake the loop
	wakeC     chan struct{} // portable: wakes the goroutine
	waitUntil int64         // portable: tick at which the goroutine wakes by itself; guarded by turnMu

	stats loopStats
}

func newLoop(e *Engine, index int) (*Loop, error) {
	l := &Loop{engine: e, index: index}
	if e.cfg.Portable {
		l.wakeC = make(chan struct{}, 1)
		l.conns = make(map[*Conn]struct{})
		return l, nil
	}
	l.buf = make([]byte, e.cfg.ReadBuffer)
	p, err := newPoller()
	if err != nil {
		return nil, err
	}
	l.poller = p
	return l, nil
}

// Index is the loop's position in Engine.Loops.
func (l *Loop) Index() int { return l.index }

// Now is the time since the engine's start at the beginning of this turn.
// Only for use on the loop.
func (l *Loop) Now() time.Duration { return l.now }

// Post has t run on the loop, after what has been posted before. It never
// blocks and may be called from any goroutine. The queue has no bound of its
// own: a caller posts at most one Task per connection or per operation in
// flight, whose numbers are bounded. After the loop has stopped, t is dropped
// and Post returns false.
func (l *Loop) Post(t Task) bool {
	l.mu.Lock()
	stopped := l.stopped
	if !stopped {
		l.inbox = append(l.inbox, t)
	}
	l.mu.Unlock()
	l.wake()
	return !stopped
}

// PostFunc is Post for a function.
func (l *Loop) PostFunc(f func()) bool { return l.Post(taskFunc(f)) }

// wake ends the loop's wait, if it waits.
func (l *Loop) wake() {
	if !l.sleeping.Load() {
		return
	}
	if l.poller != nil {
		l.poller.wake(l)
		return
	}
	if l.sleeping.CompareAndSwap(true, false) {
		select {
		case l.wakeC <- struct{}{}:
		default:
		}
	}
}

// posted tells whether there is work from elsewhere.
func (l *Loop) posted() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.inbox) > 0 || len(l.handed) > 0 || l.stopped
}

// sync waits until the loop has run all that was posted before.
func (l *Loop) sync() { l.call(func() {}) }

// call has the loop run f and waits for it. It returns false when the loop has stopped: f is not run then. It must not be called on a loop.
func (l *Loop) call(f func()) bool {
	done := make(chan struct{})
	ok := l.PostFunc(func() {
		defer close(done)
		f()
	})
	if ok {
		<-done
	}
	return ok
}

// stop closes every connection with ErrShutdown and ends the loop.
func (l *Loop) stop() {
	l.PostFunc(func() {
		l.eachConn(func(c *Conn) { c.finish(ErrShutdown) })
		l.mu.Lock()
		l.stopped = true
		l.mu.Unlock()
	})
}

// leave begins the loop's part of a shutdown.
func (l *Loop) leave() {
	l.leaving = true
	l.eachConn(func(c *Conn) {
		switch {
		case c.ended:
		case c.dialing:
			c.finish(ErrShutdown)
		default:
			c.h.OnShutdown(c)
		}
	})
}

// drain is the last turn, after which nothing can be posted: it runs what was
// posted beside stop and ends the connections that this has opened.
func (l *Loop) drain() {
	l.afterEvents()
	l.eachConn(func(c *Conn) { c.finish(ErrShutdown) })
	l.flushDirty()
}

// eachConn calls f for every connection of the loop, lingering ones included.
// f may close it.
func (l *Loop) eachConn(f func(*Conn)) {
	for c := range l.openConns() {
		f(c)
	}
}

// afterEvents is the second half of a turn: posts, timers, output.
func (l *Loop) afterEvents() {
	l.runPosts()
	if at := l.wheel.next(); at >= 0 && at <= int64(l.now/wheelTick) {
		l.wheel.advance(int64(l.now/wheelTick), l.fire)
	}
	l.flushDirty()
}

func (l *Loop) runPosts() {
	l.mu.Lock()
	l.tasks, l.inbox = l.inbox, l.tasks[:0]
	l.flushes, l.handed = l.handed, l.flushes[:0]
	l.mu.Unlock()
	for i, t := range l.tasks {
		l.tasks[i] = nil
		t.Run(l)
	}
	for i, c := range l.flushes {
		l.flushes[i] = nil
		l.tally(c)
		c.flush(l)
	}
	l.tasks, l.flushes = shrink(l.tasks), shrink(l.flushes)
}

// shrink empties s, and drops its array when a burst has made it large.
func shrink[T any](s []T) []T {
	if cap(s) > 4096 {
		return nil
	}
	return s[:0]
}

// fire is called by the wheel for a connection whose timer is due.
func (l *Loop) fire(t *timer) {
	c := connOfTimer(t)
	switch {
	case c.ended:
		c.onLinger()
	case c.dialing:
		c.finish(fmt.Errorf("connect: %w", os.ErrDeadlineExceeded))
	default:
		c.h.OnTimer(c)
	}
}

// flushDirty writes what this turn has put out.
func (l *Loop) flushDirty() {
	clear(l.urgent)
	l.urgent = shrink(l.urgent)
	if l.foreign > handOverAt {
		l.handOver()
	}
	for i := 0; i < len(l.dirty); i++ { // flushing may append
		c := l.dirty[i]
		l.dirty[i] = nil
		c.flush(l)
	}
	l.dirty = shrink(l.dirty)
	l.foreign = 0
}

// handOver gives the connections of other loops in dirty to their loops, with
// one wake-up each.
func (l *Loop) handOver() {
	byLoop := make([][]*Conn, len(l.engine.loops))
	own := l.dirty[:0]
	for _, c := range l.dirty {
		if c.loop == l {
			own = append(own, c)
		} else {
			byLoop[c.loop.index] = append(byLoop[c.loop.index], c)
		}
	}
	clear(l.dirty[len(own):])
	l.dirty = own
	for i, cs := range byLoop {
		if len(cs) == 0 {
			continue
		}
		o := l.engine.loops[i]
		o.mu.Lock()
		o.handed = append(o.handed, cs...)
		o.mu.Unlock()
		o.wake()
	}
}

// FlushUrgent writes to connections for which this turn has gathered much.
// Handlers call it between packets, holding no lock.
func (l *Loop) FlushUrgent() {
	if len(l.urgent) == 0 {
		return
	}
	for i := 0; i < len(l.urgent); i++ {
		c := l.urgent[i]
		l.urgent[i] = nil
		c.flush(l)
	}
	l.urgent = l.urgent[:0]
}

// markDirty notes that c has output for this loop to write.
func (l *Loop) markDirty(c *Conn) {
	l.dirty = append(l.dirty, c)
	if c.loop != l {
		l.foreign++
	}
}

// timeout returns how long the loop may wait: 0 not at all, negative for ever.
func (l *Loop) timeout() time.Duration {
	at := l.wheel.next()
	if at < 0 {
		return -1
	}
	return max(time.Duration(at)*wheelTick-l.engine.now(), 0)
}
