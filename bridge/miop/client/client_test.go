package client

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/holdfast-mqtt/holdfast/bridge/miop/packet"
	"github.com/holdfast-mqtt/holdfast/internal/memnet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is the other end, written by hand.
type server struct {
	t    *testing.T
	conn net.Conn
	buf  []byte
}

// connect returns a Client and its server.
func connect(t *testing.T, o Options) (*Client, *server) {
	t.Helper()
	ln := memnet.Listen("server")
	nc, err := ln.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	far, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c := New(nc, o)
	t.Cleanup(func() {
		c.Close()
		far.Close()
		ln.Close()
	})
	return c, &server{t: t, conn: far}
}

// expect reads a frame.
func (s *server) expect(op packet.Opcode) packet.Frame {
	s.t.Helper()
	for {
		f, n, err := packet.ReadFrame(s.buf)
		if err != nil {
			s.t.Fatal(err)
		}
		if n > 0 {
			s.buf = slices.Clone(s.buf[n:])
			if f.Opcode != op {
				s.t.Fatalf("got %v, want %v", f.Opcode, op)
			}
			return f
		}
		b := make([]byte, 4096)
		k, err := s.conn.Read(b)
		if err != nil {
			s.t.Fatalf("%v, want %v", err, op)
		}
		s.buf = append(s.buf, b[:k]...)
	}
}

func (s *server) send(op packet.Opcode, p packet.Props, data []byte) {
	s.t.Helper()
	f := packet.Frame{Version: 5, Opcode: op, Props: p, Data: data}
	if _, err := s.conn.Write(packet.AppendFrame(nil, &f)); err != nil {
		s.t.Fatal(err)
	}
}

func TestBindAndMessages(t *testing.T) {
	c, s := connect(t, Options{})
	bound := make(chan error, 1)
	go func() {
		bound <- c.Bind(context.Background(), packet.BindRequest{User: []byte("alice"), AppID: 9, KeepAlive: 300})
	}()
	if u, _ := s.expect(packet.Bind).Props.Get("u"); string(u) != "alice@9" {
		t.Errorf("got u:%s, want alice@9", u)
	}
	s.send(packet.BindAck, packet.Props("id:9\nr:0"), nil)
	if err := <-bound; err != nil {
		t.Fatal(err)
	}
	data := packet.AppendEntry(nil, packet.Long, &packet.Entry{ID: 1, AppID: 9, Body: []byte("one")})
	data = packet.AppendEntry(data, packet.Long, &packet.Entry{ID: 2, AppID: 9, Body: []byte("two")})
	s.send(packet.Msg, packet.Props("ack:7"), data)
	for _, want := range []string{"one", "two"} {
		if m := <-c.Messages(); string(m.Body) != want || m.AppID != 9 || m.Ack != 7 {
			t.Errorf("got %+v, want %s", m, want)
		}
	}
	if ack, _ := s.expect(packet.MsgAck).Props.Uint("ack"); ack != 7 {
		t.Errorf("got ack:%d, want 7", ack)
	}
	s.send(packet.Msg, packet.Props("ack:0"), data)
	s.send(packet.Ping, nil, nil)
	s.expect(packet.Pong) // and no acknowledgement before
	s.conn.Close()
	<-c.Done()
	if !errors.Is(c.Err(), io.EOF) {
		t.Errorf("got %v, want EOF", c.Err())
	}
}

