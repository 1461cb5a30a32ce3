package mqttclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	mochipackets "github.com/mochi-mqtt/server/v2/packets"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// startPeer runs a broker of other make in this process and returns its address.
func startPeer(t *testing.T, hook mochi.Hook) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := mochi.New(&mochi.Options{Logger: slog.New(slog.DiscardHandler)})
	if err := s.AddHook(hook, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.AddListener(&testListener{Listener: ln}); err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return ln.Addr().String()
}

// testListener is a listener of the peer. Mochi's own can deadlock when the peer is closed while a client
// is just leaving: mochi takes a read lock twice then.
type testListener struct {
	net.Listener
	mu    sync.Mutex
	conns []net.Conn
	wg    sync.WaitGroup
}

func (l *testListener) ID() string              { return "test" }
func (l *testListener) Protocol() string        { return "tcp" }
func (l *testListener) Address() string         { return l.Addr().String() }
func (l *testListener) Init(*slog.Logger) error { return nil }

func (l *testListener) Serve(establish listeners.EstablishFn) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		l.mu.Lock()
		l.conns = append(l.conns, c)
		l.mu.Unlock()
		l.wg.Go(func() { _ = establish("test", c) })
	}
}

func (l *testListener) Close(listeners.CloseFn) {
	_ = l.Listener.Close()
	l.mu.Lock()
	for _, c := range l.conns {
		_ = c.Close()
	}
	l.mu.Unlock()
	l.wg.Wait()
}

func dial(t *testing.T, o Options) Client {
	t.Helper()
	c, err := Dial(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestPublishArrives(t *testing.T) {
	addr := startPeer(t, &aclHook{allow: true})
	for _, v := range []Version{V31, V311, V5} {
		for qos := range byte(3) {
			// Each connection has an id of its own: the peer may still be cleaning up after the one before.
			id := fmt.Sprintf("%d-%d", v, qos)
			var got []Message
			sub := dial(t, Options{
				Network: "tcp", Address: addr, Version: v, ClientID: "sub" + id, CleanStart: true, KeepAlive: time.Minute,
				OnMessage: func(m Message) bool { got = append(got, m); return len(got) == 2 },
			})
			if granted, err := sub.Subscribe(t.Context(), []string{"a/+", "b"}, qos); err != nil || len(granted) != 2 || granted[0] != qos {
				t.Fatalf("version %v: got granted %v, %v, want QoS %d twice", v, granted, err, qos)
			}
			pub := dial(t, Options{Network: "tcp", Address: addr, Version: v, ClientID: "pub" + id, CleanStart: true})
			for _, text := range []string{"one", "two"} {
				if err := pub.Publish(t.Context(), Message{TopicName: "a/b", Payload: []byte(text), QoS: qos}); err != nil {
					t.Fatalf("version %v QoS %d: %v", v, qos, err)
				}
			}
			<-sub.Done()
			if err := sub.Err(); err != nil {
				t.Errorf("version %v QoS %d: got %v, want no error after the last message", v, qos, err)
			}
			if len(got) != 2 || string(got[0].Payload) != "one" || string(got[1].Payload) != "two" || got[0].TopicName != "a/b" || got[0].QoS != qos {
				t.Errorf("version %v QoS %d: got %v, want one, two on a/b", v, qos, got)
			}
			pub.Close()
			sub.Close()
		}
	}
}

// denyHook refuses everybody.
type denyHook struct{ mochi.HookBase }

func (*denyHook) ID() string           { return "deny" }
func (*denyHook) Provides(b byte) bool { return b == mochi.OnConnectAuthenticate }

func TestRefusals(t *testing.T) {
	addr := startPeer(t, new(denyHook))
	for _, v := range []Version{V31, V311, V5} {
		_, err := Dial(t.Context(), Options{Network: "tcp", Address: addr, Version: v, ClientID: "x", CleanStart: true, Username: "u", HasUsername: true})
		refused, ok := errors.AsType[*RefusedError](err)
		if !ok || !strings.Contains(err.Error(), "check the user name (-u)") {
			t.Errorf("version %v: got %v, want a refusal that hints at -u", v, err)
			continue
		}
		if refused.V5 != (v == V5) {
			t.Errorf("version %v: got V5 %v", v, refused.V5)
		}
	}
}

// aclHook lets everybody in, and write and read if allow is set.
type aclHook struct {
	mochi.HookBase
	allow bool
}

func (*aclHook) ID() string { return "acl" }
func (*aclHook) Provides(b byte) bool {
	return b == mochi.OnConnectAuthenticate || b == mochi.OnACLCheck
}
func (*aclHook) OnConnectAuthenticate(*mochi.Client, mochipackets.Packet) bool { return true }
func (h *aclHook) OnACLCheck(*mochi.Client, string, bool) bool                 { return h.allow }

func TestRefusedOperations(t *testing.T) {
	addr := startPeer(t, &aclHook{})
	for _, v := range []Version{V311, V5} {
		c := dial(t, Options{Network: "tcp", Address: addr, Version: v, ClientID: "x", CleanStart: true})
		_, err := c.Subscribe(t.Context(), []string{"a"}, 1)
		if refused, ok := errors.AsType[*RefusedError](err); !ok || !strings.Contains(refused.Error(), `subscription to "a" refused`) {
			t.Errorf("version %v: got %v, want a refused subscription", v, err)
		}
		if v == V5 {
			for qos := range byte(2) {
				err := c.Publish(t.Context(), Message{TopicName: "a", QoS: qos + 1})
				if refused, ok := errors.AsType[*RefusedError](err); !ok || refused.Code != 0x87 {
					t.Errorf("QoS %d: got %v, want not authorized (0x87)", qos+1, err)
				}
			}
		}
		c.Close()
	}
}

func TestDialErrorsSayWhatToDo(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	silent := startTCP(t, func(c net.Conn) { _, _ = c.Read(make([]byte, 1)) })
	for _, tt := range []struct{ name, network, address, want string }{
		{"refused", "tcp", closed.Addr().String(), "start a broker ('holdfast serve')"},
		{"no socket", "unix", filepath.Join(t.TempDir(), "s"), "there is no socket"},
		{"closed", "tcp", silent, "is it an MQTT broker that speaks version"},
	} {
		for _, v := range []Version{V311, V5} {
			_, err := Dial(t.Context(), Options{Network: tt.network, Address: tt.address, Version: v, ClientID: "x", CleanStart: true})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s, version %v: got %v, want it to hold %q", tt.name, v, err, tt.want)
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Dial(ctx, Options{Network: "tcp", Address: silent, Version: V311}); err == nil {
		t.Error("canceled: got no error")
	}
}

// startTCP serves each connection by serve, then closes it.
func startTCP(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { defer c.Close(); serve(c) })
		}
	})
	t.Cleanup(func() { _ = ln.Close(); wg.Wait() })
	return ln.Addr().String()
}

