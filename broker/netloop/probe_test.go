package netloop

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait on real sockets: it makes a hang a failure and
// takes part in no measurement.
const patience = 20 * time.Second

// probe is a Handler made of functions. It checks what holds for every
// connection: OnOpen first, nothing after OnClose, no OnData while paused.
type probe struct {
	t          testing.TB
	onOpen     func(c *Conn)
	onData     func(c *Conn, data []byte) int // nil consumes everything
	onWritable func(c *Conn)
	onTimer    func(c *Conn)
	onShutdown func(c *Conn)
	opened     chan *Conn
	closed     chan error

	state atomic.Int32 // 0 new, 1 open, 2 closed
}

func newProbe(t testing.TB) *probe {
	return &probe{t: t, opened: make(chan *Conn, 1), closed: make(chan error, 1)}
}

func (p *probe) mustBe(call string, want int32) {
	if got := p.state.Load(); got != want {
		p.t.Errorf("%s in state %d, want %d", call, got, want)
	}
}

func (p *probe) OnOpen(c *Conn) {
	if !p.state.CompareAndSwap(0, 1) {
		p.t.Errorf("OnOpen in state %d", p.state.Load())
	}
	if p.onOpen != nil {
		p.onOpen(c)
	}
	p.opened <- c
}

func (p *probe) OnData(c *Conn, data []byte) int {
	p.mustBe("OnData", 1)
	if c.Paused() {
		p.t.Errorf("OnData while paused")
	}
	if len(data) == 0 {
		p.t.Errorf("OnData without data")
	}
	if p.onData == nil {
		return len(data)
	}
	return p.onData(c, data)
}

func (p *probe) OnWritable(c *Conn) {
	p.mustBe("OnWritable", 1)
	if p.onWritable != nil {
		p.onWritable(c)
	}
}

func (p *probe) OnTimer(c *Conn) {
	p.mustBe("OnTimer", 1)
	if p.onTimer != nil {
		p.onTimer(c)
	}
}

func (p *probe) OnShutdown(c *Conn) {
	p.mustBe("OnShutdown", 1)
	if p.onShutdown != nil {
		p.onShutdown(c)
		return
	}
	c.Close(ErrShutdown)
}

func (p *probe) OnClose(_ *Conn, err error) {
	if was := p.state.Swap(2); was == 2 {
		p.t.Errorf("OnClose a second time, with %v", err)
		return
	}
	p.closed <- err
}

// conn waits for OnOpen.
func (p *probe) conn() *Conn {
	p.t.Helper()
	return receive(p.t, p.opened, "OnOpen")
}

// receive waits for a value of ch.
func receive[T any](t testing.TB, ch <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatalf("no %s", what)
		panic("unreachable")
	}
}

// echo is an onData that writes everything back.
func echo(c *Conn, data []byte) int {
	c.Write(c.Loop(), data)
	return len(data)
}

// onLoop runs f on c's loop and waits for it.
func onLoop(t testing.TB, c *Conn, f func()) {
	t.Helper()
	done := make(chan struct{})
	if !c.Loop().PostFunc(func() { f(); close(done) }) {
		t.Fatal("the loop has stopped")
	}
	receive(t, done, "turn of the loop")
}

// eachEngine runs test over epoll and over the portable engine.
func eachEngine(t *testing.T, test func(t *testing.T, cfg Config)) {
	for name, cfg := range map[string]Config{"epoll": {}, "portable": {Portable: true}} {
		t.Run(name, func(t *testing.T) { test(t, cfg) })
	}
}

// startEngine starts an engine that ends with the test.
func startEngine(t testing.TB, cfg Config) *Engine {
	t.Helper()
	if cfg.Loops == 0 {
		cfg.Loops = 2
	}
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shutdown(t, e, nil) })
	return e
}

// shutdown ends e and wants its error to be want.
func shutdown(t testing.TB, e *Engine, want error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := e.Shutdown(ctx); !errors.Is(err, want) {
		t.Errorf("Shutdown: got %v, want %v", err, want)
	}
	if n := e.Stats().Open; n != 0 {
		t.Errorf("%d connections open after Shutdown", n)
	}
}

// listen starts a listener on a free TCP port of the loopback.
func listen(t testing.TB, e *Engine, newHandler func(*Conn) Handler) net.Addr {
	t.Helper()
	nl, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln, err := e.Listen(nl, newHandler, func(err error) { t.Errorf("accept: %v", err) })
	if err != nil {
		t.Fatal(err)
	}
	return ln.Addr()
}

// dialTCP connects to addr. Whatever the test does with the connection is
// bounded in time.
func dialTCP(t testing.TB, addr net.Addr) *net.TCPConn {
	t.Helper()
	nc, err := net.DialTimeout(addr.Network(), addr.String(), patience)
	if err != nil {
		t.Fatal(err)
	}
	check(t, nc.SetDeadline(time.Now().Add(patience)))
	t.Cleanup(func() { nc.Close() })
	return nc.(*net.TCPConn)
}

// connect starts an engine with one connection, handled by p, and returns both ends.
func connect(t testing.TB, cfg Config, p *probe) (*Conn, *net.TCPConn) {
	t.Helper()
	e := startEngine(t, cfg)
	client := dialTCP(t, listen(t, e, func(*Conn) Handler { return p }))
	return p.conn(), client
}

// check fails the test, without ending it, if err is not nil.
func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

// send writes b to w.
func send(t testing.TB, w io.Writer, b []byte) {
	t.Helper()
	_, err := w.Write(b)
	check(t, err)
}

// wantBytes reads len(want) bytes from r and compares.
func wantBytes(t testing.TB, r io.Reader, want []byte) {
	t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(r, got); err != nil {
		t.Fatalf("read %d of %d bytes: %v", n, len(want), err)
	}
	if bytes.Equal(got, want) {
		return
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("byte %d of %d is %#x, want %#x", i, len(want), got[i], want[i])
		}
	}
}

// wantEOF reads the end of r's stream.
func wantEOF(t testing.TB, r io.Reader) {
	t.Helper()
	if n, err := r.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("read %d bytes, error %v; want the end of the stream", n, err)
	}
}

// wantClosed waits for OnClose.
func wantClosed(t testing.TB, p *probe, want error) {
	t.Helper()
	if err := receive(t, p.closed, "OnClose"); !errors.Is(err, want) {
		t.Errorf("OnClose(%v), want %v", err, want)
	}
}

// pattern returns n bytes that tell their position.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := 0; i+4 <= n; i += 4 {
		binary.BigEndian.PutUint32(b[i:], uint32(i))
	}
	return b
}

// eventually waits until ok.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !ok(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("no %s", what)
		}
	}
}

// movedClock is a Config.Now that stands still until it is moved.
type movedClock struct{ since atomic.Int64 }

func (m *movedClock) now() time.Time { return time.Unix(0, m.since.Load()) }

func (m *movedClock) move(d time.Duration) { m.since.Add(int64(d)) }
