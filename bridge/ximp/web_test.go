package ximp

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

// webConn is a WebSocket as a net.Conn. Each Write is a message; each message that comes must be one packet.
type webConn struct {
	net.Conn // of the deadlines
	t        testing.TB
	ws       *websocket.Conn
	text     bool // messages are text, both ways
	rest     []byte
}

// upgrade asks for a WebSocket as web clients do: on /, without subprotocol.
func upgrade(t testing.TB, nc net.Conn) net.Conn {
	d := websocket.Dialer{NetDial: func(string, string) (net.Conn, error) { return nc, nil }}
	ws, resp, err := d.Dial("ws://broker/", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return &webConn{Conn: nc, t: t, ws: ws}
}

func (w *webConn) Read(b []byte) (int, error) {
	if len(w.rest) == 0 {
		kind, m, err := w.ws.ReadMessage()
		if err != nil {
			return 0, err
		}
		w.check(kind, m)
		w.rest = m
	}
	n := copy(b, w.rest)
	w.rest = w.rest[n:]
	return n, nil
}

// check fails unless m is one packet, of a size that web clients can read.
func (w *webConn) check(kind int, m []byte) {
	if w.text {
		return
	}
	f, n, err := packet.ReadAnswer(m, 0)
	if kind != websocket.BinaryMessage || err != nil || n != len(m) || !f.Heartbeat && n < minWebPacket {
		w.t.Errorf("got a message of kind %d with % x, want one packet of %d bytes or more", kind, m, minWebPacket)
	}
}

func (w *webConn) Write(b []byte) (int, error) {
	kind := websocket.BinaryMessage
	if w.text {
		kind = websocket.TextMessage
	}
	return len(b), w.ws.WriteMessage(kind, b)
}

// closeCode waits for the end of the connection and returns the code with which the server has closed it.
func (c *client) closeCode() int {
	c.t.Helper()
	for c.next() != nil {
	}
	_, _, err := c.nc.(*webConn).ws.ReadMessage()
	if ce, ok := errors.AsType[*websocket.CloseError](err); ok {
		return ce.Code
	}
	c.t.Fatalf("got %v, want a close", err)
	return 0
}

// TestWebPackets: each packet is a message of its own, and long enough, whatever it says.
func TestWebPackets(t *testing.T) {
	inBubble(t, setup{web: true, listener: Listener{Rules: &Rules{DefaultKey: keyed}}}, func(s *testServer) {
		c := s.connect("a")
		c.key, c.loginAs = testKey, "a"
		c.login("d")
		if c.key != "" {
			t.Error("what follows the login is encrypted, though a web client has offered plaintext")
		}
		c.write(packet.AppendHeartbeat(nil))
		c.pull("im", 0, 1)
		c.pull("x", 0, 1)
		c.room("r", joinOf("r"))
		c.room("r", quitOf("r"))
		c.request(packet.IDChat, packet.Request{Chat: &packet.ChatRequest{Body: []byte("x")}})
		c.next()
		s.publish("user/a", "1", 1)
		c.wantRing("peer")
		c.request(packet.IDQueryStatus, packet.Request{QueryStatus: &packet.StatusRequest{}})
		c.next()
		c.request(packet.IDLogout, packet.Request{Logout: &packet.LogoutRequest{}})
		c.next()
		c.wantError(c.request(packet.IDChat, packet.Request{Chat: &packet.ChatRequest{}}), packet.CodeOrder)
	})
}

// TestWebDoorbells: one for each message, in order, the next after the pull of the one before; none for public.
func TestWebDoorbells(t *testing.T) {
	inBubble(t, setup{web: true}, func(s *testServer) {
		c := s.connect("alice").login("d")
		for i := range 3 {
			s.publish("user/alice", fmt.Sprint(i), 1)
		}
		s.publish("broadcast/ximp-4242", "all", 1)
		begun := time.Now()
		for i := range 3 {
			id := c.wantRing("peer")
			if i == 0 && time.Since(begun) != quietTime {
				t.Errorf("first doorbell after %v, want %v", time.Since(begun), quietTime)
			}
			c.quiet()
			if got, _ := c.pull("peer", id, 1); len(got) != 1 || string(got[0].Body) != fmt.Sprint(i) || got[0].ID.Value != id {
				t.Fatalf("got %q, want %d", bodies(got), i)
			}
		}
		c.quiet()
		c.wantBodies("public", 0, "all") // it may ask by itself
		s.publish("broadcast/ximp-4242", "again", 1)
		c.quiet()
		if st := s.broker.Stats(); st.Inflight != 3 {
			t.Errorf("in flight: got %d, want 3: the last one pulled, and two of public", st.Inflight)
		}
	})
}

// TestWebRooms: web clients get no bundles.
func TestWebRooms(t *testing.T) {
	inBubble(t, setup{web: true}, func(s *testServer) {
		c := s.connect("alice").login("d")
		c.room("r", joinOf("r"))
		for i := range 12 {
			s.publish("group/r", fmt.Sprint(i), 0)
		}
		for i := range 12 {
			if _, p := c.talk(); p.Down.New == nil || string(p.Down.New.Content) != fmt.Sprint(i) {
				t.Fatalf("got %+v, want message %d by itself", p.Down, i)
			}
		}
	})
}

// TestWebCloses: with which code a WebSocket is closed, after which a client comes back or not.
func TestWebCloses(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(s *testServer, c *client)
		want int
	}{
		{"taken over", func(s *testServer, _ *client) { s.connect("alice").login("d") }, websocket.CloseNormalClosure},
		{"kicked", func(s *testServer, _ *client) { s.kick("x:alice:mobile:d") }, websocket.CloseNormalClosure},
		{"silent", func(*testServer, *client) {}, closeAgain},
		{"malformed", func(_ *testServer, c *client) { c.write([]byte{0, 0, 0, 1}) }, closeAgain},
		{"wrong order", func(_ *testServer, c *client) {
			c.request(packet.IDLogin, packet.Request{Login: &packet.LoginRequest{}})
		}, closeAgain},
		{"shutdown", func(s *testServer, _ *client) {
			s.ending.Go(s.shutdown)
		}, closeRestart},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, setup{web: true}, func(s *testServer) {
				c := s.connect("alice").login("d")
				tt.do(s, c)
				if got := c.closeCode(); got != tt.want {
					t.Errorf("got code %d, want %d", got, tt.want)
				}
				c.close()
				s.ending.Wait()
			})
		})
	}
}

