package netloop

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// How few threads do the work of all loops while there is little of it.
//
// Waking a thread costs more than serving a message. When messages come one at
// a time, every loop with a thread of its own means more threads that sleep and are woken
// for each. So the first loop leads: it watches the epoll descriptors of the others
// in its own, and runs their turns on its thread. When it hardly sleeps any
// more, it releases them to their own goroutines; one that has been idle for a
// while hands itself back. Whoever runs a loop's turns owns it; the loop's
// state and its connections notice nothing.
const (
	// fullWindow is how long the leader is watched, and fullIdle the share of it
	// that it must have slept, in percent, not to be overloaded.
	fullWindow = 20 * time.Millisecond
	fullIdle   = 15
	// quietWindow is how long a released loop is watched; it hands itself back
	// after quietWindows of them in which it slept at least quietIdle percent and
	// the leader at least leaderIdle.
	quietWindow  = 100 * time.Millisecond
	quietWindows = 5
	quietIdle    = 80
	leaderIdle   = 50
)

// ledPad marks events of led loops among those of connections, whose
// generation is never negative. The event's descriptor is the loop's index.
const ledPad = -2

// leading is a loop's part in it.
type leading struct {
	led      []*Loop       // of the leader: loops whose turns it runs
	ready    bool          // of a led loop: its epoll has events, or may have
	released chan struct{} // tells a loop's goroutine to run its turns; closed when it has ended

	since time.Duration // when the window began
	slept time.Duration // in this window
	quiet int           // windows in a row with little to do
	idle  atomic.Int32  // of the leader: percent of the last window that it slept
}

// run is the loop's goroutine.
func (l *Loop) run() {
	if l.engine.cfg.Portable {
		l.runPortable()
		return
	}
	defer l.poller.close()
	if l.index == 0 {
		l.lead()
		return
	}
	for range l.poller.released {
		if l.drive() {
			return
		}
	}
}

// drive runs the loop's own turns until it has stopped (true) or has handed
// itself back to the leader.
func (l *Loop) drive() (stopped bool) {
	p := l.poller
	p.since, p.slept, p.quiet = l.engine.now(), 0, 0
	for {
		l.turnOf(l.wait())
		l.yield()
		if l.isStopped() {
			l.drain()
			return true
		}
		if idle, ok := p.window(l.engine.now(), quietWindow); ok && l.quietEnough(idle) && l.handBack() {
			return false
		}
	}
}

// lead runs the turns of the first loop, and of those that it leads.
func (l *Loop) lead() {
	p := l.poller
	for _, o := range l.engine.loops[1:] {
		l.adopt(o)
	}
	for {
		n := l.wait()
		l.turnOf(n)
		for i := 0; i < len(p.led); i++ {
			if o := p.led[i]; !l.runLed(o) {
				p.led = append(p.led[:i], p.led[i+1:]...)
				i--
			}
		}
		l.yield()
		if l.isStopped() {
			l.drain()
			l.releaseAll()
			return
		}
		if idle, ok := p.window(l.engine.now(), fullWindow); ok {
			p.idle.Store(int32(idle))
			if idle < fullIdle {
				l.releaseAll()
			}
		}
	}
}

// turnOf is one turn, with n events in the poller.
func (l *Loop) turnOf(n int) {
	began := l.engine.now()
	l.now = began
	for i := range n {
		l.handle(&l.poller.events[i])
	}
	l.afterEvents()
	l.turnEnds(l.engine.now() - began)
	l.poller.busy = n >= busyEvents
}

// runLed runs a turn of o if there is something to do. It returns false when o
// has stopped.
func (l *Loop) runLed(o *Loop) bool {
	n := 0
	if o.poller.ready {
		o.poller.ready = false
		n = o.poller.wait(0)
	}
	if n == 0 && !o.posted() && o.timeout() != 0 {
		return true
	}
	o.turnOf(n)
	if o.poller.busy {
		l.poller.busy = true
	}
	if o.isStopped() {
		o.drain()
		close(o.poller.released)
		return false
	}
	return true
}

// yield passes through the Go scheduler now and then: see yieldEvery.
func (l *Loop) yield() {
	if l.now-l.poller.yielded > yieldEvery {
		l.poller.yielded = l.now
		runtime.Gosched()
	}
}

// wait returns the number of ready events. It sleeps only when neither the
// loop nor one that it leads has something to do.
func (l *Loop) wait() int {
	p := l.poller
	if p.busy {
		if n := p.wait(0); n > 0 {
			return n
		}
	}
	d := l.timeout()
	for _, o := range p.led {
		if od := o.timeout(); od >= 0 && (d < 0 || od < d) {
			d = od
		}
	}
	if d == 0 {
		return p.wait(0)
	}
	l.setSleeping(true)
	if l.anyPosted() {
		l.setSleeping(false)
		return p.wait(0)
	}
	began := l.engine.now()
	n := p.wait(d)
	p.slept += l.engine.now() - began
	l.setSleeping(false)
	return n
}

func (l *Loop) setSleeping(on bool) {
	l.sleeping.Store(on)
	for _, o := range l.poller.led {
		o.sleeping.Store(on)
	}
}

func (l *Loop) anyPosted() bool {
	if l.posted() {
		return true
	}
	for _, o := range l.poller.led {
		if o.posted() {
			return true
		}
	}
	return false
}

// window ends the window if it is at least d long, and returns the percentage
// of it that was slept.
func (g *leading) window(now, d time.Duration) (idle int, ended bool) {
	length := now - g.since
	if length < d {
		return 0, false
	}
	idle = int(g.slept * 100 / length)
	g.since, g.slept = now, 0
	return idle, true
}

func (l *Loop) quietEnough(idle int) bool {
	p := l.poller
	if idle < quietIdle || l.engine.loops[0].poller.idle.Load() < leaderIdle {
		p.quiet = 0
		return false
	}
	p.quiet++
	return p.quiet >= quietWindows
}

// handBack has the leader run the loop's turns from now on.
func (l *Loop) handBack() bool { return l.engine.loops[0].Post((*adoptTask)(l)) }

// adoptTask brings a loop to its leader.
type adoptTask Loop

func (t *adoptTask) Run(leader *Loop) { leader.adopt((*Loop)(t)) }

// adopt makes o one of the loops that l leads.
func (l *Loop) adopt(o *Loop) {
	ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(o.index), Pad: ledPad}
	if err := unix.EpollCtl(l.poller.fd, unix.EPOLL_CTL_ADD, o.poller.fd, &ev); err != nil {
		o.poller.released <- struct{}{} // it can do without a leader
		return
	}
	o.poller.ready = true // it may have got events meanwhile
	l.poller.led = append(l.poller.led, o)
}

// releaseAll has every led loop run by its own goroutine.
func (l *Loop) releaseAll() {
	for _, o := range l.poller.led {
		if err := unix.EpollCtl(l.poller.fd, unix.EPOLL_CTL_DEL, o.poller.fd, nil); err != nil {
			panic(fmt.Sprintf("netloop: led loop was not watched: %v", err))
		}
		o.poller.released <- struct{}{}
	}
	l.poller.led = nil
}
