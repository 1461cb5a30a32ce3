package client

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
	"github.com/holdfast-mqtt/holdfast/internal/memnet"
)

func bell(id int64) *packet.Message {
	return &packet.Message{ID: packet.IDNewMessage, SN: 1, Notify: &packet.Notify{NewMessage: &packet.NewMessage{
		InfoType: []byte(packet.BoxPeer), ID: packet.Some(id),
	}}}
}

// mailbox answers GetInfo from a box of messages 3, 6, 9 … 300 and keeps what has
// been acknowledged.
type mailbox struct {
	mu   sync.Mutex
	read int64
}

func (b *mailbox) answer(s *server, m *packet.Message) {
	get := m.Request.GetInfo
	b.mu.Lock()
	defer b.mu.Unlock()
	start := get.ID
	if start > 0 {
		b.read = max(b.read, start-1)
	} else {
		start = b.read + 1
	}
	r := &packet.GetInfoResponse{InfoType: get.InfoType, LastID: packet.Some[int64](300)}
	for id := int64(3); id <= 300 && len(r.Infos) < int(get.Offset.Value); id += 3 {
		if id >= start {
			stored := packet.Stored{ID: packet.Some(id), Body: []byte("b")}
			r.Infos = append(r.Infos, stored.Info())
		}
	}
	s.reply(m, &packet.Response{GetInfo: r})
}

func (b *mailbox) acknowledged() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.read
}

func TestPull(t *testing.T) {
	box := &mailbox{}
	c := guestOf(t, box.answer)
	inbox := c.Inbox(packet.BoxPeer, 0)
	var got []int64
	enough := errors.New("enough")
	take := func(stop int64) func(packet.Stored) error {
		return func(m packet.Stored) error {
			if m.ID.Value == stop {
				return enough
			}
			got = append(got, m.ID.Value)
			return nil
		}
	}
	if err := inbox.Pull(t.Context(), take(9)); !errors.Is(err, enough) || !slices.Equal(got, []int64{3, 6}) || inbox.Next() != 7 {
		t.Errorf("got %v, %v, next %d, want 3 and 6, and next 7", got, err, inbox.Next())
	}
	if err := c.Inbox(packet.BoxPeer, 0).Acknowledge(t.Context()); err != nil || box.acknowledged() != 0 {
		t.Errorf("got %d acknowledged, %v, want none", box.acknowledged(), err)
	}
	if err := inbox.Acknowledge(t.Context()); err != nil || box.acknowledged() != 6 {
		t.Errorf("got %d acknowledged, %v, want 6", box.acknowledged(), err)
	}
	if err := inbox.Pull(t.Context(), take(-1)); err != nil || len(got) != 100 || got[99] != 300 || !slices.IsSorted(got) {
		t.Errorf("got %v, %v, want each of 100 once", got, err)
	}
	if got := box.acknowledged(); got != 300 {
		t.Errorf("got %d acknowledged, want 300", got)
	}
	p, err := c.GetInfo(t.Context(), packet.BoxPeer, 4, 2)
	if err != nil || len(p.Messages) != 2 || p.Messages[0].ID.Value != 6 || p.LastID != 300 {
		t.Errorf("got %+v, %v, want 6 and 9 of 300", p, err)
	}
}

func TestChat(t *testing.T) {
	c := guestOf(t, func(s *server, m *packet.Message) {
		switch string(m.Receiver) {
		case "bob":
			s.reply(m, &packet.Response{Chat: &packet.ChatResponse{}})
		case "eve":
			s.reply(m, &packet.Response{Chat: &packet.ChatResponse{Result: 1}})
		case "odd":
			s.reply(m, &packet.Response{Logout: &packet.LogoutResponse{}})
		case "none":
			s.send(packet.Refuse(m.SN, packet.CodeReceiver, "none"))
		}
	})
	if err := c.Chat(t.Context(), "bob", []byte("hi")); err != nil {
		t.Errorf("got %v, want it accepted", err)
	}
	if err := c.Chat(t.Context(), "eve", []byte("hi")); !errors.Is(err, ErrRefused) {
		t.Errorf("got %v, want %v", err, ErrRefused)
	}
	if err := c.Chat(t.Context(), "odd", []byte("hi")); !errors.Is(err, ErrAnswer) {
		t.Errorf("got %v, want %v", err, ErrAnswer)
	}
	wantCode(t, c.Chat(t.Context(), "none", []byte("hi")), packet.CodeReceiver)
	if err := c.Err(); err != nil {
		t.Errorf("got %v, want the connection open", err)
	}
}

func TestLogout(t *testing.T) {
	for result, want := range map[uint32]error{0: nil, 1: ErrRefused} {
		c := guestOf(t, func(s *server, m *packet.Message) {
			s.reply(m, &packet.Response{Logout: &packet.LogoutResponse{Result: result}})
		})
		if err := c.Logout(t.Context(), "bye"); !errors.Is(err, want) {
			t.Errorf("%d: got %v, want %v", result, err, want)
		}
	}
}

// Answers find their requests, in whatever order they come.
func TestCallsAtOnce(t *testing.T) {
	const n = 20
	var held []*packet.Message
	c := guestOf(t, func(s *server, m *packet.Message) {
		if held = append(held, m); len(held) < n {
			return
		}
		s.send(bell(7)) // its number is one of theirs
		for _, m := range slices.Backward(held) {
			s.reply(m, &packet.Response{GetInfo: &packet.GetInfoResponse{
				InfoType: m.Request.GetInfo.InfoType, LastID: packet.Some(m.Request.GetInfo.ID),
			}})
		}
	})
	var wait sync.WaitGroup
	for i := range int64(n) {
		wait.Go(func() {
			if p, err := c.GetInfo(t.Context(), packet.BoxIM, i, 5); err != nil || p.LastID != i {
				t.Errorf("got %+v, %v, want %d", p, err, i)
			}
		})
	}
	wait.Wait()
	e := nextEvent(t, c)
	if box, id, ok := e.Doorbell(); box != packet.BoxPeer || id != 7 || !ok || e.Err() != nil {
		t.Errorf("got %s %d %t, want the doorbell", box, id, ok)
	}
}

