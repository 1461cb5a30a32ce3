package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/center"
	"github.com/holdfast-mqtt/holdfast/cmd/holdfast/config"
	"github.com/holdfast-mqtt/holdfast/hooks/overload"
)

// patience bounds waits on sockets: it makes a hang a failure.
const patience = 20 * time.Second

// loaded is a room whose load the test says.
type loaded struct {
	t      *testing.T
	room   *mqttRoom
	load   *protector
	dir    string // of the sockets, which are named after what is spoken
	now    time.Duration
	memory float64
	log    strings.Builder

	collected int
}

// newLoaded starts a room in memory. Nothing is measured in it: p is asked by the test alone.
func newLoaded(t *testing.T, mode string) *loaded {
	t.Helper()
	dir := t.TempDir()
	var listeners []opened
	for _, protocol := range []string{config.MQTT, config.MIOP, config.XIMP} {
		ln, err := net.Listen("unix", filepath.Join(dir, protocol)) // whose buffers are small, and do not grow
		if err != nil {
			t.Fatal(err)
		}
		listeners = append(listeners, opened{ln, config.Listener{Network: "unix", Protocols: []string{protocol}, App: broker.DefaultApp}})
	}
	c := config.Default()
	c.Data, c.Overload.Mode = config.InMemory, config.Off
	c.Broker.MaxInflight = 1000
	r, err := startRoom(c, listeners, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Shutdown(context.Background()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
	})
	if r.Load() != nil || !r.(*mqttRoom).wantsClients() {
		t.Error("got a load though nothing is measured")
	}
	l := &loaded{t: t, room: r.(*mqttRoom), dir: dir}
	c.Overload.Mode = mode
	c.Overload.CloseSlowest = 1
	log := slog.New(slog.NewTextHandler(&l.log, nil))
	l.load, err = newProtector(&c.Overload, l.room, overload.Sources{Memory: func() float64 { return l.memory }}, log)
	if err != nil {
		t.Fatal(err)
	}
	l.load.collect = func() { l.collected++ }
	l.room.inForce.Store(l.load)
	return l
}

// rise has the level be another, at once.
func (l *loaded) rise(to overload.Level) {
	l.t.Helper()
	l.memory = [...]float64{0, 0.8, 0.9, 0.95}[to]
	l.sample(to)
}

// fall has the level fall to another, in time of the test's own.
func (l *loaded) fall(to overload.Level) {
	l.t.Helper()
	l.memory = 0
	for at := l.load.monitor.Status().Level; at > to; at-- {
		l.now += 10 * time.Second
		l.sample(at - 1)
	}
}

func (l *loaded) sample(want overload.Level) {
	l.t.Helper()
	l.load.monitor.Sample(l.now)
	if got := l.load.monitor.Status().Level; got != want {
		l.t.Fatalf("got level %v, want %v", got, want)
	}
}

func (l *loaded) dial() net.Conn { return l.dialTo(config.MQTT) }

func (l *loaded) dialTo(protocol string) net.Conn {
	l.t.Helper()
	c, err := net.Dial("unix", filepath.Join(l.dir, protocol))
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		l.t.Fatal(err)
	}
	return c
}

func (l *loaded) send(c net.Conn, text string) {
	l.t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		l.t.Fatal(err)
	}
}

// receive reads as many bytes as want has, and compares.
func (l *loaded) receive(c net.Conn, want string) {
	l.t.Helper()
	b := make([]byte, len(want))
	if _, err := io.ReadFull(c, b); err != nil || string(b) != want {
		l.t.Fatalf("got % x, %v, want % x", b, err, want)
	}
}

// CONNECT with Client Identifier a.
const (
	connect3 = "\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01a"
	connect5 = "\x10\x0e\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x01a"
	connAck3 = "\x20\x02\x00\x00"
	busy3    = "\x20\x02\x00\x03"
	busy5    = "\x20\x03\x00\x89\x00"
)

