package client

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
	"github.com/holdfast-mqtt/holdfast/internal/memnet"
)

// messages is a WebSocket of gorilla's as a net.Conn: what it writes are messages,
// in fragments, with a ping before each.
type messages struct {
	*websocket.Conn
	t    *testing.T
	kind int
	rest []byte
}

func (m *messages) Read(b []byte) (int, error) {
	for len(m.rest) == 0 {
		kind, data, err := m.ReadMessage()
		if err != nil {
			return 0, err
		}
		if kind != m.kind {
			m.t.Errorf("got a message of type %d, want %d", kind, m.kind)
		}
		if f, n, err := packet.ReadFrame(data, 0); m.kind == websocket.BinaryMessage && (err != nil || n != len(data)) {
			m.t.Errorf("got %+v, %d, %v, want one packet a message", f, n, err)
		}
		m.rest = data
	}
	n := copy(b, m.rest)
	m.rest = m.rest[n:]
	return n, nil
}

func (m *messages) Write(b []byte) (int, error) {
	if err := m.WriteControl(websocket.PingMessage, []byte("p"), time.Now().Add(time.Minute)); err != nil {
		return 0, err
	}
	w, err := m.NextWriter(websocket.BinaryMessage)
	if err != nil {
		return 0, err
	}
	for chunk := range bytes.Lines(b) { // any cut will do
		if _, err := w.Write(chunk); err != nil {
			return 0, err
		}
	}
	return len(b), w.Close()
}

func (m *messages) SetDeadline(at time.Time) error {
	return errors.Join(m.SetReadDeadline(at), m.SetWriteDeadline(at))
}

// upgrade serves XIMP inside WebSocket by s.
func upgrade(t *testing.T, s *server, kind int) http.Handler {
	upgrader := websocket.Upgrader{WriteBufferSize: 8} // so that messages come in many frames
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" || r.Header.Get("Sec-WebSocket-Protocol") != "" {
			t.Errorf("got %s and subprotocol %q, want / and none", r.URL.Path, r.Header.Get("Sec-WebSocket-Protocol"))
		}
		ws, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		s.start(t, &messages{Conn: ws, t: t, kind: kind})
	})
}

func TestWebSocket(t *testing.T) {
	for _, secure := range []bool{false, true} {
		for _, text := range []bool{false, true} {
			big := strings.Repeat("content\n", 20_000)
			s := &server{sessionKey: sessionKey, loginKey: defaultKey, answer: func(s *server, m *packet.Message) {
				if string(m.Request.Chat.Body) == big {
					s.notifyRoom(&packet.RoomDown{Payload: packet.RoomNewMessage, New: roomMessage(big)})
				}
				s.reply(m, &packet.Response{Chat: &packet.ChatResponse{}})
			}}
			o, kind := guest(), websocket.BinaryMessage
			if text {
				o.Text, o.Header.Version, kind = true, 0, websocket.TextMessage
			}
			h := httptest.NewUnstartedServer(upgrade(t, s, kind))
			if o.URL = "ws"; secure {
				h.StartTLS()
				o.URL, o.TLS = "wss", h.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
				o.TLS.ServerName = "example.com"
			} else {
				h.Start()
			}
			o.URL += "://" + h.Listener.Addr().String() + "/"
			c, err := Dial(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			for _, body := range []string{"", strings.Repeat("s", 200), big} {
				if err := c.Chat(t.Context(), "a", []byte(body)); err != nil {
					t.Fatal(err)
				}
			}
			if e := nextEvent(t, c); len(e.Messages) != 1 || string(e.Messages[0].Content) != big {
				t.Errorf("got %d messages, want what was sent", len(e.Messages))
			}
			c.Close()
			h.Close()
		}
	}
}

// A ping is answered however long ago the client has written anything else.
func TestWebSocketLatePing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := memnet.Pipe()
		defer a.Close()
		defer b.Close()
		w := &webSocket{Conn: a, in: bufio.NewReader(a)}
		if err := w.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil { // as for each packet of a Client's
			t.Fatal(err)
		}
		if _, err := w.Write([]byte("beat")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * writeTimeout)
		if _, err := b.Write([]byte("\x89\x01p\x82\x01x")); err != nil {
			t.Fatal(err)
		}
		var data [8]byte
		if n, err := w.Read(data[:]); err != nil || string(data[:n]) != "x" {
			t.Fatalf("got %q and %v, want what follows the ping", data[:n], err)
		}
		var frames [2*2 + 2*4 + 4 + 1]byte
		if _, err := io.ReadFull(b, frames[:]); err != nil || frames[10] != 0x8A {
			t.Errorf("got % x and %v, want a message and a pong", frames, err)
		}
	})
}

func TestWebSocketClosed(t *testing.T) {
	s := &server{sessionKey: sessionKey, loginKey: defaultKey, answer: func(s *server, _ *packet.Message) {
		_ = s.conn.(*messages).WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1012, ""), time.Time{})
	}}
	h := httptest.NewServer(upgrade(t, s, websocket.BinaryMessage))
	defer h.Close()
	o := guest()
	o.URL = "ws://" + h.Listener.Addr().String()
	c, err := Dial(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var closed *CloseError
	if err := c.Chat(t.Context(), "a", nil); !errors.As(err, &closed) || closed.Code != 1012 {
		t.Errorf("got %v, want the server's code 1012", err)
	}
}

func TestWebSocketRefused(t *testing.T) {
	h := httptest.NewServer(http.NotFoundHandler())
	defer h.Close()
	o := guest()
	o.URL = "ws://" + h.Listener.Addr().String()
	if _, err := Dial(t.Context(), o); !errors.Is(err, ErrWebSocket) || !strings.Contains(err.Error(), "404") {
		t.Errorf("got %v, want %v with 404", err, ErrWebSocket)
	}
}

// Dial needs a server that is there, and over TLS one whose certificate is good.
func TestDial(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := &server{sessionKey: sessionKey, loginKey: defaultKey, answer: statusOnline}
	go func() {
		if conn, err := l.Accept(); err == nil {
			s.start(t, conn)
		}
	}()
	o := guest()
	o.URL = "ximp://" + l.Addr().String()
	c, err := Dial(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	h := httptest.NewTLSServer(nil)
	defer h.Close()
	o.URL = "ximps://" + h.Listener.Addr().String()
	var unknown *tls.CertificateVerificationError
	if _, err := Dial(t.Context(), o); !errors.As(err, &unknown) {
		t.Errorf("got %v, want the certificate refused", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Dial(ctx, o); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}
