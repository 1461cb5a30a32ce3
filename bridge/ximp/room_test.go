package ximp

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
	"github.com/holdfast-mqtt/holdfast/broker"
)

// room asks the room service and takes its answer.
func (c *client) room(room string, up *packet.RoomUp) *packet.RoomDown {
	c.t.Helper()
	sn := c.sendRoom(room, up)
	m := c.next()
	if m == nil || m.Response == nil || m.Response.Service == nil || m.SN != sn {
		c.t.Fatalf("got %s, want an answer of the room service", show(m))
	}
	var p packet.RoomPacket
	if err := packet.Decode(m.Response.Service.Response, &p); err != nil || p.Down == nil || string(p.RoomID) != room {
		c.t.Fatalf("got %+v and %v, want an answer about %s", p, err, room)
	}
	if p.Down.Payload != up.Payload {
		c.t.Errorf("payload type of the answer: got %d, want %d", p.Down.Payload, up.Payload)
	}
	return p.Down
}

func (c *client) sendRoom(room string, up *packet.RoomUp) uint64 {
	return c.request(packet.IDService, packet.Request{Service: &packet.ServiceRequest{
		ServiceID: packet.ServiceRoom, Request: packet.Append(nil, &packet.RoomPacket{RoomID: []byte(room), Up: up}),
	}})
}

func joinOf(room string) *packet.RoomUp {
	return &packet.RoomUp{Payload: packet.RoomJoin, Join: &packet.RoomJoinRequest{RoomID: []byte(room)}}
}

func quitOf(room string) *packet.RoomUp {
	return &packet.RoomUp{Payload: packet.RoomQuit, Quit: &packet.RoomQuitRequest{RoomID: []byte(room)}}
}

func queryOfRoom(room string) *packet.RoomUp {
	return &packet.RoomUp{Payload: packet.RoomQuery, Query: &packet.RoomQueryRequest{RoomID: []byte(room)}}
}

func subscribeOf(room string, on bool) *packet.RoomUp {
	return &packet.RoomUp{Payload: packet.RoomSubscribe, Subscribe: &packet.RoomSubscription{
		RoomID: []byte(room), On: packet.Some(on)}}
}

// talk waits for what a room has to say.
func (c *client) talk() (*packet.Message, *packet.RoomPacket) {
	c.t.Helper()
	m := c.next()
	if m == nil || m.Notify == nil || m.Notify.NewMessage == nil || string(m.Notify.NewMessage.InfoType) != packet.BoxRoom {
		c.t.Fatalf("got %s, want a room's message", show(m))
	}
	p := new(packet.RoomPacket)
	if err := packet.Decode(m.Notify.NewMessage.Content, p); err != nil || p.Down == nil {
		c.t.Fatalf("got %+v and %v, want a room's message", p, err)
	}
	return m, p
}

// TestRoom: joining, quitting and switching decide who gets a room's messages.
func TestRoom(t *testing.T) {
	const room = "r/1 +#" // encoded in the topic
	inBubble(t, setup{}, func(s *testServer) {
		c := s.connect("42a").login("d")
		says := func(when string, want bool) {
			t.Helper()
			time.Sleep(time.Second)
			s.publish("group/r%2F1%20%2B%23", when, 1)
			if !want {
				c.quiet()
				return
			}
			m, p := c.talk()
			if p.Down.New == nil || string(p.Down.New.Content) != when || string(p.Down.New.RoomID) != room || string(p.RoomID) != room ||
				p.Down.New.ID.Set || m.Notify.NewMessage.ID.Value != 0 || p.App.Value != testAppID {
				t.Errorf("%s: got %+v", when, p.Down.New)
			}
		}
		says("before", false)
		for range 2 {
			d := c.room(room, joinOf(room))
			if r := d.Join.Room; d.Result != 0 || string(r.RoomID) != room || len(r.Members) != 1 || string(r.Members[0].UserID) != "42a" ||
				!r.MaxID.Set || !r.Version.Set || r.Type == nil || len(r.Properties) != 2 || !d.Join.PullLost.Value {
				t.Errorf("join: got result %d and %+v", d.Result, r)
			}
		}
		says("joined", true)
		if d := c.room(room, subscribeOf(room, false)); d.Result != 0 || d.Subscribe.On.Value {
			t.Errorf("switch off: got %+v", d)
		}
		says("switched off", false)
		if d := c.room(room, subscribeOf(room, true)); d.Result != 0 || !d.Subscribe.On.Value {
			t.Errorf("switch on: got %+v", d)
		}
		says("switched on", true)
		if d := c.room(room, quitOf(room)); d.Result != 0 || string(d.Quit.Room.RoomID) != room {
			t.Errorf("quit: got %+v", d)
		}
		says("quit", false)
		c.room(room, subscribeOf(room, true)) // no membership is needed
		says("not a member", true)
		c.room(room, quitOf(room))
		says("quit again", false)
	})
}

