package miop

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/bridge/miop/packet"
	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

// states are what a connection may have come to, by the frames that have brought it there and the answers to them.
var states = []struct {
	name string
	to   func(c *client)
}{
	{"new", func(*client) {}},
	{"unbound", func(c *client) { c.do(5, packet.Ping, nil, "Pong") }},
	{"bound", func(c *client) { c.do(5, packet.Bind, []string{alice}, "BindAck id:7 r:0") }},
	{"left", func(c *client) {
		c.do(5, packet.Bind, []string{alice}, "BindAck id:7 r:0")
		c.do(5, packet.Unbind, []string{alice}, "UnbindAck id:7 r:0")
	}},
}

// TestFrameInState sends every frame there is in every state. What is expected in states new, unbound, bound and left is what
// is answered; empty is nothing, and EOF is the connection's end. After the one state a column is for all that follow.
func TestFrameInState(t *testing.T) {
	const eof = "EOF"
	for _, tt := range []struct {
		frame string
		raw   []byte
		want  []string // by state
	}{
		{"Ping", frame(5, packet.Ping, nil), []string{"Pong", "Pong", "Pong", "Pong"}},
		{"Pong", frame(5, packet.Pong, nil), []string{eof, "", "", ""}},
		{"Bind", frame(5, packet.Bind, []string{"u:bob@7"}), []string{
			"BindAck id:7 r:0", "BindAck id:7 r:0", "BindAck id:7 r:0", "BindAck id:7 r:0",
		}},
		{"Bind of nobody", frame(5, packet.Bind, nil), []string{
			"BindAck id:0 r:1|EOF", "BindAck id:0 r:1|EOF", "BindAck id:0 r:1|EOF", "BindAck id:0 r:1|EOF",
		}},
		{"Msg", frame(5, packet.Msg, nil), []string{eof, eof, eof, eof}},
		{"MsgAck", frame(5, packet.MsgAck, []string{"ack:1"}), []string{eof, "", "", ""}},
		{"Unbind", frame(5, packet.Unbind, []string{alice}), []string{
			eof, "UnbindAck id:7 r:1", "UnbindAck id:7 r:0", "UnbindAck id:7 r:1",
		}},
		{"Unbind of all", frame(5, packet.Unbind, nil), []string{eof, "", "UnbindAck id:7 r:0", ""}},
		{"BindAck", frame(5, packet.BindAck, []string{"r:0"}), []string{eof, eof, eof, eof}},
		{"UnbindAck", frame(5, packet.UnbindAck, nil), []string{eof, eof, eof, eof}},
		{"Kick", frame(5, packet.Kick, nil), []string{eof, eof, eof, eof}},
		{"Migrate", frame(5, packet.Migrate, nil), []string{eof, eof, eof, eof}},
		{"Rebind", frame(5, packet.Rebind, []string{alice}), []string{
			"RebindAck id:7 r:0", "RebindAck id:7 r:0", "RebindAck id:7 r:0", "RebindAck id:7 r:0",
		}},
		{"RebindAck", frame(5, packet.RebindAck, nil), []string{eof, eof, eof, eof}},
		{"OfflineNotify", []byte{0, 5, 0, 12}, []string{eof, eof, eof, eof}},
		{"UploadData", frame(5, packet.UploadData, []string{"ack:3"}, uploads("x")), []string{
			eof, eof, "UploadDataAck ack:3 r:0", eof,
		}},
		{"UploadData that is not whole", frame(5, packet.UploadData, nil, []byte{0}), []string{eof, eof, eof, eof}},
		{"UploadDataAck", frame(5, packet.UploadDataAck, nil), []string{eof, eof, eof, eof}},
		{"Handshake", frame(5, packet.Handshake, []string{"a:b"}), []string{
			"Handshake a:b", "Handshake a:b", "Handshake a:b", "Handshake a:b",
		}},
		{"opcode 16", []byte{0, 5, 0, 16}, []string{eof, eof, eof, eof}},
		{"version 6", frame(6, packet.Ping, nil), []string{"Pong", "Pong", "Pong", "Pong"}},
		{"version 3", frame(3, packet.Ping, nil), []string{"Ping", eof, eof, eof}},
		{"version 7", []byte{0, 7, 0, 0}, []string{eof, eof, eof, eof}},
	} {
		for i, st := range states {
			t.Run(tt.frame+", "+st.name, func(t *testing.T) {
				inBubble(t, setup{miop: Config{Profile: Profile{Legacy: true}}}, func(t *testing.T, s *testServer) {
					c := newClient(s)
					st.to(c)
					c.send(tt.raw)
					synctest.Wait()
					for want := range strings.SplitSeq(tt.want[i], "|") {
						if want != "" {
							c.expect(want)
						}
					}
					switch {
					case strings.HasSuffix(tt.want[i], eof):
					case tt.frame == "version 3":
						c.do(3, packet.Ping, nil, "Ping")
					default:
						c.quiet()
					}
				})
			})
		}
	}
}

