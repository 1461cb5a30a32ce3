package bench

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"
	"go.uber.org/goleak"

	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// small returns options of a run that takes a moment.
func small(m Mode, url string) Options {
	o := Defaults(m)
	o.URL = url
	o.Clients, o.Pairs, o.Publishers, o.Subscribers, o.Messages = 20, 3, 5, 10, 1000
	o.Window, o.Rate, o.SampleEvery = 8, 50, 2
	if m == Sleepers {
		o.Messages, o.InFlight = 4, 6
	}
	o.Warmup, o.Duration, o.Drain, o.Settle = 20*time.Millisecond, 200*time.Millisecond, 300*time.Millisecond, 10*time.Millisecond
	return o
}

// startPeer runs a broker of other make in this process and returns its URL.
func startPeer(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := mochi.New(&mochi.Options{Logger: slog.New(slog.DiscardHandler)})
	if err := s.AddHook(new(allowHook), nil); err != nil {
		t.Fatal(err)
	}
	if err := s.AddListener(listeners.NewNet("t", ln)); err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return "mqtt://" + ln.Addr().String()
}

// allowHook lets everybody do everything.
type allowHook struct{ mochi.HookBase }

func (*allowHook) ID() string { return "allow" }
func (*allowHook) Provides(b byte) bool {
	return b == mochi.OnConnectAuthenticate || b == mochi.OnACLCheck
}
func (*allowHook) OnConnectAuthenticate(*mochi.Client, packets.Packet) bool { return true }
func (*allowHook) OnACLCheck(*mochi.Client, string, bool) bool              { return true }

func TestRunAgainstPeer(t *testing.T) {
	url := startPeer(t)
	for _, m := range Modes() {
		for _, v := range []packet.Version{packet.V311, packet.V5} {
			for _, q := range []packet.QoS{0, 1} {
				for _, loops := range []int{1, 2} {
					if needsAcks(m) && q == 0 || loops == 2 && v == packet.V5 {
						continue
					}
					o := small(m, url)
					o.Version, o.QoS, o.Loops = v, q, loops
					if m == Sleepers {
						o.Messages = 1 // mochi does not keep the order of what waits for a Session
					}
					name := string(m) + "/" + v.String() + "/QoS" + string('0'+rune(q)) + "/loops" + string('0'+rune(loops))
					t.Run(name, func(t *testing.T) { checkRun(t, o) })
				}
			}
		}
	}
}

// checkRun carries out a run that must succeed without loss.
func checkRun(t *testing.T, o Options) *Result {
	t.Helper()
	stages := make(map[string]bool)
	r, err := Run(t.Context(), o, func(p Progress) { stages[p.Stage] = true })
	if err != nil {
		t.Fatal(err)
	}
	clients := o.connections()
	if o.Mode == Sleepers {
		clients = o.Clients
	}
	if got := r.Connections.Attempted; got != clients || r.Connections.Failed != 0 {
		t.Errorf("connections: got %d, %d failed, want %d, 0 failed", got, r.Connections.Failed, clients)
	}
	if got := r.Connections.Latency.Samples; got != int64(clients) {
		t.Errorf("connect latency: got %d samples, want %d", got, clients)
	}
	if !stages["connect"] {
		t.Errorf("progress: got stages %v, want connect among them", stages)
	}
	if o.Mode == Conn {
		return r
	}
	s := r.Messages
	if s.Lost != 0 || s.Duplicates != 0 || s.OutOfOrder != 0 || s.Unacknowledged != 0 || s.Received != s.Expected {
		t.Errorf("got %+v, want nothing lost, duplicated or out of order", *s)
	}
	if s.DeliveriesPerSecond <= 0 || s.Latency.Samples == 0 || s.Latency.P50 <= 0 || s.Latency.P99 < s.Latency.P50 {
		t.Errorf("got %+v, want a rate and a latency", *s)
	}
	if o.QoS == 1 && s.Acknowledged != s.Published {
		t.Errorf("got %d of %d messages acknowledged, want all", s.Acknowledged, s.Published)
	}
	if o.Mode == Durable && (s.AckLatency == nil || s.AckLatency.Samples == 0 || s.AckLatency.P50 <= 0) {
		t.Errorf("got PUBACK latency %v, want one", s.AckLatency)
	}
	if o.Mode == FanIn && s.Published != uint64(o.Messages) {
		t.Errorf("got %d messages published, want %d", s.Published, o.Messages)
	}
	return r
}

// needsAcks tells whether a mode runs at QoS 1 only.
func needsAcks(m Mode) bool { return m == FanIn || m == Durable || m == Sleepers }

func TestLargePayload(t *testing.T) {
	o := small(P2P, startPeer(t))
	o.Payload, o.Window = 100_000, 4
	checkRun(t, o)
}

func TestWindowOverHighWater(t *testing.T) {
	o := small(P2P, startPeer(t))
	o.Payload, o.Window = 20_000, 64 // 1.28 MB outstanding: Begin refuses in between
	checkRun(t, o)
}

func TestUnixSocket(t *testing.T) {
	f := &fake{}
	o := small(P2P, f.start(t, "unix", filepath.Join(t.TempDir(), "s")))
	checkRun(t, o)
}