// TestRoomQuery: how many there are in a room.
func TestRoomQuery(t *testing.T) {
	inBubble(t, setup{listener: Listener{Rules: &Rules{RegisteredGuests: true}}}, func(s *testServer) {
		alice, bob, registered := s.connect("alice").login("d"), s.connect("bob").login("d"), s.connect("1234").login("d")
		counts := func() string {
			d := alice.room("r", queryOfRoom("r"))
			var all string
			for _, p := range d.Query.Room.Properties {
				all += fmt.Sprintf("%s=%s ", p.Key, p.Value)
			}
			return all
		}
		for _, c := range []*client{alice, alice, bob, registered} {
			c.room("r", joinOf("r"))
		}
		if got, want := counts(), "regmemcount=1 memcount=3 "; got != want {
			t.Errorf("three members: got %s, want %s", got, want)
		}
		bob.close()
		registered.room("r", quitOf("r"))
		synctest.Wait()
		if got, want := counts(), "regmemcount=0 memcount=1 "; got != want {
			t.Errorf("one member: got %s, want %s", got, want)
		}
		alice.wantError(alice.sendRoom("other", queryOfRoom("other")), packet.CodeRefused)
	})
}

// TestRoomEnds: membership ends with the connection, though the Session goes on.
func TestRoomEnds(t *testing.T) {
	inBubble(t, setup{}, func(s *testServer) {
		c := s.connect("alice").login("d")
		c.room("r", joinOf("r"))
		c = s.connect("alice").login("d") // takes over
		s.publish("group/r", "x", 0)
		c.quiet()
	})
}

// TestRoomRequests: what is wrong with a request closes the connection.
func TestRoomRequests(t *testing.T) {
	for _, tt := range []struct {
		name, room string
		up         *packet.RoomUp
	}{
		{"no room", "", joinOf("r")},
		{"no room inside", "r", joinOf("")},
		{"nothing asked", "r", nil},
		{"a room too long", strings.Repeat("r", maxName+1), joinOf("r")},
		{"a room to listen to too long", "r", subscribeOf(strings.Repeat("r", maxName+1), true)},
		{"unknown payload", "r", &packet.RoomUp{Payload: 100}},
		{"another request than the payload says", "r", &packet.RoomUp{Payload: packet.RoomQuit, Join: joinOf("r").Join}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, setup{}, func(s *testServer) {
				c := s.connect("alice").login("d")
				c.wantError(c.sendRoom(tt.room, tt.up), packet.CodeParameter)
			})
		})
	}
}

// TestRoomLimits: rooms that the rules deny, and one too many.
func TestRoomLimits(t *testing.T) {
	cfg := setup{ximp: Config{Authorizer: only("group/a", "group/b"), MaxRooms: 1}}
	inBubble(t, cfg, func(s *testServer) {
		c := s.connect("alice").login("d")
		for _, tt := range []struct {
			room string
			want int32
		}{{"other", resultDenied}, {"a", 0}, {"b", resultFull}, {"a", 0}} {
			if d := c.room(tt.room, joinOf(tt.room)); d.Result != tt.want || string(d.Join.Room.RoomID) != tt.room {
				t.Errorf("join %s: got result %d, want %d", tt.room, d.Result, tt.want)
			}
		}
		if d := c.room("other", subscribeOf("other", true)); d.Result != resultDenied {
			t.Errorf("switch on what is denied: got result %d, want %d", d.Result, resultDenied)
		}
	})
}

// only is an Authorizer that allows these topics.
func only(topics ...string) broker.Authorizer { return allowed(topics) }

type allowed []string

func (l allowed) OnACLCheck(a *broker.Access) broker.Decision {
	if slices.Contains(l, a.Topic) {
		return broker.Allow
	}
	return broker.Deny
}

