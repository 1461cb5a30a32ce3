package ximp

import (
	"context"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
	"github.com/holdfast-mqtt/holdfast/broker"
	mqtt "github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
	"github.com/holdfast-mqtt/holdfast/internal/memnet"
	"github.com/holdfast-mqtt/holdfast/internal/wiretest"
	"github.com/holdfast-mqtt/holdfast/storage/memory"
)

// patience bounds every wait: it makes a hang a failure and takes part in no measurement.
const patience = 20 * time.Second

// setup is the configuration of a testServer.
type setup struct {
	loop     netloop.Config
	broker   broker.Config
	ximp     Config
	listener Listener
	web      bool // connections are WebSockets
}

// testServer is a whole server: over memnet if loop.Portable is set, which may run in a synctest bubble, else over loopback.
type testServer struct {
	t       testing.TB
	engine  *netloop.Engine
	broker  *broker.Broker
	store   broker.Store
	ximp    *Server
	sc      *broker.Scratch
	dial    func() net.Conn
	addr    string // of the loopback listener
	stopped bool
	ending  sync.WaitGroup // of a shutdown that a test has begun
}

// pass lets d go by in a bubble, where that takes no time.
func pass(d time.Duration) { time.Sleep(d) }

// inBubble has f run with a server over memory, on a clock of its own.
func inBubble(t *testing.T, cfg setup, f func(s *testServer)) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)))
		cfg.loop.Portable = true
		f(newServer(t, cfg))
	})
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
	s.store = cfg.broker.Store
	s.broker = broker.New(cfg.broker)
	if err := s.broker.Restore(nil); err != nil {
		t.Fatal(err)
	}
	s.sc = s.broker.NewScratch(nil)
	cfg.ximp.Broker = s.broker
	s.ximp = NewServer(cfg.ximp, s.engine)
	t.Cleanup(s.shutdown)
	var ln net.Listener
	if cfg.loop.Portable {
		m := memnet.Listen("broker")
		ln = m
		s.dial = func() net.Conn {
			nc, err := m.Dial(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			return nc
		}
	} else {
		if ln, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		s.addr = ln.Addr().String()
		s.dial = func() net.Conn {
			nc, err := net.Dial("tcp", s.addr)
			if err != nil {
				t.Fatal(err)
			}
			return nc
		}
	}
	lc := netloop.ListenConfig{NewHandler: s.ximp.HandlerOf(&cfg.listener)}
	if cfg.web {
		lc.Bare = []netloop.Protocol{{Name: "ximp", Match: Match, Text: true}, {Name: "ximp text", Match: MatchText, Text: true}}
		plain := s.dial
		s.dial = func() net.Conn { return upgrade(t, plain()) }
	}
	if _, err := s.engine.ListenWith(ln, lc); err != nil {
		t.Fatal(err)
	}
	return s
}

// shutdown ends the server as serve does.
func (s *testServer) shutdown() {
	if s.stopped {
		return
	}
	s.stopped = true
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s.ximp.Stop()
	if err := s.engine.Shutdown(ctx); err != nil {
		s.t.Errorf("shutdown: %v", err)
	}
	s.ximp.Close()
	s.broker.Close()
	if st := s.broker.Stats(); st.Connected != 0 || st.Waiting != 0 {
		s.t.Errorf("after shutdown %d Sessions are connected and %d publishes wait, want none", st.Connected, st.Waiting)
	}
}

// told is a publish that is waited for.
type told chan broker.Result

func (c told) Defer() broker.Completion  { return c }
func (c told) Published(r broker.Result) { c <- r }

// publish publishes as the server, and waits until it is accepted.
func (s *testServer) publish(name, payload string, qos broker.QoS, props ...string) {
	s.t.Helper()
	s.publishMessage(s.withProps(&broker.Message{TopicName: name, Payload: []byte(payload), QoS: qos}, props...))
}

// withProps gives m User Properties.
func (s *testServer) withProps(m *broker.Message, props ...string) *broker.Message {
	var p mqtt.MessageProperties
	for i := 0; i < len(props); i += 2 {
		p.User = append(p.User, mqtt.UserProperty{Key: props[i], Value: props[i+1]})
	}
	m.Properties = p.Append(nil)
	return m
}

// testApp is the App of the clients of testAppID.
const (
	testAppID = 4242
	testApp   = "ximp-4242"
)