// TestText: the text form, answered in binary of version 0, or in text if so configured.
func TestText(t *testing.T) {
	key := func(app, version uint16) (packet.Key, bool) { return testKey, app == 2080 && version == 102 }
	for _, inText := range []bool{false, true} {
		t.Run(fmt.Sprintf("answers in text %v", inText), func(t *testing.T) {
			rules := &Rules{DefaultKey: key, TextAnswers: inText}
			inBubble(t, setup{web: true, listener: Listener{Rules: rules}}, func(s *testServer) {
				w := s.dial().(*webConn)
				defer w.ws.Close()
				w.text = true
				receive := func(key packet.Key) (m packet.Message) {
					t.Helper()
					kind, b, err := w.ws.ReadMessage()
					if err != nil {
						t.Fatal(err)
					}
					var f packet.Frame
					if inText {
						f, _, err = packet.ReadText(b, 0)
					} else {
						f, _, err = packet.ReadAnswer(b, 0)
					}
					if err != nil || (kind == websocket.TextMessage) != inText || f.Magic {
						t.Fatalf("got kind %d with %q and %v, want an answer of version 0", kind, b, err)
					}
					if f.Heartbeat {
						return m
					}
					body, err := f.Open(nil, key)
					if err != nil || packet.Decode(body, &m) != nil {
						t.Fatalf("got %q, which does not open", b)
					}
					return m
				}
				_, _ = w.Write(packet.AppendText(nil, &packet.Message{ID: packet.IDInitLogin, Sender: []byte("alice"), Request: &packet.Request{
					InitLogin: &packet.InitLoginRequest{ClientRAM: []byte("x")}}}, testKey, true))
				ram := receive(testKey).Response.InitLogin.ServerRAM
				_, _ = w.Write(packet.AppendTextHeartbeat(nil))
				receive("")
				_, _ = w.Write(packet.AppendText(nil, &packet.Message{ID: packet.IDLogin, Request: &packet.Request{
					Login: &packet.LoginRequest{ServerRAM: ram, SecretRAM: []byte("x"), NotEncrypt: packet.Some(true)}}}, testKey, false))
				if got := receive("alice").Response.Login; got == nil || len(got.SessionKey) != 0 {
					t.Errorf("got %+v, want LoginResp without key", got)
				}
				_, _ = w.Write(packet.AppendText(nil, &packet.Message{ID: packet.IDGetInfo, SN: 9, Request: &packet.Request{
					GetInfo: &packet.GetInfoRequest{InfoType: []byte("peer")}}}, "", false))
				if got := receive(""); got.SN != 9 || got.Response.GetInfo == nil {
					t.Errorf("got %+v, want the answer to GetInfo", got)
				}
			})
		})
	}
}

