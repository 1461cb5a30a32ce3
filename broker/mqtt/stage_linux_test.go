package mqtt

import (
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
	"github.com/holdfast-mqtt/holdfast/internal/wiretest"
)

// epollStage plays on the epoll loops with a clock of its own, in no real time.
// Clients are at the other end of Unix sockets, where what is written has
// arrived, and read when the loops have settled.
type epollStage struct {
	t       *testing.T
	clock   *testClock
	start   time.Time
	server  *testServer
	clients []*client
	next    time.Duration // when a timer of the loops may be due, since start
}

// newNativeStage makes the platform's stage for scripts that need a clock; nil
// where the portable engine is all there is.
var newNativeStage = func(t *testing.T) stage {
	clock := newTestClock()
	return &epollStage{t: t, clock: clock, start: clock.Now()}
}

func (st *epollStage) open(cfg setup) *testServer {
	cfg.loop.Now = st.clock.Now
	cfg.broker.Clock = st.clock
	st.server = newServer(st.t, cfg)
	st.server.dial = st.dial
	return st.server
}

// dial makes a pair of sockets and gives one to the server.
func (st *epollStage) dial() net.Conn {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		st.t.Fatal(err)
	}
	var ends [2]net.Conn
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "")
		ends[i], err = net.FileConn(f) // a duplicate
		f.Close()
		if err != nil {
			st.t.Fatal(err)
		}
	}
	if err := st.server.engine.Adopt(ends[0], st.server.mqtt.NewHandler); err != nil {
		st.t.Fatal(err)
	}
	return ends[1]
}

func (st *epollStage) newClient(v packet.Version) *client {
	c := &client{t: st.t, nc: st.dial(), version: v, Reader: wiretest.NewReader()}
	st.clients = append(st.clients, c)
	st.t.Cleanup(func() { c.nc.Close() })
	return c
}

// settle lets loops and clients take turns until none has anything to do.
func (st *epollStage) settle() {
	for moved := true; moved; {
		if !st.server.stopped {
			st.next = st.server.engine.SettleForTest()
		}
		moved = false
		for _, c := range st.clients {
			moved = c.pull() || moved
		}
	}
}

// advance stops at every moment at which something is due.
func (st *epollStage) advance(d time.Duration) {
	target := st.clock.Now().Add(d)
	for {
		st.settle()
		at := target
		if next, ok := st.clock.next(); ok && next.Before(at) {
			at = next
		}
		if next := st.start.Add(st.next); st.next < target.Sub(st.start) && next.Before(at) {
			at = next
		}
		st.clock.moveTo(at)
		if at.Equal(target) {
			return
		}
	}
}

// shutdown has the clients read to the end, which the server waits for.
func (st *epollStage) shutdown() {
	done := make(chan struct{})
	go func() {
		st.server.shutdown()
		close(done)
	}()
	for _, c := range st.clients {
		if !c.Ended() {
			_ = c.nc.SetReadDeadline(time.Now().Add(patience))
			c.Run(c.nc)
		}
	}
	<-done
}

// pull takes what has arrived, for a client without a goroutine that reads, and
// tells whether that is anything new.
func (c *client) pull() (moved bool) {
	if c.Ended() || c.frozen {
		return false
	}
	rc, err := c.nc.(*net.UnixConn).SyscallConn()
	if err != nil {
		c.t.Fatal(err)
	}
	var buf [64 << 10]byte
	for {
		n := 0
		var readErr error
		err := rc.Read(func(fd uintptr) bool {
			n, readErr = unix.Read(int(fd), buf[:])
			return true // whatever has come
		})
		switch {
		case err == nil && readErr == unix.EAGAIN:
			return moved
		case err == nil && readErr == nil && n > 0:
			c.Feed(buf[:n])
			moved = true
			continue
		}
		c.End() // by the server, or because the script has closed it
		c.nc.Close()
		return true
	}
}