// However the bytes of a conversation are cut, the answers are the same.
func TestHoweverCut(t *testing.T) {
	var all []byte
	for _, f := range [][]byte{
		frame(5, packet.Ping, nil),
		frame(5, packet.Bind, []string{alice, "t:60"}),
		frame(5, packet.Ping, nil),
		frame(5, packet.Handshake, nil),
		frame(5, packet.Bind, []string{"u:bob@8"}),
		frame(5, packet.UploadData, []string{"u:bob@8", "ack:1"}, uploads("a", "", "b")),
		frame(5, packet.MsgAck, []string{"ack:null"}),
		frame(5, packet.Unbind, []string{alice}),
		frame(6, packet.Ping, nil),
	} {
		all = append(all, f...)
	}
	want := []string{
		"Pong", "BindAck id:7 r:0", "Pong", "Handshake", "BindAck id:8 r:0", "UploadDataAck ack:1 r:0", "UnbindAck id:7 r:0", "Pong",
	}
	eachEngine(t, func(t *testing.T, loop netloop.Config) {
		s := newServer(t, setup{loop: loop})
		for _, size := range []int{len(all), 1, 7} {
			c := newClient(s)
			for rest := all; len(rest) > 0; rest = rest[min(size, len(rest)):] {
				c.send(rest[:min(size, len(rest))])
			}
			c.expect(want...)
			c.close()
		}
	})
}

func TestMalformedIsCounted(t *testing.T) {
	inBubble(t, setup{}, func(t *testing.T, s *testServer) {
		for _, tt := range []struct {
			name string
			raw  []byte
			left bool // in a connection that has a bind
		}{
			{"version", []byte{0, 9}, false},
			{"opcode", []byte{0, 5, 0, 12}, false},
			{"prop_len", []byte{0, 5, 0, 2, 0x80, 0}, false},
			{"data_len", []byte{0, 5, 0, 13, 0, 0, 0xff, 0xff, 0xff, 0xff}, true},
			{"entries", frame(5, packet.UploadData, nil, []byte{0, 0, 0, 9}), true},
			{"user", frame(5, packet.Bind, []string{"u:nobody"}), false},
			{"order", frame(5, packet.Unbind, nil), false},
			{"direction", frame(5, packet.BindAck, nil), true},
			{"version_change", frame(3, packet.Ping, nil), true},
			{"legacy", frame(3, packet.Ping, nil), false},
			{"size", append([]byte{0, 5, 0, 13, 0, 0, 0, 15, 0, 0}, make([]byte, maxUnbound)...), false},
		} {
			before := s.miop.Stats().Malformed[tt.name]
			c := newClient(s)
			if tt.left {
				c.do(5, packet.Bind, []string{alice}, "BindAck id:7 r:0")
			}
			c.send(tt.raw)
			for c.line() != "EOF" {
			}
			if got := s.miop.Stats().Malformed[tt.name]; got != before+1 {
				t.Errorf("%s: counted %d, want %d", tt.name, got, before+1)
			}
		}
		bound(s, alice).quiet()
	})
}

// TestDeadlines finds that a silent client is let go when it is time, not a moment before and at most a few ticks of the timing
// wheel after.
func TestDeadlines(t *testing.T) {
	const late = 50 * time.Millisecond
	for _, tt := range []struct {
		name string
		to   func(s *testServer) *client
		want time.Duration
	}{
		{"no frame", newClient, 10 * time.Second},
		{"no bind", func(s *testServer) *client {
			c := newClient(s)
			c.quiet()
			return c
		}, 30 * time.Second},
		{"t 300", func(s *testServer) *client { return bound(s, alice) }, 480 * time.Second},
		{"t 1 is 30", func(s *testServer) *client { return bound(s, alice, "t:1") }, 75 * time.Second},
		{"t 100,000 is 1,800", func(s *testServer) *client { return bound(s, alice, "t:100000") }, 2730 * time.Second},
		{"the most patient", func(s *testServer) *client {
			c := bound(s, alice, "t:60")
			c.do(5, packet.Bind, []string{"u:bob@8", "t:40"}, "BindAck id:8 r:0")
			return c
		}, 120 * time.Second},
		{"nothing is left", func(s *testServer) *client {
			c := bound(s, alice)
			c.do(5, packet.Unbind, nil, "UnbindAck id:7 r:0")
			return c
		}, 30 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, setup{}, func(t *testing.T, s *testServer) {
				c := tt.to(s)
				<-time.After(tt.want - time.Millisecond)
				synctest.Wait()
				if _, _, ended := c.next(); ended {
					t.Fatalf("ended before %v", tt.want)
				}
				<-time.After(time.Millisecond + late)
				synctest.Wait()
				if _, _, ended := c.next(); !ended {
					t.Errorf("did not end after %v", tt.want)
				}
				if got := s.miop.Stats().Timeouts; got != 1 {
					t.Errorf("counted %d timeouts, want 1", got)
				}
			})
		})
	}
}

