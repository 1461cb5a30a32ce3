package netloop

import (
	"math"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// settledAfter is how many times in a row no loop must have had anything to do.
// Work that goes from loop to loop could be where nobody looks just then: it
// would have to make as many hops, each at the wrong moment.
const settledAfter = 8

// SettleForTest has the loops of an epoll engine look at the clock anew, for a
// test that has moved Config.Now, and waits until they have nothing left to do:
// no input, nothing posted, no timer due, no output that a socket would take. It
// returns the time since the engine's start at which the first timer may
// be due, math.MaxInt64 if there is none. A peer's write counts if it has
// returned and its socket is a Unix one: others deliver in their own time. It
// must not be called on a loop, nor after Shutdown.
func (e *Engine) SettleForTest() (next time.Duration) {
	for quiet := 0; quiet < settledAfter; quiet++ {
		next = math.MaxInt64
		for _, l := range e.loops {
			p := settleProbe{found: make(chan settled, 1)}
			if !l.Post(&p) {
				continue
			}
			s := <-p.found
			next = min(next, s.next)
			if !s.quiet {
				quiet = -1
			}
		}
	}
	return next
}

// settled is what a settleProbe has found.
type settled struct {
	quiet bool
	next  time.Duration
}

// settleProbe looks whether its loop has anything else to do.
type settleProbe struct{ found chan settled }

// Run implements Task.
func (t *settleProbe) Run(l *Loop) {
	s := settled{quiet: l.quietForTest(), next: math.MaxInt64}
	if at := l.wheel.next(); at >= 0 {
		s.next = time.Duration(at) * wheelTick
		s.quiet = s.quiet && s.next > l.engine.now()
	}
	t.found <- s
}

// quietForTest tells whether the task that calls it is all that the loop has to
// do. The turn's events have been dealt with before.
func (l *Loop) quietForTest() bool {
	if len(l.tasks) > 1 || len(l.flushes) > 0 || len(l.dirty) > 0 || l.posted() {
		return false
	}
	// Those of the wakers say nothing, so there must be room for one more.
	events := make([]unix.EpollEvent, len(l.engine.loops)+1)
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(l.poller.fd),
		uintptr(unsafe.Pointer(unsafe.SliceData(events))), uintptr(len(events)), 0, 0, 0)
	if errno != 0 {
		return false
	}
	for _, ev := range events[:n] {
		if ev.Fd != int32(l.poller.waker) && ev.Pad != ledPad {
			return false
		}
	}
	return true
}
