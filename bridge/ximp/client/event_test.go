package client

import (
	"errors"
	"testing"

	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
)

// TestEventBytes: what waits is bounded in bytes, lists with what they take in memory; an event that is taken makes room again.
func TestEventBytes(t *testing.T) {
	const most = 1 << 20
	large := func(s *server) {
		s.send(&packet.Message{ID: packet.IDNewMessage, SN: 1, Notify: &packet.Notify{NewMessage: &packet.NewMessage{
			InfoType: []byte(packet.BoxPeer), Content: make([]byte, 100_000),
		}}})
	}
	members := func(s *server) {
		room := &packet.Room{RoomID: []byte("r"), Members: make([]packet.RoomUser, 400)} // two bytes each
		s.notifyRoom(&packet.RoomDown{Payload: packet.RoomJoined, Joined: &packet.RoomChange{Room: room}})
	}
	zipped := func(s *server) {
		s.notifyRoom(&packet.RoomDown{Payload: packet.RoomBundle, Bundle: []packet.RoomBundled{
			bundled(packet.RoomNewMessage, roomMessage(string(make([]byte, 100_000)))),
		}})
	}
	for name, send := range map[string]func(*server){"large": large, "members": members, "zipped": zipped} {
		t.Run(name, func(t *testing.T) {
			o := guest()
			o.EventBytes = most
			c, err := connect(t, &server{sessionKey: sessionKey, loginKey: defaultKey, answer: func(s *server, m *packet.Message) {
				for range 15 {
					send(s)
				}
				s.reply(m, &packet.Response{Chat: &packet.ChatResponse{}})
			}}, o)
			if err != nil {
				t.Fatal(err)
			}
			chat := func(waiting int, dropped uint64) {
				t.Helper()
				if err := c.Chat(t.Context(), "a", nil); err != nil {
					t.Fatal(err)
				}
				if got := len(c.Events()); got != waiting || c.Dropped() != dropped {
					t.Errorf("%d events wait and %d are dropped, want %d and %d", got, c.Dropped(), waiting, dropped)
				}
			}
			chat(10, 5)
			for range 3 {
				nextEvent(t, c)
			}
			chat(10, 17)
		})
	}
}

// TestOneEvent: one event may wait, however large it is.
func TestOneEvent(t *testing.T) {
	o := guest()
	o.EventBytes = 1
	c, err := connect(t, &server{sessionKey: sessionKey, loginKey: defaultKey, answer: func(s *server, m *packet.Message) {
		s.send(bell(1))
		s.send(bell(2))
		s.reply(m, &packet.Response{Chat: &packet.ChatResponse{}})
	}}, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Chat(t.Context(), "a", nil); err != nil || len(c.Events()) != 1 || c.Dropped() != 1 {
		t.Errorf("got %v, %d events and %d dropped, want one of each", err, len(c.Events()), c.Dropped())
	}
}

// TestBundleElements: the lists of all messages in a bundle together have as many elements as those of one packet.
func TestBundleElements(t *testing.T) {
	c := guestOf(t, func(s *server, _ *packet.Message) {
		room := &packet.Room{RoomID: []byte("r"), Members: make([]packet.RoomUser, packet.MaxElements/2)}
		half := bundled(packet.RoomJoined, &packet.RoomChange{Room: room})
		s.notifyRoom(&packet.RoomDown{Payload: packet.RoomBundle, Bundle: []packet.RoomBundled{half, half}})
	})
	if err := c.Chat(t.Context(), "a", nil); !errors.Is(err, packet.ErrElements) {
		t.Errorf("got %v, want %v", err, packet.ErrElements)
	}
}