// TestBundle: three or more messages within a moment come together, ten at most, each as a gzip member; the first comes at once.
func TestBundle(t *testing.T) {
	inBubble(t, setup{}, func(s *testServer) {
		c := s.connect("alice").login("d")
		c.room("r", joinOf("r"))
		say := func(from, to int) {
			for i := from; i <= to; i++ {
				s.publish("group/r", fmt.Sprint(i), 0, "from", "bob", "x-room-msgid", fmt.Sprint(100+i))
			}
		}
		say(1, 1)
		m, p := c.talk()
		if n := p.Down.New; n == nil || string(n.Content) != "1" || n.ID.Value != 101 || n.MaxID.Value != 101 || string(n.Sender.UserID) != "bob" ||
			m.Notify.NewMessage.ID.Value != 101 || string(m.Sender) != "bob" {
			t.Errorf("a message of its own: got %+v", n)
		}
		say(2, 14)
		var got []string
		for _, want := range []int{10, 3} {
			m, p := c.talk()
			if p.Down.Payload != packet.RoomBundle || len(p.Down.Bundle) != want || m.Notify.NewMessage.ID.Value != 0 || len(m.Sender) != 0 {
				t.Fatalf("got payload %d with %d messages, want a bundle of %d", p.Down.Payload, len(p.Down.Bundle), want)
			}
			for _, b := range p.Down.Bundle {
				plain, err := packet.Inflate(b.Data, packet.MaxInflated)
				n := new(packet.RoomMessage)
				if err != nil || packet.Decode(plain, n) != nil || b.Type != int32(packet.RoomNewMessage) {
					t.Fatalf("got %+v and %v, want a message", b, err)
				}
				got = append(got, string(n.Content))
			}
		}
		say(15, 16)
		for range 2 {
			_, p := c.talk()
			if p.Down.New == nil {
				t.Fatal("two messages come in a bundle")
			}
			got = append(got, string(p.Down.New.Content))
		}
		var want []string
		for i := 2; i <= 16; i++ {
			want = append(want, fmt.Sprint(i))
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		if got := s.ximp.Stats().RoomMessages; got != 16 {
			t.Errorf("RoomMessages: got %d, want 16", got)
		}
	})
}

// TestBundleLarge: a large message is not compressed for each member of its room, and splits a bundle.
func TestBundleLarge(t *testing.T) {
	inBubble(t, setup{}, func(s *testServer) {
		c := s.connect("alice").login("d")
		c.room("r", joinOf("r"))
		s.publish("group/r", "at once", 0)
		c.talk()
		large := strings.Repeat("x", maxZipKept+1)
		for _, m := range []string{"1", "2", "3", large, "5", "6", "7", "8"} {
			s.publish("group/r", m, 0)
		}
		for _, want := range []int{3, 0, 4} {
			_, p := c.talk()
			if got := len(p.Down.Bundle); got != want || want == 0 && string(p.Down.New.Content) != large {
				t.Errorf("got payload %d with %d messages, want %d", p.Down.Payload, got, want)
			}
		}
	})
}

// TestZipCache: the messages of several rooms whose members take turns are made gzip members once.
func TestZipCache(t *testing.T) {
	var z zipCache
	var messages []*broker.Message
	for range 5 * bundleMost {
		messages = append(messages, new(broker.Message))
	}
	made := 0
	for range 3 {
		for i, m := range messages {
			if got := z.of(m, func() []byte { made++; return []byte{byte(i)} }); got[0] != byte(i) {
				t.Errorf("message %d: got that of %d", i, got[0])
			}
		}
	}
	if made != len(messages) {
		t.Errorf("made %d members of %d messages", made, len(messages))
	}
}

// TestRoomQueue: messages of a room that a connection has no room for are dropped and counted.
func TestRoomQueue(t *testing.T) {
	inBubble(t, setup{ximp: Config{MaxRoomQueue: 2}}, func(s *testServer) {
		c := s.connect("alice").login("d")
		c.room("r", joinOf("r"))
		s.publish("group/r", "at once", 0)
		c.talk()
		for i := range 5 {
			s.publish("group/r", fmt.Sprint(i), 0)
		}
		for range 2 {
			c.talk()
		}
		c.quiet()
		if got := s.ximp.Stats().Dropped; got != 3 {
			t.Errorf("Dropped: got %d, want 3", got)
		}
	})
}
