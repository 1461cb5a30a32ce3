package miop

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/bridge/miop/packet"
	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/login"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
	"github.com/holdfast-mqtt/holdfast/internal/memnet"
	"github.com/holdfast-mqtt/holdfast/internal/wiretest"
	"github.com/holdfast-mqtt/holdfast/storage/memory"
)

// limit bounds every wait on real sockets: it makes a hang a failure and takes part in no measurement.
const limit = 20 * time.Second

// setup is the configuration of a testServer.
type setup struct {
	loop   netloop.Config
	broker broker.Config
	miop   Config
	from   *login.Listener
}

// testServer is a whole server: over memnet if loop.Portable is set, which may run in a synctest bubble, else
// over the platform's engine and loopback.
type testServer struct {
	t       testing.TB
	engine  *netloop.Engine
	broker  *broker.Broker
	miop    *Server
	dial    func() net.Conn
	addr    string // of the loopback listener
	stopped bool
	scratch *broker.Scratch
}

// newServer starts a server. It is shut down at the end of the test.
func newServer(t testing.TB, cfg setup) *testServer {
	t.Helper()
	s := &testServer{t: t}
	if cfg.broker.Store == nil {
		cfg.broker.Store = memory.New()
	}
	if cfg.loop.Loops == 0 {
		cfg.loop.Loops = 2
	}
	var err error
	if s.engine, err = netloop.New(cfg.loop); err != nil {
		t.Fatal(err)
	}
	s.broker = broker.New(cfg.broker)
	if err := s.broker.Restore(func(int) {}); err != nil {
		t.Fatal(err)
	}
	s.scratch = s.broker.NewScratch(nil)
	cfg.miop.Broker = s.broker
	s.miop = NewServer(cfg.miop, s.engine)
	t.Cleanup(s.shutdown)
	if cfg.loop.Portable {
		ln := memnet.Listen("broker")
		s.listen(ln, cfg.from)
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
	s.listen(ln, cfg.from)
	s.dial = func() net.Conn {
		nc, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		return nc
	}
	return s
}

func (s *testServer) listen(ln net.Listener, from *login.Listener) {
	if _, err := s.engine.Listen(ln, s.miop.HandlerOf(from), nil); err != nil {
		s.t.Fatal(err)
	}
}

// shutdown ends the server as serve does, and checks what must hold then.
func (s *testServer) shutdown() {
	if s.stopped {
		return
	}
	s.stopped = true
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	s.miop.Stop()
	if err := s.engine.Shutdown(ctx); err != nil {
		s.t.Errorf("shutdown: %v", err)
	}
	s.broker.Close()
	if st := s.broker.Stats(); st.Connected != 0 || st.Waiting != 0 {
		s.t.Errorf("after shutdown %d Sessions are connected and %d publishes wait, want none", st.Connected, st.Waiting)
	}
}

// publish publishes in an App and waits until it is accepted.
func (s *testServer) publish(app, name, payload string, qos broker.QoS) {
	s.t.Helper()
	w := waiting{make(chan broker.Result, 1)}
	r := s.broker.Publish(s.scratch, &broker.Publish{
		App: s.broker.App(app), Message: &broker.Message{TopicName: name, Payload: []byte(payload), QoS: qos}, Deferrer: w,
	})
	if r == broker.Pending {
		r = <-w.result
	}
	if !r.OK() {
		s.t.Errorf("publish %q to %s: got result %d, want it accepted", payload, name, r)
	}
}

// waiting is a Completion that a test waits for.
type waiting struct{ result chan broker.Result }

func (w waiting) Defer() broker.Completion  { return w }
func (w waiting) Published(r broker.Result) { w.result <- r }

// client is one end of a Network Connection, with a goroutine that reads.
type client struct {
	t  testing.TB
	nc net.Conn
	*wiretest.Reader
}

// newClient connects to s. The connection is closed at the end of the test.
func newClient(s *testServer) *client {
	c := &client{t: s.t, nc: s.dial(), Reader: wiretest.NewReader()}
	go c.Run(c.nc)
	s.t.Cleanup(c.close)
	return c
}

// bound connects to s and binds u with version 5.
func bound(s *testServer, props ...string) *client {
	s.t.Helper()
	c := newClient(s)
	c.do(5, packet.Bind, props)
	if got := c.line(); !strings.HasPrefix(got, "BindAck ") || !strings.HasSuffix(got, " r:0") {
		s.t.Fatalf("bind %v: got %s, want it accepted", props, got)
	}
	return c
}

func (c *client) close() {
	c.nc.Close()
	<-c.Done()
}

// send writes b. That the server has closed meanwhile is for the test to see.
func (c *client) send(b []byte) {
	_ = c.nc.SetWriteDeadline(time.Now().Add(limit))
	_, _ = c.nc.Write(b)
}

// frame encodes a frame.
func frame(v packet.Version, op packet.Opcode, props []string, data ...[]byte) []byte {
	f := packet.Frame{Version: v, Opcode: op, Props: packet.Props(strings.Join(props, "\n")), Data: bytes.Join(data, nil)}
	return packet.AppendFrame(nil, &f)
}

// do sends a frame and expects these lines.
func (c *client) do(v packet.Version, op packet.Opcode, props []string, want ...string) {
	c.t.Helper()
	c.send(frame(v, op, props))
	c.expect(want...)
}

func (c *client) ack(n int) { c.send(frame(5, packet.MsgAck, []string{fmt.Sprint("ack:", n)})) }

// cut takes a frame, copied, off what has come.
func (c *client) cut(f *packet.Frame) func(in []byte) int {
	return func(in []byte) int {
		got, n, err := packet.ReadFrame(in)
		if err != nil {
			c.t.Errorf("the server has sent % x: %v", in[:min(len(in), 64)], err)
			return -1
		}
		if n > 0 {
			*f = got
			f.Props, f.Data = append(packet.Props(nil), f.Props...), append([]byte(nil), f.Data...)
		}
		return n
	}
}

// next takes the next frame. ok is false if there is none at present; then ended tells that there never will be.
func (c *client) next() (f packet.Frame, ok, ended bool) {
	ok, ended = c.Take(c.cut(&f))
	return f, ok, ended
}

// wait waits for the next frame or the connection's end.
func (c *client) wait() (f packet.Frame, ok bool) {
	c.t.Helper()
	ok, late := c.Await(limit, c.cut(&f))
	if late {
		c.t.Errorf("nothing came for %v", limit)
	}
	return f, ok
}

// line is wait, rendered; "EOF" stands for the connection's end.
func (c *client) line() string {
	c.t.Helper()
	if f, ok := c.wait(); ok {
		return render(&f)
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

// quiet has the server answer a Ping, so that nothing it has sent before is left.
func (c *client) quiet() {
	c.t.Helper()
	c.do(5, packet.Ping, nil, "Pong")
}

// id is the message id of the next Msg, which is rendered as want.
func (c *client) id(want string) uint64 {
	c.t.Helper()
	f, ok := c.wait()
	if got := render(&f); !ok || got != want {
		c.t.Fatalf("got  %s\nwant %s", got, want)
	}
	e, _, err := packet.NextEntry(f.Data, packet.Long)
	if err != nil {
		c.t.Fatal(err)
	}
	return e.ID
}

// render writes a frame as one line. Of entries the message id is left out.
func render(f *packet.Frame) string {
	var b strings.Builder
	b.WriteString(f.Kind().String())
	if len(f.Props) > 0 {
		b.WriteString(" " + strings.ReplaceAll(string(f.Props), "\n", " "))
	}
	for rest := f.Data; len(rest) > 0; {
		var e packet.Entry
		var err error
		if e, rest, err = packet.NextEntry(rest, packet.Long); err != nil {
			return err.Error()
		}
		fmt.Fprintf(&b, " [%d %s]", e.AppID, e.Body)
	}
	return b.String()
}

// uploads is the data of an UploadData.
func uploads(bodies ...string) []byte {
	var data []byte
	for _, body := range bodies {
		data = packet.AppendUpload(data, []byte(body))
	}
	return data
}

// inBubble runs f in a synctest bubble with a server over memory.
func inBubble(t *testing.T, cfg setup, f func(t *testing.T, s *testServer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		cfg.loop.Portable = true
		f(t, newServer(t, cfg))
	})
}

// eachEngine runs f in a bubble over memory and on real sockets.
func eachEngine(t *testing.T, f func(t *testing.T, loop netloop.Config)) {
	t.Run("portable", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { f(t, netloop.Config{Portable: true}) })
	})
	t.Run("native", func(t *testing.T) { f(t, netloop.Config{}) })
}
