package client

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
	"github.com/holdfast-mqtt/holdfast/internal/memnet"
)

const (
	defaultKey packet.Key = "a-default-key"
	sessionKey packet.Key = "a-session-key"
	serverRAM             = "5577"
	salt                  = "some-salt"
)

var header = packet.Header{Version: 1, ClientVersion: 102, App: 77}

// server is the other end of a connection: it logs the client in as its fields say,
// and then answers by a function.
type server struct {
	conn       net.Conn
	answer     func(s *server, m *packet.Message)
	sessionKey packet.Key
	loginKey   packet.Key // of LoginResp
	refuse     packet.Code
	noMagic    bool

	// Owned by serve's goroutine; for tests once ended is closed, or in answer.
	header     packet.Header
	init       packet.Message
	login      packet.Message
	heartbeats int
	key        packet.Key
	ended      chan struct{}
}

// start serves conn until it ends.
func (s *server) start(t *testing.T, conn net.Conn) {
	s.conn, s.key, s.ended = conn, defaultKey, make(chan struct{})
	go func() {
		defer close(s.ended)
		defer conn.Close()
		s.serve(t)
	}()
	t.Cleanup(func() {
		conn.Close()
		<-s.ended
	})
}

func (s *server) serve(t *testing.T) {
	var held []byte
	chunk := make([]byte, 100)
	for {
		read := packet.ReadFrame
		if len(held) > 0 && held[0] == 'w' {
			read = packet.ReadText
		}
		f, n, err := read(held, packet.MaxBody)
		if err != nil {
			t.Errorf("got %v from the client, want packets", err)
			return
		}
		if n > 0 {
			held = append([]byte(nil), held[n:]...)
			if f.Heartbeat {
				s.heartbeats++
				s.write(packet.AppendHeartbeat(nil))
				continue
			}
			plain, err := f.Open(nil, s.key)
			m := new(packet.Message)
			if err == nil {
				err = packet.Decode(plain, m)
			}
			if err != nil {
				return // as a server does under another key
			}
			if f.HasHeader {
				s.header = f.Header
			}
			s.handle(m)
			continue
		}
		if n, err = s.conn.Read(chunk); err != nil {
			return
		}
		held = append(held, chunk[:n]...)
	}
}

func (s *server) write(b []byte) { _, _ = s.conn.Write(b) } // a client that is gone is seen when reading

func (s *server) send(m *packet.Message) { s.write(packet.AppendPacket(nil, m, s.key)) }

func (s *server) handle(m *packet.Message) {
	switch {
	case m.ID == packet.IDInitLogin:
		s.init = *m
		answer := &packet.Message{ID: m.ID.Response(), SN: m.SN, Response: &packet.Response{InitLogin: &packet.InitLoginResponse{
			ClientRAM: m.Request.InitLogin.ClientRAM, ServerRAM: []byte(serverRAM),
		}}}
		version := s.header.Version
		if s.noMagic {
			version = 0
		}
		s.write(packet.AppendFirstAnswer(nil, version, answer, s.key))
	case m.ID == packet.IDLogin && s.refuse != 0:
		s.send(packet.Refuse(m.SN, s.refuse, "no"))
		s.conn.Close()
	case m.ID == packet.IDLogin:
		s.login = *m
		s.key = s.loginKey
		s.send(&packet.Message{ID: m.ID.Response(), SN: m.SN, Response: &packet.Response{Login: &packet.LoginResponse{
			Timestamp: 5, SessionKey: []byte(s.sessionKey),
		}}})
		s.key = s.sessionKey
	default:
		s.answer(s, m)
	}
}

// reply answers m.
func (s *server) reply(m *packet.Message, r *packet.Response) {
	s.send(&packet.Message{ID: m.ID.Response(), SN: m.SN, Response: r})
}

func guest() Options {
	return Options{Header: header, DefaultKey: defaultKey, User: "guest-1", VerfSalt: salt, DeviceID: "d", Platform: "mobile"}
}

// connect returns a client of s, over memory.
func connect(t *testing.T, s *server, o Options) (*Client, error) {
	t.Helper()
	a, b := memnet.Pipe()
	s.start(t, b)
	c, err := New(t.Context(), a, o)
	if err == nil {
		t.Cleanup(c.Close)
	}
	return c, err
}

// guestOf returns a guest that has logged in at a server that answers so.
func guestOf(t *testing.T, answer func(*server, *packet.Message)) *Client {
	t.Helper()
	c, err := connect(t, &server{answer: answer, sessionKey: sessionKey, loginKey: "guest-1"}, guest())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func wantCode(t *testing.T, err error, want packet.Code) {
	t.Helper()
	var e *packet.Error
	if !errors.As(err, &e) || e.Code != want {
		t.Errorf("got %v, want error %d", err, want)
	}
}

// roomReply answers a request to the room service.
func (s *server) roomReply(m *packet.Message, down *packet.RoomDown) {
	s.reply(m, &packet.Response{Service: &packet.ServiceResponse{
		ServiceID: packet.ServiceRoom,
		Response:  packet.Append(nil, &packet.RoomPacket{RoomID: []byte("r"), Down: down}),
	}})
}

// notifyRoom sends what happened in the room.
func (s *server) notifyRoom(down *packet.RoomDown) {
	s.send(&packet.Message{ID: packet.IDNewMessage, SN: 1, Notify: &packet.Notify{NewMessage: &packet.NewMessage{
		InfoType: []byte(packet.BoxRoom),
		Content:  packet.Append(nil, &packet.RoomPacket{RoomID: []byte("r"), Down: down}),
	}}})
}

func nextEvent(t *testing.T, c *Client) Event {
	t.Helper()
	e, ok := <-c.Events()
	if !ok {
		t.Fatalf("got the end: %v, want an event", c.Err())
	}
	return e
}

var background = context.Background()
