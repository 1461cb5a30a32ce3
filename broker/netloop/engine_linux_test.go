package netloop

import (
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Over epoll, what one turn puts out leaves in one writev, the lent payload in
// its place: each write on this kind of socket is a message of its own.
func TestCoalescingWritev(t *testing.T) {
	e := startEngine(t, Config{})
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	peer := fds[1]
	defer unix.Close(peer)
	p := newProbe(t)
	if !e.openFD(fds[0], 0, func(*Conn) Handler { return p }, nil) {
		t.Fatal("the engine has stopped")
	}
	c := p.conn()
	want := pattern(20_000)
	onLoop(t, c, func() {
		for i := 0; i < 10_000; i += 10 {
			c.Write(c.Loop(), want[i:i+10])
		}
		if b, ok := c.Begin(0); ok {
			c.EndRef(c.Loop(), b, want[10_000:15_000])
		}
		for i := 15_000; i < len(want); i += 10 {
			c.Write(c.Loop(), want[i:i+10])
		}
	})
	onLoop(t, c, func() {}) // the turn before has been written
	got := make([]byte, 1<<20)
	n, err := unix.Read(peer, got)
	if err != nil || string(got[:n]) != string(want) {
		t.Errorf("first message has %d bytes, error %v; want all %d", n, err, len(want))
	}
}

// A node out of descriptors backs off, serves what it has, and accepts again.
func TestAcceptOutOfDescriptors(t *testing.T) {
	e := startEngine(t, Config{})
	nl, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	failed := make(chan error, 100)
	p := newProbe(t)
	p.onData = echo
	if _, err := e.Listen(nl, func(*Conn) Handler { return p }, func(err error) { failed <- err }); err != nil {
		t.Fatal(err)
	}
	// The client's socket must exist before the limit falls.
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	low := old
	low.Cur = 3 // all numbers below are taken
	if err := unix.Prlimit(0, unix.RLIMIT_NOFILE, &low, nil); err != nil {
		t.Fatal(err)
	}
	restore := func() { check(t, unix.Prlimit(0, unix.RLIMIT_NOFILE, &old, nil)) }
	defer restore()
	a := nl.Addr().(*net.TCPAddr)
	if err := unix.Connect(fd, &unix.SockaddrInet4{Port: a.Port, Addr: [4]byte(a.IP.To4())}); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := receive(t, failed, "error of accept"); !errors.Is(err, syscall.EMFILE) {
			t.Errorf("accept: %v, want EMFILE", err)
		}
	}
	restore()
	p.conn()
	if _, err := unix.Write(fd, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 5)
	if n, err := unix.Read(fd, got); err != nil || string(got[:n]) != "hello" {
		t.Errorf("echo %q, %v", got[:n], err)
	}
}

// fullListener returns the address of a port at which connecting hangs: its
// backlog is full and nobody accepts.
func fullListener(t *testing.T) string {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), unix.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	to := sa.(*unix.SockaddrInet4)
	for range 4 { // a backlog of 0 takes one or two
		s, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(s) })
		if err := unix.Connect(s, to); err != nil && !errors.Is(err, unix.EINPROGRESS) {
			t.Fatal(err)
		}
	}
	return (&net.TCPAddr{IP: net.IP(to.Addr[:]), Port: to.Port}).String()
}

// A connection that is still being made does not hold up Shutdown.
func TestShutdownEndsDials(t *testing.T) {
	eachEngine(t, func(t *testing.T, cfg Config) {
		e, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		p := newProbe(t)
		if err := e.Dial(nil, "tcp", fullListener(t), func(*Conn) Handler { return p }); err != nil {
			t.Fatal(err)
		}
		if n := e.Stats().Open; n != 1 {
			t.Errorf("%d connections, want the one being made", n)
		}
		shutdown(t, e, nil)
		if err := receive(t, p.closed, "OnClose"); !errors.Is(err, ErrShutdown) {
			t.Errorf("OnClose(%v), want ErrShutdown", err)
		}
	})
}

// A dial that takes too long ends.
func TestDialDeadline(t *testing.T) {
	e := startEngine(t, Config{Loops: 1})
	p := newProbe(t)
	var c *Conn
	if err := e.Dial(nil, "tcp", fullListener(t), func(conn *Conn) Handler { c = conn; return p }); err != nil {
		t.Fatal(err)
	}
	onLoop(t, c, func() {
		if c.timer.slot < 0 {
			t.Error("no deadline")
		}
		c.setTimer(1) // now
	})
	if err := receive(t, p.closed, "OnClose"); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("OnClose(%v), want os.ErrDeadlineExceeded", err)
	}
}

// The timer of an epoll loop is not early and not late, as far as a real clock
// on a busy machine can tell.
func TestEpollTimerNeverEarly(t *testing.T) {
	p := newProbe(t)
	fired := make(chan time.Time, 1)
	p.onTimer = func(*Conn) { fired <- time.Now() }
	c, _ := connect(t, Config{}, p)
	for d := time.Millisecond; d < 200*time.Millisecond; d = d*2 + 1 {
		var from time.Time
		onLoop(t, c, func() { from = time.Now(); c.SetTimer(d) })
		if got := receive(t, fired, "OnTimer").Sub(from); got < d {
			t.Errorf("timer of %v fired after %v", d, got)
		}
	}
}