func TestPersistentSessionsAreRemoved(t *testing.T) {
	f := &fake{}
	o := small(P2P, f.start(t, "tcp", "127.0.0.1:0"))
	o.Persistent = true
	checkRun(t, o)
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.clean) != 4*o.Pairs {
		t.Fatalf("got %d CONNECTs, want %d: each client once more to remove its Session", len(f.clean), 4*o.Pairs)
	}
	for i, clean := range f.clean {
		if want := i >= 2*o.Pairs; clean != want {
			t.Errorf("CONNECT %d: got Clean Session %t, want %t", i, clean, want)
		}
	}
}

func TestKeepAlive(t *testing.T) {
	f := &fake{}
	o := small(Conn, f.start(t, "tcp", "127.0.0.1:0"))
	o.Clients, o.KeepAlive, o.Settle = 2, time.Second, 1200*time.Millisecond
	checkRun(t, o) // PINGRESP is no unexpected packet
}

func TestReceiveMaximumIsObeyed(t *testing.T) {
	unacked, most := 0, 0
	f := &fake{connAck: packet.ConnAck{ReceiveMaximum: 3}}
	f.fate = func(n int) fate {
		unacked++
		most = max(most, unacked)
		if n%3 != 0 { // two wait for the third
			return fate{copies: 1, noAck: true}
		}
		unacked = 0
		return fate{copies: 1, noAck: true}
	}
	f.after = func(f *fake, c net.Conn, n int) {
		if n%3 != 0 {
			return
		}
		for id := range packet.PacketID(3) {
			_, _ = c.Write(packet.AppendAck(nil, packet.TypePubAck, packet.V5, id+1, 0))
		}
	}
	o := small(P2P, f.start(t, "tcp", "127.0.0.1:0"))
	o.Version, o.Pairs = packet.V5, 1
	o.Warmup, o.Duration = 0, 50*time.Millisecond
	r, err := Run(t.Context(), o, nil)
	if err != nil {
		t.Fatal(err)
	}
	if most != 3 || r.Messages.Published < 6 {
		t.Errorf("got %d messages outstanding at most and %d in all, want 3 and more than that", most, r.Messages.Published)
	}
}

func TestContextEndsRun(t *testing.T) {
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	f := &fake{after: func(_ *fake, _ net.Conn, n int) {
		if n == 100 {
			cancel(why)
		}
	}}
	o := small(P2P, f.start(t, "tcp", "127.0.0.1:0"))
	o.Duration = time.Hour
	if _, err := Run(ctx, o, nil); !errors.Is(err, why) {
		t.Errorf("got %v, want the context's cause", err)
	}
}

func TestValidate(t *testing.T) {
	for _, tt := range []struct {
		change func(*Options)
		want   string
	}{
		{func(*Options) {}, ""},
		{func(o *Options) { o.URL = "http://x" }, "want mqtt://HOST:PORT"},
		{func(o *Options) { o.URL = "mqtt://:1883" }, "want mqtt://HOST:PORT"},
		{func(o *Options) { o.URL = "mqtts://x/path" }, "want mqtt://HOST:PORT"},
		{func(o *Options) { o.URL = "unix://run/x" }, "or unix:///PATH"},
		{func(o *Options) { o.URL = "ws://me:secret@x/mqtt" }, `"ws://me:xxxxx@x/mqtt"`},
		{func(o *Options) { o.URL = "ws://me:secret@x:y/mqtt" }, "it is malformed"},
		{func(o *Options) { o.URL = "ws://x:8083/mqtt" }, ""},
		{func(o *Options) { o.URL = "wss://x" }, ""},
		{func(o *Options) { o.URL = "mqtts://x" }, ""},
		{func(o *Options) { o.URL = "unix:///run/x" }, ""},
		{func(o *Options) { o.URL = "mqtt://[::1]" }, ""},
		{func(o *Options) { o.Mode = "x" }, `unknown mode "x"`},
		{func(o *Options) { o.Version = 3 }, "must be 4 or 5"},
		{func(o *Options) { o.QoS = 2 }, "QoS must be 0 or 1"},
		{func(o *Options) { o.Mode, o.QoS = FanIn, 0 }, "fanin counts acknowledged messages: it needs QoS 1"},
		{func(o *Options) { o.Mode, o.QoS = Durable, 0 }, "needs QoS 1"},
		{func(o *Options) { o.Mode, o.QoS = Sleepers, 0 }, "needs QoS 1"},
		{func(o *Options) { o.Mode, o.Burst = Sleepers, true }, "no burst"},
		{func(o *Options) { o.HoldAcks = -1 }, "hold-acks must be"},
		{func(o *Options) { o.Payload = 15 }, "payload must be"},
		{func(o *Options) { o.Pairs = 0 }, "pairs must be at least 1"},
		{func(o *Options) { o.Window = 65536 }, "window must be"},
		{func(o *Options) { o.Mode, o.Messages = FanIn, 99 }, "at least the number of publishers"},
		{func(o *Options) { o.Rate = 0 }, "rate must be"},
		{func(o *Options) { o.Duration = 0 }, "duration"},
		{func(o *Options) { o.KeepAlive = time.Millisecond }, "whole seconds"},
	} {
		o := Defaults(P2P)
		tt.change(&o)
		err := o.Validate()
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("got %v, want %q", err, tt.want)
		}
	}
	o := Options{}
	if err := o.Validate(); err == nil || strings.Count(err.Error(), "\n") < 5 {
		t.Errorf("got %v, want every fault", err)
	}
}