// New connections wait while the load is high, clients without a Session are turned away while it is critical, those
// with one go on, and all is as before when it is normal again.
func TestLevels(t *testing.T) {
	l := newLoaded(t, config.Protect)
	late3, late5, old := l.dial(), l.dial(), l.dial()
	l.send(old, connect3)
	l.receive(old, connAck3) // those before it are accepted too
	l.rise(overload.High)
	if l.room.wantsClients() {
		t.Error("the load is high, and clients are welcome")
	}
	waiting := l.dial()
	l.send(waiting, connect3)
	l.rise(overload.Critical)
	l.send(late3, connect3)
	l.receive(late3, busy3)
	l.send(late5, connect5)
	l.receive(late5, busy5)
	l.send(old, "\xc0\x00")
	l.receive(old, "\xd0\x00")
	if got := l.room.engine.Stats().Accepted; got != 3 {
		t.Errorf("got %d accepted, want 3", got)
	}
	l.fall(overload.Elevated)
	if !l.room.wantsClients() {
		t.Error("the load is not high any more, and clients are not welcome")
	}
	l.receive(waiting, connAck3) // which has taken the Session over
	c := l.dial()
	l.send(c, strings.Replace(connect3, "\x01a", "\x01b", 1))
	l.receive(c, connAck3)
	st := l.load.Stats()
	if st.Steps["accepting_paused"] != 1 || st.Steps["login_refused"] != 2 || st.Entered["high"] != 2 || st.Entered["critical"] != 1 {
		t.Errorf("got %+v, want 1 pause and 2 logins refused", st)
	}
}

// While the load is watched only, nobody is refused.
func TestWatch(t *testing.T) {
	l := newLoaded(t, config.Watch)
	l.rise(overload.Critical)
	c := l.dial()
	l.send(c, connect3)
	l.receive(c, connAck3)
	st := l.load.Stats()
	if st.Level != 3 || st.Refusing || !l.room.wantsClients() || st.Steps["accepting_paused"] != 0 {
		t.Errorf("got %+v, want critical and no steps", st)
	}
	if got := l.log.String(); !strings.Contains(got, "msg=overload_level level=critical cause=memory steps_taken=false") {
		t.Errorf("got the log %q, want the level", got)
	}
}

// /readyz says so from High on.
func TestReadyUnderLoad(t *testing.T) {
	l := newLoaded(t, config.Protect)
	s := center.New(center.Config{Metrics: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler)})
	s.SetLoad(l.load)
	s.SetState(center.Ready)
	want := func(status int, body string) {
		t.Helper()
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/readyz", nil))
		if w.Code != status || !strings.Contains(w.Body.String(), body) {
			t.Errorf("got %d, %s, want %d, %s", w.Code, w.Body, status, body)
		}
	}
	want(200, `{"status":"ready"}`)
	l.rise(overload.Elevated)
	want(200, `{"status":"ready","warning":"load is elevated: memory"}`)
	l.rise(overload.High)
	want(503, `{"code":50303,"http":503,"error":"overloaded: load is high, by memory",`)
	l.fall(overload.Normal)
	want(200, `{"status":"ready"}`)
}