func TestLostConnection(t *testing.T) {
	connack := map[Version]string{V311: "\x20\x02\x00\x00", V5: "\x20\x03\x00\x00\x00"}
	goodbye := map[Version]string{V311: "", V5: "\xe0\x01\x8b"}
	want := map[Version]string{V311: "connection lost", V5: "disconnected by the server: server shutting down (0x8B)"}
	for _, v := range []Version{V311, V5} {
		addr := startTCP(t, func(c net.Conn) {
			_, _ = c.Read(make([]byte, 256))
			_, _ = io.WriteString(c, connack[v]+goodbye[v])
		})
		c := dial(t, Options{Network: "tcp", Address: addr, Version: v, ClientID: "x", CleanStart: true})
		<-c.Done()
		if err := c.Err(); err == nil || !strings.Contains(err.Error(), want[v]) {
			t.Errorf("version %v: got %v, want %q", v, err, want[v])
		}
		if err := c.Publish(t.Context(), Message{TopicName: "a", QoS: 1}); err == nil {
			t.Errorf("version %v: got no error for a publish after the end", v)
		}
		c.Close()
	}
}

// The last message wanted is acknowledged before DISCONNECT, and the one after it never: it comes again.
func TestLastMessageIsAcknowledged(t *testing.T) {
	for _, tt := range []struct {
		version               Version
		connack, publish, end string // end: PUBACK 1, DISCONNECT
	}{
		{V311, "\x20\x02\x00\x00", "\x32\x06\x00\x01a\x00\x01x\x32\x06\x00\x01a\x00\x02y", "\x40\x02\x00\x01\xe0\x00"},
		{V5, "\x20\x03\x00\x00\x00", "\x32\x07\x00\x01a\x00\x01\x00x\x32\x07\x00\x01a\x00\x02\x00y", "\x40\x04\x00\x01\x00\x00\xe0"},
	} {
		got := make(chan string, 1)
		addr := startTCP(t, func(c net.Conn) {
			_, _ = c.Read(make([]byte, 256))
			_, _ = io.WriteString(c, tt.connack+tt.publish)
			rest, _ := io.ReadAll(c)
			got <- string(rest)
		})
		seen := 0
		c := dial(t, Options{
			Network: "tcp", Address: addr, Version: tt.version, ClientID: "x",
			OnMessage: func(Message) bool { seen++; return true },
		})
		<-c.Done()
		c.Close()
		if sent := <-got; !strings.Contains(sent, tt.end) {
			t.Errorf("version %v: got %x sent, want PUBACK of message 1, then DISCONNECT", tt.version, sent)
		}
		if err := c.Err(); err != nil || seen != 1 {
			t.Errorf("version %v: got %d messages, %v, want 1 and no error", tt.version, seen, err)
		}
	}
}

func TestTrace(t *testing.T) {
	addr := startPeer(t, &aclHook{allow: true})
	var mu sync.Mutex
	var lines []string
	c := dial(t, Options{
		Network: "tcp", Address: addr, Version: V311, ClientID: "x", CleanStart: true,
		Trace: func(line string) { mu.Lock(); defer mu.Unlock(); lines = append(lines, line) },
	})
	if err := c.Publish(t.Context(), Message{TopicName: "a", Payload: []byte("12"), QoS: 1}); err != nil {
		t.Fatal(err)
	}
	c.Close()
	mu.Lock()
	defer mu.Unlock()
	want := "sending CONNECT (13 bytes)|received CONNACK (2 bytes)|sending PUBLISH (7 bytes)|received PUBACK (2 bytes)|sending DISCONNECT (0 bytes)"
	if got := strings.Join(lines, "|"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestFramerCutAnywhere(t *testing.T) {
	// PINGREQ, PUBLISH of 300 bytes, PUBACK.
	stream := "\xc0\x00" + "\x30\xac\x02" + strings.Repeat("x", 300) + "\x40\x02\x00\x01"
	for cut := 1; cut <= len(stream); cut++ {
		var got []int
		f := framer{packet: func(first byte, length int) { got = append(got, int(first), length) }}
		for rest := []byte(stream); len(rest) > 0; {
			n := min(cut, len(rest))
			f.feed(rest[:n])
			rest = rest[n:]
		}
		if len(got) != 6 || got[0] != 0xC0 || got[1] != 0 || got[2] != 0x30 || got[3] != 300 || got[4] != 0x40 || got[5] != 2 {
			t.Fatalf("pieces of %d bytes: got %v, want PINGREQ 0, PUBLISH 300, PUBACK 2", cut, got)
		}
	}
}