func TestPingKeepsAlive(t *testing.T) {
	inBubble(t, setup{}, func(t *testing.T, s *testServer) {
		c := bound(s, alice, "t:60")
		for range 10 {
			<-time.After(119 * time.Second)
			c.quiet()
		}
		c.do(5, packet.Unbind, nil, "UnbindAck id:7 r:0", "EOF") // it is not young any more
	})
}

// A client whose window is full and that acknowledges nothing is let go, however often it pings.
func TestNothingAcknowledged(t *testing.T) {
	for _, tt := range []struct {
		window         int // 0 is the default
		broker         int // of all clients; likewise
		messages, acks int
		ends           bool
	}{
		{0, 0, defaultWindow - 1, 0, false},
		{0, 0, defaultWindow, 0, true},
		{0, 0, defaultWindow, 1, false},
		{0, 0, defaultWindow + 1, 1, true},
		{3, 0, 2, 0, false},
		{3, 0, 3, 0, true},
		{3, 0, 3, 1, false},
		{0, 2, 1, 0, false},
		{0, 2, 2, 0, true},
		{3, 2, 9, 0, true},
	} {
		cfg := setup{miop: Config{Profile: Profile{Window: tt.window}}, broker: broker.Config{MaxInflight: tt.broker}}
		inBubble(t, cfg, func(t *testing.T, s *testServer) {
			c := bound(s, alice)
			for range tt.messages {
				s.publish("miop-7", "inbox/m:alice", "x", 1)
			}
			start := time.Now()
			for i := range tt.acks {
				<-time.After(100 * time.Second)
				c.ack(i + 1)
			}
			synctest.Wait()
			for range 6 {
				<-time.After(time.Minute)
				c.send(frame(5, packet.Ping, nil))
			}
			synctest.Wait()
			for {
				if _, ok, ended := c.next(); !ok {
					if ended != tt.ends {
						t.Errorf("%d messages, %d acknowledged: ended is %v, want %v", tt.messages, tt.acks, ended, tt.ends)
					}
					break
				}
			}
			if got := s.miop.Stats().Unacknowledged; (got == 1) != tt.ends {
				t.Errorf("%d messages, %d acknowledged: counted %d after %v", tt.messages, tt.acks, got, time.Since(start))
			}
		})
	}
}

func TestMatch(t *testing.T) {
	const no, more, yes = netloop.MatchNo, netloop.MatchMore, netloop.MatchYes
	for _, tt := range []struct {
		name        string
		prefix      []byte
		want, older netloop.Match // older if versions 0-4 are let in
	}{
		{"one byte", []byte{0}, more, more},
		{"MQTT", []byte{0x10}, no, no},
		{"XIMP", []byte("qh"), no, no},
		{"version", []byte{0, 5}, more, more},
		{"half an opcode", []byte{0, 6, 0}, more, more},
		{"Ping", []byte{0, 5, 0, 0}, yes, yes},
		{"Pong", []byte{0, 5, 0, 1}, no, no},
		{"Bind, not whole", []byte{0, 6, 0, 2}, yes, yes},
		{"Bind", frame(5, packet.Bind, []string{alice}), yes, yes},
		{"Rebind", []byte{0, 5, 0, 10}, yes, yes},
		{"Handshake", []byte{0, 5, 0, 15, 0}, yes, yes},
		{"UploadData", []byte{0, 5, 0, 13}, no, no},
		{"opcode 256", []byte{0, 5, 1, 0}, no, no},
		{"version 7", []byte{0, 7}, no, no},
		{"older, 2 bytes", []byte{0, 3}, no, more},
		{"older, 7 bytes", []byte{0, 3, 0, 9, 0, 0, 0}, no, more},
		{"older", []byte{0, 3, 0, 9, 0, 0, 0, 0}, no, yes},
		{"older, props too long", []byte{0, 3, 0x10, 1}, no, no},
		{"older, with data", []byte{0, 3, 0, 9, 0, 0, 0, 1}, no, no},
		{"older, heartbeat", []byte{0, 0, 0, 0, 0, 0, 0, 0}, no, yes},
	} {
		if got := match(tt.prefix, false); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
		if got := match(tt.prefix, true); got != tt.older {
			t.Errorf("%s, versions 0-4 let in: got %v, want %v", tt.name, got, tt.older)
		}
	}
}
