package netloop

import (
	"errors"
	"math"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// unixPair starts a connection over a Unix socket and returns its peer's
// descriptor, which the caller closes.
func unixPair(t *testing.T, e *Engine, h Handler) (peer int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	if !e.openFD(fds[0], 0, func(*Conn) Handler { return h }, nil) {
		t.Fatal("the engine has stopped")
	}
	return fds[1]
}

// TestSettleTimer moves the clock of epoll loops. Their timers fire at the first
// tick at or after their time, and not before, however the clock gets there.
func TestSettleTimer(t *testing.T) {
	clock := &movedClock{}
	e := startEngine(t, Config{Loops: 2, Now: clock.now})
	if got := e.SettleForTest(); got != math.MaxInt64 {
		t.Errorf("without timers the next is at %v, want never", got)
	}
	var fired atomic.Int32
	for _, d := range []time.Duration{time.Millisecond, wheelTick, 90 * time.Second, 1000 * time.Hour} {
		for _, step := range []time.Duration{d, d/3 + 1} {
			fired.Store(0)
			p := newProbe(t)
			p.onOpen = func(c *Conn) { c.SetTimer(d) }
			p.onTimer = func(*Conn) { fired.Add(1) }
			began := e.now()
			peer := unixPair(t, e, p)
			for e.now()-began < d {
				if next := e.SettleForTest(); next <= e.now() || next > began+d+wheelTick {
					t.Errorf("%v: the next timer is at %v, want after %v and by %v", d, next, e.now(), began+d+wheelTick)
				}
				if got := fired.Load(); got != 0 {
					t.Errorf("%v: has fired after %v", d, e.now()-began)
				}
				clock.move(step)
			}
			clock.move(wheelTick)
			e.SettleForTest()
			if got := fired.Load(); got != 1 {
				t.Errorf("%v in steps of %v: fired %d times, want once", d, step, got)
			}
			unix.Close(peer)
			e.SettleForTest()
			if err := receive(t, p.closed, "OnClose"); !errors.Is(err, ErrPeerGone) {
				t.Errorf("closed with %v, want %v", err, ErrPeerGone)
			}
		}
	}
}

// TestSettleWaits gives the loops work that goes back and forth between them,
// and input on many connections at once. All of it is done when SettleForTest
// returns.
func TestSettleWaits(t *testing.T) {
	const hops, conns = 10_000, 100
	e := startEngine(t, Config{Loops: 2, Now: new(movedClock).now})
	var done, in atomic.Int64
	var hop func()
	hop = func() {
		if n := done.Add(1); n < hops {
			e.Loops()[n%2].PostFunc(hop)
		}
	}
	var peers []int
	for range conns {
		p := newProbe(t)
		p.onData = func(c *Conn, data []byte) int {
			in.Add(int64(len(data)))
			return echo(c, data)
		}
		fd := unixPair(t, e, p)
		defer unix.Close(fd)
		peers = append(peers, fd)
	}
	e.SettleForTest()
	for range 20 {
		done.Store(0)
		in.Store(0)
		e.Loops()[0].PostFunc(hop)
		for _, fd := range peers {
			if _, err := unix.Write(fd, []byte("xyz")); err != nil {
				t.Fatal(err)
			}
		}
		e.SettleForTest()
		if done.Load() != hops || in.Load() != 3*conns {
			t.Fatalf("settled after %d hops and %d bytes, want %d and %d", done.Load(), in.Load(), hops, 3*conns)
		}
		for _, fd := range peers {
			var b [8]byte
			if n, err := unix.Read(fd, b[:]); n != 3 || err != nil {
				t.Fatalf("answered %d bytes, error %v, want 3", n, err)
			}
		}
	}
}
