package client

import (
	"bytes"
	"errors"
	"testing"

	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
)

// roomUp is the room's request in m.
func roomUp(t *testing.T, m *packet.Message) *packet.RoomUp {
	var p packet.RoomPacket
	if err := packet.Decode(m.Request.Service.Request, &p); err != nil || string(p.RoomID) != "r" && string(p.RoomID) != "shut" {
		t.Errorf("got %+v, %v, want a packet of room r", p, err)
		return &packet.RoomUp{}
	}
	return p.Up
}

func TestRoom(t *testing.T) {
	room := func(key, value string) *packet.Room {
		return &packet.Room{RoomID: []byte("r"), Properties: []packet.RoomPair{{Key: []byte(key), Value: []byte(value)}}}
	}
	c := guestOf(t, func(s *server, m *packet.Message) {
		up := roomUp(t, m)
		down := &packet.RoomDown{Payload: up.Payload}
		switch {
		case up.Join != nil && string(up.Join.RoomID) == "shut":
			down.Result, down.Reason = 7, []byte("members only")
		case up.Join != nil:
			down.Join = &packet.RoomJoinAnswer{Room: up.Join.Room}
		case up.Query != nil:
			down.Query = &packet.RoomAnswer{Room: room(packet.RoomMemberCount, "5")}
		case up.Quit != nil:
			down.Quit = &packet.RoomAnswer{Room: room("", "")}
		case up.Subscribe != nil:
			down.Subscribe = up.Subscribe
		case up.Send != nil:
			down.Send = &packet.RoomSendAnswer{ID: packet.Some(uint64(len(up.Send.Content)))}
		}
		s.roomReply(m, down)
	})
	joined, err := c.Join(t.Context(), "r", map[string]string{"k": "v"})
	if err != nil || len(joined.Properties) != 1 || string(joined.Properties[0].Value) != "v" {
		t.Errorf("got %+v, %v, want the arguments back", joined, err)
	}
	var refused *RoomError
	if _, err := c.Join(t.Context(), "shut", nil); !errors.As(err, &refused) || refused.Result != 7 || refused.Reason != "members only" {
		t.Errorf("got %v, want a refusal with result 7", err)
	}
	if r, err := c.Room(t.Context(), "r"); err != nil || string(r.Properties[0].Value) != "5" {
		t.Errorf("got %+v, %v, want 5 members", r, err)
	}
	if err := c.Subscribe(t.Context(), "r", false); err != nil {
		t.Error(err)
	}
	if id, err := c.SendRoom(t.Context(), "r", []byte("four")); err != nil || id != 4 {
		t.Errorf("got %d, %v, want 4", id, err)
	}
	if err := c.Quit(t.Context(), "r"); err != nil {
		t.Error(err)
	}
}

func roomMessage(text string) *packet.RoomMessage {
	return &packet.RoomMessage{RoomID: []byte("r"), Content: []byte(text)}
}

func bundled(kind uint32, m packet.Part) packet.RoomBundled {
	return packet.RoomBundled{Type: int32(kind), Data: packet.Gzip(packet.Append(nil, m))}
}

func TestRoomEvents(t *testing.T) {
	change := &packet.RoomChange{Room: &packet.Room{RoomID: []byte("r"), Members: []packet.RoomUser{{UserID: []byte("u")}}}}
	c := guestOf(t, func(s *server, m *packet.Message) {
		s.notifyRoom(&packet.RoomDown{Payload: packet.RoomNewMessage, New: roomMessage("alone")})
		s.notifyRoom(&packet.RoomDown{Payload: packet.RoomBundle, Bundle: []packet.RoomBundled{
			bundled(packet.RoomNewMessage, roomMessage("one")), bundled(packet.RoomJoined, change),
			bundled(packet.RoomNewMessage, roomMessage("two")), bundled(packet.RoomLeft, change), bundled(4000, change),
		}})
		s.notifyRoom(&packet.RoomDown{Payload: packet.RoomJoined, Joined: change, Left: change})
		s.reply(m, &packet.Response{Chat: &packet.ChatResponse{}})
	})
	if err := c.Chat(t.Context(), "a", nil); err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct {
		texts        []string
		joined, left int
	}{{[]string{"alone"}, 0, 0}, {[]string{"one", "two"}, 1, 1}, {nil, 1, 1}} {
		e := nextEvent(t, c)
		if e.Room == nil || len(e.Messages) != len(want.texts) || len(e.Joined) != want.joined || len(e.Left) != want.left {
			t.Errorf("got %+v, want %+v", e, want)
			continue
		}
		for i, text := range want.texts {
			if got := string(e.Messages[i].Content); got != text {
				t.Errorf("got %q, want %q", got, text)
			}
		}
		if _, _, ok := e.Doorbell(); ok {
			t.Error("got a doorbell, want a room's notify")
		}
	}
}

// A bundle may hold 1 MiB, in sum.
func TestBundleTooLarge(t *testing.T) {
	c := guestOf(t, func(s *server, _ *packet.Message) {
		half := roomMessage(string(bytes.Repeat([]byte("a"), packet.MaxInflated/2)))
		s.notifyRoom(&packet.RoomDown{Payload: packet.RoomBundle, Bundle: []packet.RoomBundled{
			bundled(packet.RoomNewMessage, half), bundled(packet.RoomNewMessage, half),
		}})
	})
	if err := c.Chat(t.Context(), "a", nil); !errors.Is(err, packet.ErrTooLarge) {
		t.Errorf("got %v, want %v", err, packet.ErrTooLarge)
	}
}

func TestRoomMessages(t *testing.T) {
	c := guestOf(t, func(s *server, m *packet.Message) {
		get := m.Request.GetMultiInfos
		r := &packet.GetMultiInfosResponse{InfoType: get.InfoType, SParameter: get.SParameter, LastID: packet.Some[int64](9)}
		for _, id := range get.IDs {
			stored := packet.Stored{ID: packet.Some(id), Valid: packet.Some[uint32](0)}
			if id == 8 {
				stored.Valid, stored.Body = packet.Some[uint32](1), packet.Gzip(packet.Append(nil, roomMessage("eight")))
			}
			r.Infos = append(r.Infos, stored.Info())
		}
		s.reply(m, &packet.Response{GetMultiInfos: r})
	})
	p, err := c.GetRoomMessages(t.Context(), "r", 7, 8)
	if err != nil || len(p.Messages) != 2 || p.Messages[0].Valid.Value != 0 || p.LastID != 9 {
		t.Fatalf("got %+v, %v, want 7 gone and 8", p, err)
	}
	if m, err := Unzip(p.Messages[1].Body); err != nil || string(m.Content) != "eight" {
		t.Errorf("got %+v, %v, want its text", m, err)
	}
	if _, err := Unzip([]byte("no gzip")); !errors.Is(err, packet.ErrGzip) {
		t.Errorf("got %v, want %v", err, packet.ErrGzip)
	}
}