func (s *testServer) publishMessage(m *broker.Message) {
	s.t.Helper()
	done := make(told, 1)
	r := s.broker.Publish(s.sc, &broker.Publish{App: s.broker.App(testApp), Message: m, Deferrer: done})
	if r == broker.Pending {
		r = <-done
	}
	if !r.OK() {
		s.t.Fatalf("publish to %s: got result %d, want it accepted", m.TopicName, r)
	}
}

// client is one end of a Network Connection, with a goroutine that reads.
type client struct {
	t  testing.TB
	nc net.Conn
	*wiretest.Reader
	header  packet.Header
	key     packet.Key // of what is sent and comes
	loginAs packet.Key // of LoginResp; empty is key
	user    string
	sn      uint64
	first   bool // the header has been sent
	magic   bool // an answer had the magic
}

// connect dials. The connection is closed at the end of the test.
func (s *testServer) connect(user string) *client {
	c := &client{
		t: s.t, nc: s.dial(), Reader: wiretest.NewReader(), user: user,
		header: packet.Header{Version: 1, ClientVersion: 102, App: testAppID},
	}
	go c.Run(c.nc)
	s.t.Cleanup(c.close)
	return c
}

func (c *client) close() {
	c.nc.Close()
	<-c.Done()
}

// write sends bytes. That the server has closed meanwhile is for the test to see.
func (c *client) write(b []byte) {
	_ = c.nc.SetWriteDeadline(time.Now().Add(patience))
	_, _ = c.nc.Write(b)
}

// send sends a message, with the header if it is the first.
func (c *client) send(m *packet.Message) {
	if !c.first {
		c.first = true
		c.write(packet.AppendFirst(nil, c.header, m, c.key))
		return
	}
	c.write(packet.AppendPacket(nil, m, c.key))
}

// request sends a request and returns its number.
func (c *client) request(id packet.ID, r packet.Request) uint64 {
	c.sn++
	c.send(&packet.Message{ID: id, SN: c.sn, Request: &r})
	return c.sn
}

// frame waits for the next packet. ok is false at the connection's end.
func (c *client) frame() (f packet.Frame, ok bool) {
	c.t.Helper()
	// In a bubble three hours are no time; a hang elsewhere ends with the test's time.
	ok, late := c.Await(3*time.Hour, func(in []byte) int {
		got, n, err := packet.ReadAnswer(in, 0)
		if err != nil {
			c.t.Errorf("the server has sent % x: %v", in[:min(len(in), 64)], err)
			return -1
		}
		if n > 0 {
			f = got
			f.Body = append([]byte(nil), f.Body...)
		}
		return n
	})
	if late {
		c.t.Fatal("nothing comes")
	}
	return f, ok
}

// next waits for the next message, heartbeats left out; nil is the connection's end.
func (c *client) next() *packet.Message {
	c.t.Helper()
	for {
		f, ok := c.frame()
		if !ok {
			return nil
		}
		if f.Heartbeat {
			continue
		}
		c.magic = c.magic || f.Magic
		m := c.open(f, c.key)
		if m == nil && c.loginAs != "" {
			m = c.open(f, c.loginAs)
		}
		if m == nil {
			c.t.Fatalf("got % x, want a message under the key", f.Body)
		}
		if r := m.Response; r != nil && r.Login != nil {
			c.key, c.loginAs = packet.Key(r.Login.SessionKey), ""
		}
		return m
	}
}

// open decrypts and decodes a packet; nil if that cannot be.
func (c *client) open(f packet.Frame, key packet.Key) *packet.Message {
	body, err := f.Open(nil, key)
	m := new(packet.Message)
	if err != nil || packet.Decode(body, m) != nil {
		return nil
	}
	return m
}

// quiet fails if anything has come.
func (c *client) quiet() {
	c.t.Helper()
	synctest.Wait()
	if in := c.Waiting(); len(in) > 0 {
		c.t.Errorf("got % x, want nothing", in)
	}
}

// wantError wants the request sn refused with code, and the connection closed if that is of this kind.
func (c *client) wantError(sn uint64, code packet.Code) {
	c.t.Helper()
	m := c.next()
	if m == nil || m.ID != packet.IDError || m.SN != sn || m.Response == nil || m.Response.Error == nil || m.Response.Error.Code != code {
		c.t.Fatalf("got %s, want error %d of request %d", show(m), code, sn)
	}
	if code.Closes() {
		c.wantEnd()
	}
}

