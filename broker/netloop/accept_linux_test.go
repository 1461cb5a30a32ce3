package netloop

import (
	"errors"
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// doorOf starts an engine with a listener that reports the connections it has opened, and the errors.
func doorOf(t *testing.T) (ln *Listener, opened chan *Conn, failed chan error) {
	t.Helper()
	e := startEngine(t, Config{})
	nl, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	opened, failed = make(chan *Conn, 10*maxAccepts), make(chan error, 1)
	ln, err = e.ListenWith(nl, ListenConfig{
		NewHandler: func(*Conn) Handler {
			p := newProbe(t)
			p.opened = opened
			return p
		},
		OnError: func(err error) { failed <- err },
	})
	if err != nil {
		t.Fatal(err)
	}
	return ln, opened, failed
}

// A turn takes on so many connections and no more; those that are left come in the next ones.
func TestAcceptsPerTurn(t *testing.T) {
	ln, opened, _ := doorOf(t)
	e := ln.engine
	const conns = 3*maxAccepts + 1
	held, dialed, atOnce := make(chan struct{}), make(chan struct{}), make(chan uint64, 1)
	e.loops[0].PostFunc(func() {
		close(held)
		<-dialed
		ln.door.accept()
		atOnce <- e.accepted.Load()
	})
	<-held
	for range conns {
		dialTCP(t, ln.Addr()) // into the kernel's queue
	}
	close(dialed)
	if got := receive(t, atOnce, "turn"); got != maxAccepts {
		t.Errorf("got %d accepted at once, want %d", got, maxAccepts)
	}
	byLoop := make(map[*Loop]int)
	for range conns {
		byLoop[receive(t, opened, "OnOpen").loop]++
	}
	for _, l := range e.loops {
		if got := byLoop[l]; got < conns/len(e.loops) || got > conns/len(e.loops)+1 {
			t.Errorf("loop %d got %d connections of %d", l.index, got, conns)
		}
	}
}

// After an error nothing is accepted for a while; then it goes on, and the next pause is as short again.
func TestAcceptError(t *testing.T) {
	ln, opened, failed := doorOf(t)
	d := ln.door
	for range 3 {
		d.loop.call(func() {
			_ = d.control(unix.EPOLL_CTL_ADD, unix.EPOLLIN) // if it rests still
			d.rest(unix.EMFILE)
		})
		if err := receive(t, failed, "OnError"); !errors.Is(err, unix.EMFILE) {
			t.Errorf("got %v, want EMFILE", err)
		}
	}
	d.loop.call(func() {
		if d.pause != 8*acceptPauseMin {
			t.Errorf("got a pause of %v after three errors, want %v", d.pause, 8*acceptPauseMin)
		}
	})
	dialTCP(t, ln.Addr())
	receive(t, opened, "OnOpen")
	d.loop.call(func() {
		if d.pause != acceptPauseMin {
			t.Errorf("got a pause of %v after a connection, want %v", d.pause, acceptPauseMin)
		}
	})
	if got := ln.engine.Stats().AcceptErrors; got != 3 {
		t.Errorf("got %d errors, want 3", got)
	}
}

// After Close the address is free, nothing is accepted and the loop knows nothing of the listener, even one that rests.
func TestCloseDoor(t *testing.T) {
	for _, resting := range []bool{false, true} {
		ln, _, failed := doorOf(t)
		d := ln.door
		if resting {
			d.loop.call(func() { d.pause = acceptPauseMax; d.rest(unix.EMFILE) })
			if err := receive(t, failed, "OnError"); !errors.Is(err, unix.EMFILE) {
				t.Errorf("got %v, want EMFILE", err)
			}
		}
		ln.Close()
		again, err := net.Listen("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		again.Close()
		d.loop.call(func() {
			if d.fd != -1 || len(d.loop.poller.doors) != 0 {
				t.Errorf("the loop has descriptor %d and %d doors", d.fd, len(d.loop.poller.doors))
			}
		})
		ln.Close() // does nothing
	}
}

// A listener that comes after Shutdown is refused, and its socket stays the caller's.
func TestDoorAfterShutdown(t *testing.T) {
	e := startEngine(t, Config{})
	shutdown(t, e, nil)
	nl, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Listen(nl, func(*Conn) Handler { return newProbe(t) }, nil); !errors.Is(err, ErrShutdown) {
		t.Errorf("got %v, want ErrShutdown", err)
	}
	if err := nl.Close(); err != nil {
		t.Errorf("the socket is closed: %v", err)
	}
}