// Thresholds of the configuration reach what measures, and the sources of a room have something to say.
func TestProtectorSettings(t *testing.T) {
	c, room := config.Default().Overload, newLoaded(t, config.Watch).room
	c.LoopLag, c.Memory, c.CommitTime = "1s 2s 3s", config.Off, "4s 5s 6s"
	lag, took := time.Duration(0), time.Duration(0)
	p, err := newProtector(&c, room, overload.Sources{
		LoopLag: func() time.Duration { return lag }, Memory: func() float64 { return 1 },
		CommitTime: func(time.Duration) time.Duration { return took },
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	p.watch = true
	for i, step := range []struct {
		lag, took time.Duration
		want      overload.Level
	}{{0, 0, 0}, {time.Second, 0, 0}, {time.Second, 0, 1}, {0, 5 * time.Second, 1}, {0, 5 * time.Second, 2}, {3 * time.Second, 0, 2}, {3 * time.Second, 0, 3}} {
		lag, took = step.lag, step.took
		p.monitor.Sample(time.Duration(i) * time.Second)
		if got := p.monitor.Status().Level; got != step.want {
			t.Errorf("step %d: got %v, want %v", i, got, step.want)
		}
	}
	c.Memory = "much"
	if _, err := newProtector(&c, room, overload.Sources{}, nil); err == nil {
		t.Error("got no error for a threshold that is none")
	}
}

// connected is a client of MQTT 3.1.1.
type connected struct {
	*loaded
	net.Conn
}

func (l *loaded) connect(id string) connected {
	l.t.Helper()
	c := connected{l, l.dial()}
	l.send(c, strings.Replace(connect3, "\x01a", "\x01"+id, 1))
	l.receive(c, connAck3)
	return c
}

// subscribe subscribes to t.
func (c connected) subscribe(qos byte) {
	c.t.Helper()
	c.send(c, "\x82\x06\x00\x01\x00\x01t"+string(qos))
	c.receive(c, "\x90\x03\x00\x01"+string(qos))
}

func (c connected) ping() {
	c.t.Helper()
	c.send(c, "\xc0\x00")
	c.receive(c, "\xd0\x00")
}

// large is the length of payloads.
const large = 32 << 10

// noise is the most of a payload, which cannot be compressed.
var noise = sync.OnceValue(func() string {
	b := make([]byte, large-1)
	for i, r := 0, rand.New(rand.NewPCG(1, 2)); i < len(b); i++ {
		b[i] = byte(r.Uint32())
	}
	return string(b)
})

// publish publishes to t, and has it acknowledged at QoS 1.
func (c connected) publish(qos, n byte) { c.publishTo("t", qos, n) }

func (c connected) publishTo(topic string, qos, n byte) {
	c.t.Helper()
	id := ""
	if qos == 1 {
		id = "\x00\x01"
	}
	body := "\x00" + string(byte(len(topic))) + topic + id + string(n) + noise()
	c.send(c, string(0x30|qos<<1)+string([]byte{byte(len(body)&0x7f | 0x80), byte(len(body)>>7&0x7f | 0x80), byte(len(body) >> 14)})+body)
	if qos == 1 {
		c.receive(c, "\x40\x02\x00\x01")
	}
	c.ping()
}

// message reads a PUBLISH with a payload that publish has made.
func (c connected) message() (qos, n byte) {
	c.t.Helper()
	header := make([]byte, 4+3)
	if _, err := io.ReadFull(c, header); err != nil {
		c.t.Fatal(err)
	}
	qos = header[0] >> 1 & 3
	body := make([]byte, large+2*int(qos))
	if _, err := io.ReadFull(c, body); err != nil {
		c.t.Fatal(err)
	}
	return qos, body[2*qos]
}

// A client that does not read loses QoS 0 messages while the load is elevated, which are counted, and no others. One that
// reads loses none.
func TestSlowClientLosesQoS0(t *testing.T) {
	l := newLoaded(t, config.Protect)
	slow, healthy, p := l.connect("s"), l.connect("h"), l.connect("p")
	slow.subscribe(1)
	healthy.subscribe(1)
	l.rise(overload.Elevated)
	const messages = 60
	for i := range byte(messages) {
		p.publish(i%2, i)
		if qos, n := healthy.message(); qos != i%2 || n != i {
			t.Fatalf("got message %d at QoS %d, want %d at %d", n, qos, i, i%2)
		}
		if i%2 == 1 {
			l.send(healthy, "\x40\x02\x00"+string(i/2+1))
		}
	}
	dropped := l.load.Stats().Steps["qos0_dropped"]
	next := map[byte]byte{0: 0, 1: 1}
	for i := range messages - dropped {
		qos, n := slow.message()
		if n < next[qos] || qos == 1 && n != next[qos] {
			t.Fatalf("delivery %d: got message %d at QoS %d, want no less than %d, at QoS 1 exactly", i, n, qos, next[qos])
		}
		next[qos] = n + 2
		if qos == 1 {
			l.send(slow, "\x40\x02\x00"+string(n/2+1))
		}
	}
	slow.ping() // nothing else was to come
	if next[1] != messages+1 {
		t.Errorf("got QoS 1 up to %d, want all %d", next[1], messages)
	}
	if dropped == 0 || dropped > messages/2 {
		t.Errorf("got %d dropped, want some of the %d at QoS 0", dropped, messages/2)
	}
	if st := l.load.Stats(); st.Steps["windows_shrunk"] != 1 || st.Steps["garbage_collected"] != 1 || l.collected != 1 {
		t.Errorf("got %+v, collected %d times, want windows shrunk once, and one collection", st, l.collected)
	}
}

// The client that reads nothing of what waits for it loses its connection while the load is critical. One for whom
// nothing waits does not.
func TestSlowestIsClosed(t *testing.T) {
	l := newLoaded(t, config.Protect)
	slow, healthy, p := l.connect("s"), l.connect("h"), l.connect("p")
	slow.subscribe(0)
	healthy.subscribe(0)
	for i := range byte(40) {
		p.publish(0, i)
		healthy.message()
	}
	l.rise(overload.High)
	healthy.ping()
	if got := l.load.Stats().Steps["slowest_closed"]; got != 0 {
		t.Errorf("got %d closed at high, want 0", got)
	}
	l.rise(overload.Critical)
	for end := time.Now().Add(patience); l.load.Stats().Steps["slowest_closed"] == 0 && time.Now().Before(end); {
		l.sample(overload.Critical)
		healthy.ping()
	}
	if _, err := io.Copy(io.Discard, slow); err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the slow client: got %v, want its connection closed", err)
	}
	for range 5 {
		l.sample(overload.Critical)
		healthy.ping()
	}
	p.ping()
	if got := l.load.Stats().Steps["slowest_closed"]; got != 1 {
		t.Errorf("got %d closed, want 1", got)
	}
	l.fall(overload.Normal)
	l.connect("n").ping()
}