// TestTextSlow: room messages do not pile up for a client that is answered in text and reads nothing.
func TestTextSlow(t *testing.T) {
	cfg := setup{web: true, listener: Listener{Rules: &Rules{TextAnswers: true}}, loop: netloop.Config{HighWater: 32 << 10}}
	cfg.listener.App = testApp
	inBubble(t, cfg, func(s *testServer) {
		w := s.dial().(*webConn)
		defer w.ws.Close()
		w.text = true
		ask := func(m *packet.Message, first bool) (answer packet.Message) {
			t.Helper()
			_, _ = w.Write(packet.AppendText(nil, m, "", first))
			_, b, err := w.ws.ReadMessage()
			if err != nil {
				t.Fatal(err)
			}
			f, _, err := packet.ReadText(b, 0)
			if err != nil {
				t.Fatal(err)
			}
			body, err := f.Open(nil, "")
			if err != nil || packet.Decode(body, &answer) != nil || answer.Response == nil {
				t.Fatalf("got %q, want an answer", b)
			}
			return answer
		}
		ram := ask(&packet.Message{ID: packet.IDInitLogin, Sender: []byte("alice"), Request: &packet.Request{
			InitLogin: &packet.InitLoginRequest{ClientRAM: []byte("x")}}}, true).Response.InitLogin.ServerRAM
		ask(&packet.Message{ID: packet.IDLogin, Request: &packet.Request{
			Login: &packet.LoginRequest{ServerRAM: ram, SecretRAM: []byte("x")}}}, false)
		ask(&packet.Message{ID: packet.IDService, Request: &packet.Request{Service: &packet.ServiceRequest{
			ServiceID: packet.ServiceRoom, Request: packet.Append(nil, &packet.RoomPacket{RoomID: []byte("r"), Up: joinOf("r")})}}}, false)
		for range 100 {
			s.publish("group/r", strings.Repeat("x", 10_000), 0)
			synctest.Wait()
		}
		if got := s.ximp.Stats(); got.Dropped == 0 || got.Dropped+got.RoomMessages != 100 {
			t.Errorf("%d messages were sent and %d dropped, want 100 and some dropped", got.RoomMessages, got.Dropped)
		}
	})
}

// TestDoorbell: what it says; unanswered ones stand for what comes later, and are rung again.
func TestDoorbell(t *testing.T) {
	inBubble(t, setup{}, func(s *testServer) {
		c := s.connect("alice").login("d")
		c.pull("peer", 0, 5)
		s.publish("user/alice", "1", 1, "from", "bob")
		m := c.next()
		n := m.Notify.NewMessage
		var content struct {
			Cmd  string
			Data struct {
				MsgID    int64 `json:"msg_id"`
				PushType int
			}
		}
		if err := json.Unmarshal(n.Content, &content); err != nil || content.Cmd != "push" || content.Data.MsgID != n.ID.Value || content.Data.PushType != 100 {
			t.Errorf("info_content: got %s", n.Content)
		}
		if m.ID != packet.IDNewMessage || string(m.Sender) != "bob" || string(m.Receiver) != "alice" || int64(m.SN) < 0 {
			t.Errorf("got %+v", m)
		}
		begun := time.Now()
		s.publish("user/alice", "2", 1)
		s.publish("user/alice", "3", 1)
		c.quiet()
		again := c.wantRing("peer")
		if got := time.Since(begun); got != 30*time.Second || again != n.ID.Value+2 {
			t.Errorf("rung again after %v with id %d, want 30 s, and %d", got, again, n.ID.Value+2)
		}
		c.wantBodies("peer", n.ID.Value, "1", "2", "3")
		c.pull("peer", again+1, 5)
		time.Sleep(time.Hour / 6)
		c.quiet()
	})
}

// TestDoorbellAtLogin: two seconds after the login each inbox that has something and was not pulled rings.
func TestDoorbellAtLogin(t *testing.T) {
	inBubble(t, setup{ximp: Config{RingSpread: -1}}, func(s *testServer) {
		s.connect("alice").login("d").close()
		synctest.Wait()
		s.publish("user/alice", "1", 1)
		s.publish("user/alice", "2", 1, "x-box", "im")
		s.publish("broadcast/ximp-4242", "3", 1)
		c := s.connect("alice").login("d")
		begun := time.Now()
		c.wantBodies("im", 0, "2")
		for _, box := range []string{"peer", "public"} {
			c.wantRing(box)
			if got := time.Since(begun); got != quietTime {
				t.Errorf("%s: rung after %v, want %v", box, got, quietTime)
			}
		}
	})
}

// TestSpread: the doorbells of a broadcast are spread.
func TestSpread(t *testing.T) {
	inBubble(t, setup{ximp: Config{RingSpread: 10 * time.Second}}, func(s *testServer) {
		var clients []*client
		for i := range 10 {
			c := s.connect(fmt.Sprint("user", i)).login("d")
			c.pull("public", 0, 5)
			clients = append(clients, c)
		}
		s.publish("broadcast/ximp-4242", "all", 1)
		start := time.Now()
		var mu sync.Mutex
		begun := make(map[time.Duration]bool)
		var all sync.WaitGroup
		for _, c := range clients {
			all.Go(func() {
				m := c.next()
				mu.Lock()
				defer mu.Unlock()
				begun[time.Since(start)] = true
				if m == nil || m.Notify == nil || m.Notify.NewMessage == nil {
					t.Errorf("got %s, want a doorbell", show(m))
				} else if n := m.Notify.NewMessage; len(m.Receiver) != 0 || n.Content != nil || n.QueryAfter.Value >= queryAfter ||
					string(n.InfoType) != "public" {
					t.Errorf("got %+v of %+v", n, m)
				}
			})
		}
		all.Wait()
		if len(begun) < 3 || time.Since(start) > 10*time.Second {
			t.Errorf("the doorbells rang within %v, at %d times; want them spread over 10 s", time.Since(start), len(begun))
		}
	})
}