// Who stops to wait does not harm the others, and Close ends all waiting.
func TestCallGivesUp(t *testing.T) {
	asked := make(chan struct{}, 2)
	c := guestOf(t, func(*server, *packet.Message) { asked <- struct{}{} })
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 2)
	go func() { result <- c.Chat(ctx, "a", nil) }()
	<-asked
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	go func() { result <- c.Chat(background, "b", nil) }()
	<-asked
	c.Close()
	if err := <-result; !errors.Is(err, ErrClosed) {
		t.Errorf("got %v, want %v", err, ErrClosed)
	}
	if err := c.Chat(background, "c", nil); !errors.Is(err, ErrClosed) || !errors.Is(c.Err(), ErrClosed) {
		t.Errorf("got %v and %v, want %v", err, c.Err(), ErrClosed)
	}
	if _, open := <-c.Events(); open {
		t.Error("got an event, want the end")
	}
}

// A server that says why it closes is quoted.
func TestRefusalEndsConnection(t *testing.T) {
	c := guestOf(t, func(s *server, m *packet.Message) {
		s.send(packet.Refuse(0, packet.CodeElsewhere, "other device"))
		s.conn.Close()
	})
	wantCode(t, c.Chat(t.Context(), "a", nil), packet.CodeElsewhere)
	<-c.Done()
	wantCode(t, c.Err(), packet.CodeElsewhere)
	e := nextEvent(t, c)
	wantCode(t, e.Err(), packet.CodeElsewhere)
}

func TestBrokenServer(t *testing.T) {
	for name, row := range map[string]struct {
		bytes string
		want  error
	}{
		"end":                  {"", io.EOF},
		"end within a packet":  {"\x00\x00\x00\x09a", io.ErrUnexpectedEOF},
		"length too small":     {"\x00\x00\x00\x02", packet.ErrLength},
		"length too large":     {"\x7f\x00\x00\x02", packet.ErrTooLarge},
		"magic once more":      {"qh\x00\x00\x00\x07a", ErrMagic},
		"not under the key":    {"\x00\x00\x00\x08abcd", packet.ErrProtobuf},
		"protocol of text":     {"wx00000004AAAA", packet.ErrTooLarge},
		"heartbeat, then junk": {"\x00\x00\x00\x00\x00\x00\x00\x01", packet.ErrLength},
	} {
		t.Run(name, func(t *testing.T) {
			c := guestOf(t, func(s *server, m *packet.Message) {
				s.write([]byte(row.bytes))
				s.conn.Close()
			})
			if err := c.Chat(t.Context(), "a", nil); !errors.Is(err, row.want) {
				t.Errorf("got %v, want %v", err, row.want)
			}
		})
	}
}

// Events beyond the queue are dropped and counted; answers are not held up.
func TestEventsDropped(t *testing.T) {
	o := guest()
	o.Events = 3
	c, err := connect(t, &server{sessionKey: sessionKey, loginKey: defaultKey, answer: func(s *server, m *packet.Message) {
		for id := range int64(10) {
			s.send(bell(id))
		}
		s.reply(m, &packet.Response{Chat: &packet.ChatResponse{}})
	}}, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Chat(t.Context(), "a", nil); err != nil {
		t.Fatal(err)
	}
	if got := c.Dropped(); got != 7 {
		t.Errorf("got %d dropped, want 7", got)
	}
	for want := range int64(3) {
		e := nextEvent(t, c)
		if _, id, _ := e.Doorbell(); id != want {
			t.Errorf("got %d, want %d", id, want)
		}
	}
}

func TestHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{sessionKey: sessionKey, loginKey: defaultKey, answer: statusOnline}
		o := guest()
		o.Heartbeat = 30 * time.Second
		a, b := memnet.Pipe()
		s.start(t, b)
		c, err := New(t.Context(), a, o)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(10*o.Heartbeat + time.Second)
		if err := c.Err(); err != nil {
			t.Fatalf("got %v, want the connection open", err)
		}
		c.Close()
		<-s.ended
		if s.heartbeats != 10 {
			t.Errorf("got %d heartbeats, want 10", s.heartbeats)
		}
	})
}

// A server that says nothing any more is given up.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{sessionKey: sessionKey, loginKey: defaultKey}
		a, b := memnet.Pipe()
		s.start(t, b)
		c, err := New(t.Context(), a, guest())
		if err != nil {
			t.Fatal(err)
		}
		b.FailWrites(errors.New("the network is gone"))
		start := time.Now()
		<-c.Done()
		if got, want := time.Since(start), 2*DefaultHeartbeat+silence; got != want {
			t.Errorf("got %v (%v), want %v", got, c.Err(), want)
		}
		c.Close()
		b.Close()
		<-s.ended
	})
}

func TestTrace(t *testing.T) {
	var mu sync.Mutex
	var got []string
	o := guest()
	o.Trace = func(sent bool, m *packet.Message) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, m.ID.String())
	}
	c, err := connect(t, &server{sessionKey: sessionKey, loginKey: defaultKey, answer: statusOnline}, o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Status(t.Context(), "u"); err != nil {
		t.Fatal(err)
	}
	want := []string{"InitLoginReq", "InitLoginResp", "LoginReq", "LoginResp", "Ex1QueryUserStatusReq", "Ex1QueryUserStatusResp"}
	mu.Lock()
	defer mu.Unlock()
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