func (c *client) wantEnd() {
	c.t.Helper()
	if m := c.next(); m != nil {
		c.t.Fatalf("got %s, want the connection's end", show(m))
	}
}

// initLogin sends InitLogin and takes its answer.
func (c *client) initLogin(sig []byte) (serverRAM []byte) {
	c.t.Helper()
	c.sn++
	c.send(&packet.Message{ID: packet.IDInitLogin, SN: c.sn, Sender: []byte(c.user), Request: &packet.Request{
		InitLogin: &packet.InitLoginRequest{ClientRAM: []byte("client-ram"), Sig: sig},
	}})
	m := c.next()
	if m == nil || m.Response == nil || m.Response.InitLogin == nil || m.SN != c.sn {
		c.t.Fatalf("got %s, want the answer to InitLogin", show(m))
	}
	if got := string(m.Response.InitLogin.ClientRAM); got != "client-ram" {
		c.t.Errorf("client_ram: got %q, want it back", got)
	}
	return m.Response.InitLogin.ServerRAM
}

// login logs in as a device, with what change makes of the request, and wants it to succeed.
func (c *client) login(device string, change ...func(*packet.LoginRequest)) *client {
	c.t.Helper()
	sn := c.sendLogin(c.initLogin(nil), device, change...)
	m := c.next()
	if m == nil || m.Response == nil || m.Response.Login == nil || m.SN != sn {
		c.t.Fatalf("got %s, want LoginResp", show(m))
	}
	return c
}

func (c *client) sendLogin(ram []byte, device string, change ...func(*packet.LoginRequest)) uint64 {
	r := &packet.LoginRequest{
		MobileType: []byte("android"), ServerRAM: ram, SecretRAM: packet.SecretRAM("password", ram, []byte("12345678")),
		DeviceID: []byte(device), Platform: []byte("mobile"), NotEncrypt: packet.Some(true),
	}
	for _, f := range change {
		f(r)
	}
	return c.request(packet.IDLogin, packet.Request{Login: r})
}

// pull asks for a page and takes the answer.
func (c *client) pull(box string, start int64, offset int32) (got []packet.Stored, last int64) {
	c.t.Helper()
	sn := c.request(packet.IDGetInfo, packet.Request{GetInfo: &packet.GetInfoRequest{
		InfoType: []byte(box), ID: start, Offset: packet.Some(offset),
	}})
	m := c.next()
	for m != nil && m.Notify != nil { // doorbells that were rung before
		m = c.next()
	}
	if m == nil || m.Response == nil || m.Response.GetInfo == nil || m.SN != sn {
		c.t.Fatalf("got %s, want the answer to GetInfo", show(m))
	}
	for _, i := range m.Response.GetInfo.Infos {
		s, err := i.Stored()
		if err != nil {
			c.t.Fatal(err)
		}
		got = append(got, s)
	}
	return got, m.Response.GetInfo.LastID.Value
}

// wantRing waits for the doorbell of a box and returns its id.
func (c *client) wantRing(box string) int64 {
	c.t.Helper()
	m := c.next()
	if m == nil || m.Notify == nil || m.Notify.NewMessage == nil || string(m.Notify.NewMessage.InfoType) != box {
		c.t.Fatalf("got %s, want a doorbell of %s", show(m), box)
	}
	return m.Notify.NewMessage.ID.Value
}

// bodies are the payloads of messages.
func bodies(ms []packet.Stored) []string {
	var all []string
	for _, m := range ms {
		all = append(all, string(m.Body))
	}
	return all
}

// ids are those of messages.
func ids(ms []packet.Stored) []int64 {
	var all []int64
	for _, m := range ms {
		all = append(all, m.ID.Value)
	}
	return all
}

// show renders m for messages of tests.
func show(m *packet.Message) string {
	switch {
	case m == nil:
		return "the connection's end"
	case m.Response != nil && m.Response.Error != nil:
		return "error " + m.Response.Error.Error()
	case m.Notify != nil && m.Notify.NewMessage != nil:
		return "doorbell of " + string(m.Notify.NewMessage.InfoType)
	}
	return m.ID.String()
}
