package mqtt

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
	"github.com/holdfast-mqtt/holdfast/internal/memnet"
	"github.com/holdfast-mqtt/holdfast/internal/wiretest"
	"github.com/holdfast-mqtt/holdfast/storage/memory"
)

// patience bounds every wait on real sockets: it makes a hang a failure and
// takes part in no measurement.
const patience = 20 * time.Second

// setup is the configuration of a testServer.
type setup struct {
	loop   netloop.Config
	broker broker.Config
	mqtt   Config
}

// testServer is a whole server: over memnet if loop.Portable is set, which may
// run in a synctest bubble, else over the platform's engine and loopback.
type testServer struct {
	t       testing.TB
	engine  *netloop.Engine
	broker  *broker.Broker
	mqtt    *Server
	dial    func() net.Conn
	addr    string // of the loopback listener
	stopped bool
}

// newServer starts a server. It is shut down at the end of the test. $SYS is
// off unless an interval is given.
func newServer(t testing.TB, cfg setup) *testServer {
	t.Helper()
	s := &testServer{t: t}
	switch {
	case cfg.broker.Store != nil:
	case cfg.broker.Clock != nil:
		cfg.broker.Store = memory.NewWithClock(cfg.broker.Clock.Now)
	default:
		cfg.broker.Store = memory.New()
	}
	if cfg.loop.Loops == 0 {
		cfg.loop.Loops = 2
	}
	if cfg.mqtt.SysInterval == 0 {
		cfg.mqtt.SysInterval = -1
	}
	var err error
	if s.engine, err = netloop.New(cfg.loop); err != nil {
		t.Fatal(err)
	}
	s.broker = broker.New(cfg.broker)
	cfg.mqtt.Broker = s.broker
	s.mqtt = NewServer(cfg.mqtt, s.engine)
	t.Cleanup(s.shutdown)
	if cfg.loop.Portable {
		ln := memnet.Listen("broker")
		s.listen(ln)
		s.dial = func() net.Conn {
			nc, err := ln.Dial(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			return nc
		}
		return s
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = ln.Addr().String()
	s.listen(ln)
	s.dial = func() net.Conn {
		nc, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		return nc
	}
	return s
}

func (s *testServer) listen(ln net.Listener) {
	if _, err := s.engine.Listen(ln, s.mqtt.NewHandler, nil); err != nil {
		s.t.Fatal(err)
	}
}

// shutdown ends the server as serve does, and checks what must hold then.
func (s *testServer) shutdown() {
	if s.stopped {
		return
	}
	s.stopped = true
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s.mqtt.Stop()
	if err := s.engine.Shutdown(ctx); err != nil {
		s.t.Errorf("shutdown: %v", err)
	}
	s.broker.Close()
	if st := s.broker.Stats(); st.Connected != 0 || st.Waiting != 0 {
		s.t.Errorf("after shutdown %d Sessions are connected and %d publishes wait, want none", st.Connected, st.Waiting)
	}
}

// client is one end of a Network Connection, with a goroutine that reads.
type client struct {
	t       testing.TB
	nc      net.Conn
	version packet.Version
	frozen  bool // read by pull only
	*wiretest.Reader
}

// newClient connects to s. The connection is closed at the end of the test.
func newClient(s *testServer, v packet.Version) *client {
	c := &client{t: s.t, nc: s.dial(), version: v, Reader: wiretest.NewReader()}
	go c.Run(c.nc)
	s.t.Cleanup(func() {
		c.freeze(false)
		c.nc.Close()
		<-c.Done()
	})
	return c
}

// freeze stops and resumes reading, in memory and where pull reads.
func (c *client) freeze(on bool) {
	c.frozen = on
	if m, ok := c.nc.(*memnet.Conn); ok {
		m.BlockReads(on)
	}
}

// send writes b. That the server has closed meanwhile is for the test to see.
func (c *client) send(b []byte) {
	_ = c.nc.SetWriteDeadline(time.Now().Add(patience))
	_, _ = c.nc.Write(b)
}

// next takes the next packet, its body copied. ok is false if there is none at
// present; then ended tells that there never will be.
func (c *client) next() (f packet.Frame, ok, ended bool) {
	ok, ended = c.Take(c.cut(&f))
	return f, ok, ended
}

// wait is next, waiting for a packet or the connection's end for patience.
func (c *client) wait() (f packet.Frame, ok bool) {
	c.t.Helper()
	ok, late := c.Await(patience, c.cut(&f))
	if late {
		c.t.Errorf("nothing came for %v", patience)
	}
	return f, ok
}

// cut takes a packet, its body copied, off what has come.
func (c *client) cut(f *packet.Frame) func(in []byte) int {
	return func(in []byte) int {
		got, n, err := packet.ReadFrame(in, 0)
		if err != nil {
			c.t.Errorf("the server has sent % x: %v", in[:min(len(in), 64)], err)
			return -1
		}
		if n > 0 {
			*f = got
			f.Body = append([]byte(nil), f.Body...)
		}
		return n
	}
}

// line is wait, rendered; "EOF" stands for the connection's end.
func (c *client) line() string {
	c.t.Helper()
	if f, ok := c.wait(); ok {
		return render(f, c.version)
	}
	return "EOF"
}

// expect waits for these lines.
func (c *client) expect(want ...string) {
	c.t.Helper()
	for _, w := range want {
		if got := c.line(); got != w {
			c.t.Fatalf("got  %s\nwant %s", got, w)
		}
	}
}

// do sends a command of the script language and expects these lines.
func (c *client) do(command string, want ...string) {
	c.t.Helper()
	b, err := encode(command, c.version)
	if err != nil {
		c.t.Fatal(err)
	}
	c.send(b)
	c.expect(want...)
}

// dialAs connects with a CONNECT of the script language, such as "v5 id=a
// clean", and expects it to be accepted.
func dialAs(s *testServer, connect string) *client {
	s.t.Helper()
	v, b, err := encodeConnect(connect)
	if err != nil {
		s.t.Fatal(err)
	}
	c := newClient(s, v)
	c.send(b)
	if f, ok := c.wait(); !ok || f.Type != packet.TypeConnAck || f.Body[1] != 0 {
		s.t.Fatalf("connect %s: got %v % x, want CONNACK 0", connect, f.Type, f.Body)
	}
	return c
}

// eachEngine runs f in a bubble over memory and on real sockets.
func eachEngine(t *testing.T, f func(t *testing.T, loop netloop.Config)) {
	t.Run("portable", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { f(t, netloop.Config{Portable: true}) })
	})
	t.Run("native", func(t *testing.T) { f(t, netloop.Config{}) })
}