func TestAnswers(t *testing.T) {
	for _, tt := range []struct {
		name   string
		ask    func(*Client) error
		op     packet.Opcode
		answer packet.Opcode
		props  string
		want   error
	}{
		{"refused", func(c *Client) error {
			return c.Bind(context.Background(), packet.BindRequest{User: []byte("a"), AppID: 1})
		}, packet.Bind, packet.BindAck, "id:1\nr:2", &Refused{2}},
		{"rebind", func(c *Client) error {
			return c.Rebind(context.Background(), packet.BindRequest{User: []byte("a"), AppID: 1})
		}, packet.Rebind, packet.RebindAck, "id:1\nr:0", nil},
		{"unbind", func(c *Client) error { return c.Unbind(context.Background(), "a", 1) }, packet.Unbind, packet.UnbindAck, "id:1\nr:0", nil},
		{"unknown", func(c *Client) error { return c.Unbind(context.Background(), "a", 1) }, packet.Unbind, packet.UnbindAck, "id:1\nr:1", &Refused{1}},
		{"upload", func(c *Client) error { return c.Upload(context.Background(), "a", 1, []byte("x"), nil) }, packet.UploadData, packet.UploadDataAck, "ack:1\nr:0", nil},
		{"upload refused", func(c *Client) error { return c.Upload(context.Background(), "a", 1, []byte("x")) }, packet.UploadData, packet.UploadDataAck, "ack:1\nr:1", ErrUpload},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, s := connect(t, Options{})
			done := make(chan error, 1)
			go func() { done <- tt.ask(c) }()
			s.expect(tt.op)
			s.send(tt.answer, packet.Props(tt.props), nil)
			got := <-done
			if refused, ok := errors.AsType[*Refused](tt.want); ok {
				if r, ok := errors.AsType[*Refused](got); !ok || *r != *refused {
					t.Errorf("got %v, want %v", got, tt.want)
				}
			} else if !errors.Is(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestCallEndsWithContext(t *testing.T) {
	c, s := connect(t, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Unbind(ctx, "a", 1) }()
	s.expect(packet.Unbind)
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	c.Close()
	if err := c.Ack(1); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v, want %v", err, ErrClosed)
	}
}

func TestKickAndMove(t *testing.T) {
	c, s := connect(t, Options{})
	s.send(packet.Migrate, packet.Props("id:1\naddr:192.0.2.1"), nil)
	s.send(packet.Kick, packet.Props("id:1\nr:1"), nil)
	<-c.Done()
	if !errors.Is(c.Err(), ErrKicked) || c.MoveTo() != "192.0.2.1" {
		t.Errorf("got %v, to %q", c.Err(), c.MoveTo())
	}
}

func TestKeepAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := connect(t, Options{KeepAlive: time.Minute})
		began := time.Now()
		s.expect(packet.Ping)
		if got := time.Since(began); got != time.Minute {
			t.Errorf("Ping after %v, want 1m", got)
		}
		s.send(packet.Pong, nil, nil)
		s.expect(packet.Ping)
		<-c.Done()
		if got := time.Since(began); !errors.Is(c.Err(), ErrSilent) || got != 2*time.Minute+pingTimeout {
			t.Errorf("ended with %v after %v", c.Err(), got)
		}
	})
}

// TestKeepAliveFull: a client whose messages nobody takes does not call the server silent, and still shows that it is there.
func TestKeepAliveFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := connect(t, Options{KeepAlive: time.Minute, Queue: 1})
		for id := range uint64(2) {
			s.send(packet.Msg, packet.Props("ack:0"), packet.AppendEntry(nil, packet.Long, &packet.Entry{ID: id, AppID: 9}))
		}
		for range 3 {
			s.expect(packet.Ping)
			s.send(packet.Pong, nil, nil)
		}
		for id := range uint64(2) {
			if m, ok := <-c.Messages(); !ok || m.ID != id {
				t.Fatalf("got %+v with %v, want message %d", m, c.Err(), id)
			}
		}
		s.expect(packet.Ping)
		<-c.Done()
		if !errors.Is(c.Err(), ErrSilent) {
			t.Errorf("ended with %v, want %v once nothing comes", c.Err(), ErrSilent)
		}
	})
}

// TestWriteTimeout: after a frame that could not be written in time the connection is over, since the next would be read as its rest.
func TestWriteTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := connect(t, Options{KeepAlive: time.Hour})
		c.conn.(*memnet.Conn).BlockWrites(true)
		began := time.Now()
		err := c.Upload(t.Context(), "a", 1, []byte("x"))
		if !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) != writeTimeout {
			t.Errorf("got %v after %v, want the deadline after %v", err, time.Since(began), writeTimeout)
		}
		select {
		case <-c.Done():
			if !errors.Is(c.Err(), os.ErrDeadlineExceeded) {
				t.Errorf("ended with %v", c.Err())
			}
		default:
			t.Error("the connection goes on")
		}
	})
}

func TestManualAck(t *testing.T) {
	c, s := connect(t, Options{Manual: true})
	body := make([]byte, 100_000)
	s.send(packet.Msg, packet.Props("ack:1"), packet.AppendEntry(nil, packet.Long, &packet.Entry{ID: 1, AppID: 9, Body: body}))
	if m := <-c.Messages(); len(m.Body) != len(body) {
		t.Errorf("got %d bytes, want %d", len(m.Body), len(body))
	}
	if err := c.Ack(1); err != nil {
		t.Fatal(err)
	}
	s.expect(packet.MsgAck)
}
