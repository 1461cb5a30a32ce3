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
	mqtt "github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
	"github.com/holdfast-mqtt/holdfast/broker/topic"
	"github.com/holdfast-mqtt/holdfast/storage/memory"
)

// product is a subscriber of what clients send.
type product struct {
	got  chan broker.Message
	full bool
}

func (p *product) Deliver(d *broker.Delivery) broker.Verdict {
	if p.full {
		return broker.Full
	}
	p.got <- *d.Message.Keep()
	return broker.Sent
}
func (*product) Release(broker.PacketID, any) {}
func (*product) Yield(any)                    {}
func (*product) End(error)                    {}

// product connects one, with a Session that ends with it.
func (s *testServer) product(p *product, filter string) (leave func()) {
	s.t.Helper()
	p.got = make(chan broker.Message, 100)
	done := make(chan broker.Connected, 1)
	s.broker.Connect(s.sc, &broker.Connect{
		App: s.broker.App(testApp), ClientID: "product", Link: p,
		Subscriptions: []broker.Subscribe{{TopicFilter: filter, Options: topic.NewOptions(1, false, false, 0)}},
	}, func(c broker.Connected) { done <- c })
	c := <-done
	if c.Err != nil {
		s.t.Fatal(c.Err)
	}
	c.Session.Start(s.sc, c.Epoch)
	return func() { c.Session.Detach(s.sc, c.Epoch, broker.Leave{}) }
}

// userProperties are those of m, in order.
func userProperties(m *broker.Message) []string {
	var all []string
	for k, v := range mqtt.UserProperties(m.Properties) {
		all = append(all, fmt.Sprintf("%s=%s", k, v))
	}
	return all
}

// chat sends a chat message and returns its number.
func (c *client) chat(receiver, body string) uint64 {
	c.sn++
	c.send(&packet.Message{ID: packet.IDChat, SN: c.sn, Receiver: []byte(receiver), ReceiverType: []byte("jid"), Request: &packet.Request{
		Chat: &packet.ChatRequest{
			Body: []byte(body), BodyID: packet.Some(uint32(1)), More: packet.Some(uint32(1)), BodyType: 2, ExpireTime: packet.Some(uint32(60)),
		}}})
	return c.sn
}

func (c *client) wantChat(sn uint64, result uint32) {
	c.t.Helper()
	m := c.next()
	if m == nil || m.SN != sn || m.ID != packet.IDChat.Response() || m.Response.Chat == nil ||
		m.Response.Chat.Result != result || m.Response.Chat.BodyID != packet.Some(uint32(1)) {
		c.t.Fatalf("got %s %+v, want ChatResp %d with result %d", show(m), m, sn, result)
	}
}

// TestChat: a chat message goes to the product's server, with what is known of it.
func TestChat(t *testing.T) {
	inBubble(t, setup{}, func(s *testServer) {
		p := new(product)
		defer s.product(p, "up/#")()
		c := s.connect("alice").login("d")
		sn := c.chat("bob", "hi")
		c.wantChat(sn, 0)
		m := <-p.got
		want := []string{"from=alice", "to=bob", "to-type=jid", "body-type=2", fmt.Sprintf("sn=%d", sn), "body-id=1", "more=1", "expire=60"}
		if m.TopicName != "up/chat" || string(m.Payload) != "hi" || m.QoS != 1 || !slices.Equal(userProperties(&m), want) {
			t.Errorf("got %s to %s, QoS %d, with %q, want %q", m.Payload, m.TopicName, m.QoS, userProperties(&m), want)
		}
		if got := time.Until(m.Expires); got != time.Minute {
			t.Errorf("expires in %v, want a minute", got)
		}
		if d := c.room("r", &packet.RoomUp{Payload: packet.RoomSend, Send: &packet.RoomSendRequest{
			RoomID: []byte("r"), Type: 3, Content: []byte("all")}}); d.Result != 0 || d.Send == nil {
			t.Errorf("room: got %+v", d)
		}
		m = <-p.got
		want = []string{"from=alice", "room=r", fmt.Sprintf("sn=%d", c.sn), "room-msg-type=3"}
		if m.TopicName != "up/room" || string(m.Payload) != "all" || !slices.Equal(userProperties(&m), want) {
			t.Errorf("got %s to %s with %q, want %q", m.Payload, m.TopicName, userProperties(&m), want)
		}
		if got := s.ximp.Stats().Uplinks; got != 2 {
			t.Errorf("Uplinks: got %d, want 2", got)
		}
	})
}

// TestChatLongNames: what would not fit into a property does not spoil the others, and nobody has so long an id.
func TestChatLongNames(t *testing.T) {
	inBubble(t, setup{}, func(s *testServer) {
		p := new(product)
		defer s.product(p, "up/#")()
		c := s.connect("alice").login("d")
		long := make([]byte, 1<<16+5)
		for i := range long {
			long[i] = 'x'
		}
		c.sn++
		c.send(&packet.Message{ID: packet.IDChat, SN: c.sn, Receiver: []byte("bob"), ReceiverType: long, Request: &packet.Request{
			Chat: &packet.ChatRequest{Body: []byte("hi"), BodyID: packet.Some(uint32(1))},
		}})
		c.wantChat(c.sn, 0)
		m := <-p.got
		want := []string{"from=alice", "to=bob", "body-type=0", fmt.Sprintf("sn=%d", c.sn), "body-id=1"}
		if got := userProperties(&m); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		c.wantError(c.chat(string(long), "hi"), packet.CodeReceiver)
		c.wantChat(c.chat("bob", "still here"), 0)
	})
}

// TestDirect: with that rule clients reach each other.
func TestDirect(t *testing.T) {
	inBubble(t, setup{listener: Listener{Rules: &Rules{Direct: true}}}, func(s *testServer) {
		alice, bob := s.connect("alice").login("d"), s.connect("b o b").login("d")
		bob.pull("im", 0, 5)
		bob.room("r", joinOf("r"))
		alice.wantChat(alice.chat("b o b", "hi"), 0)
		bob.wantRing("im")
		got := bob.wantBodies("im", 0, "hi")
		if string(got[0].From) != "alice" || string(got[0].To) != "b o b" {
			t.Errorf("got a message from %s to %s", got[0].From, got[0].To)
		}
		alice.room("r", &packet.RoomUp{Payload: packet.RoomSend, Send: &packet.RoomSendRequest{RoomID: []byte("r"), Content: []byte("all")}})
		if _, p := bob.talk(); string(p.Down.New.Content) != "all" || string(p.Down.New.Sender.UserID) != "alice" {
			t.Errorf("got %+v", p.Down.New)
		}
	})
}

// TestUplinkRefused: what may not be published, or for which there is no room, is answered so, and the connection stays.
func TestUplinkRefused(t *testing.T) {
	inBubble(t, setup{ximp: Config{Authorizer: only("up/room")}}, func(s *testServer) {
		c := s.connect("alice").login("d")
		c.wantChat(c.chat("bob", "hi"), 1)
		if d := c.room("r", &packet.RoomUp{Payload: packet.RoomSend, Send: &packet.RoomSendRequest{RoomID: []byte("r")}}); d.Result != 0 {
			t.Errorf("what is allowed: got %+v", d)
		}
		if st := s.ximp.Stats(); st.Denied != 1 || st.UplinksRefused != 1 {
			t.Errorf("got %d denied and %d refused, want 1 and 1", st.Denied, st.UplinksRefused)
		}
	})
}

// TestUplinkWaitsLarge: a message may be of any size, and those that wait together may not.
func TestUplinkWaitsLarge(t *testing.T) {
	cfg := setup{broker: broker.Config{MaxQueuedMessages: 1, SlowConsumerTimeout: time.Hour, Store: memory.New()}}
	inBubble(t, cfg, func(s *testServer) {
		p := &product{full: true}
		leave := s.product(p, "up/chat")
		c := s.connect("alice").login("d")
		c.wantChat(c.chat("bob", "kept"), 0)
		large := c.chat("bob", strings.Repeat("x", maxUplinkBytes))
		c.quiet()
		c.wantChat(c.chat("bob", "one byte too many"), 1)
		leave()
		c.wantChat(large, 0)
		c.wantChat(c.chat("bob", "there is room again"), 0)
	})
}

// TestUplinkWaits: a message is answered when it is accepted, and not before; of those that wait there is a bound.
func TestUplinkWaits(t *testing.T) {
	cfg := setup{ximp: Config{MaxUplinks: 3}, broker: broker.Config{MaxQueuedMessages: 1, SlowConsumerTimeout: time.Hour, Store: memory.New()}}
	inBubble(t, cfg, func(s *testServer) {
		p := &product{full: true}
		leave := s.product(p, "up/chat")
		c := s.connect("alice").login("d")
		c.wantChat(c.chat("bob", "kept"), 0)
		var waiting []uint64
		for range 3 {
			waiting = append(waiting, c.chat("bob", "waits"))
		}
		c.quiet()
		c.wantChat(c.chat("bob", "one too many"), 1)
		c.pull("peer", 0, 5) // is served meanwhile
		leave()
		for _, sn := range waiting {
			c.wantChat(sn, 0) // nobody is owed them any more
		}
		c.wantChat(c.chat("bob", "again"), 0)
	})
}

// TestGoneUplink: a connection that ends while its publish waits.
func TestGoneUplink(t *testing.T) {
	cfg := setup{broker: broker.Config{MaxQueuedMessages: 1, SlowConsumerTimeout: time.Hour, Store: memory.New()}}
	inBubble(t, cfg, func(s *testServer) {
		leave := s.product(&product{full: true}, "up/chat")
		c := s.connect("alice").login("d")
		c.wantChat(c.chat("bob", "kept"), 0)
		c.chat("bob", "waits")
		synctest.Wait()
		c.close()
		synctest.Wait()
		leave()
		synctest.Wait()
		s.connect("alice").login("d").pull("peer", 0, 5)
	})
}

// TestStatus: who is on line, who is away, and of whom nothing is known.
func TestStatus(t *testing.T) {
	inBubble(t, setup{}, func(s *testServer) {
		defer s.product(new(product), "#")() // who watches all is not each of them
		c := s.connect("alice").login("d")
		s.connect("away").login("d").close()
		s.connect("passing").login("").close()
		s.connect("two").login("d")
		s.connect("two").login("e").close()
		synctest.Wait()
		ask := func(n int, users ...packet.UserQuery) *packet.StatusResponse {
			for len(users) < n {
				users = append(users, packet.UserQuery{})
			}
			sn := c.request(packet.IDQueryStatus, packet.Request{QueryStatus: &packet.StatusRequest{Users: users}})
			if n > maxStatus {
				c.wantError(sn, packet.CodeQuery)
				return nil
			}
			return c.next().Response.QueryStatus
		}
		var users []packet.UserQuery
		want := map[string]int32{"alice": 3, "away": 2, "passing": 0, "two": 3, "nobody": 0}
		for u := range want {
			users = append(users, packet.UserQuery{UserID: []byte(u), UserType: []byte("jid")})
		}
		for _, u := range ask(0, users...).Users {
			if u.Status != want[string(u.UserID)] || string(u.JID) != string(u.UserID) || string(u.UserType) != "jid" {
				t.Errorf("got %+v, want status %d", u, want[string(u.UserID)])
			}
		}
		if got := ask(0, packet.UserQuery{UserID: []byte("alice"), App: packet.Some(uint32(1))}).Users[0].Status; got != 0 {
			t.Errorf("user of another app: got status %d, want 0", got)
		}
		ask(maxStatus)
		ask(maxStatus + 1)
		c.pull("peer", 0, 5) // the connection stays
	})
}

// TestGroup: the group service refuses in its own words.
func TestGroup(t *testing.T) {
	inBubble(t, setup{}, func(s *testServer) {
		c := s.connect("alice").login("d")
		sn := c.request(packet.IDService, packet.Request{Service: &packet.ServiceRequest{
			ServiceID: packet.ServiceGroup, Request: packet.Append(nil, &packet.GroupUp{Payload: packet.GroupGet})}})
		m := c.next()
		var d packet.GroupDown
		if m.SN != sn || packet.Decode(m.Response.Service.Response, &d) != nil || d.Result != 1 || d.Payload != packet.GroupGet ||
			m.Response.Service.ServiceID != packet.ServiceGroup {
			t.Errorf("got %+v of %+v", d, m)
		}
		c.pull("peer", 0, 5)
	})
}

// TestLogout: the Session ends with what is in it, and the connection a little later.
func TestLogout(t *testing.T) {
	inBubble(t, setup{}, func(s *testServer) {
		c := s.connect("alice").login("d")
		s.publish("user/alice", "1", 1)
		sn := c.request(packet.IDLogout, packet.Request{Logout: &packet.LogoutRequest{}})
		if m := c.next(); m == nil || m.SN != sn || m.Response.Logout == nil || m.Response.Logout.Result != 0 {
			t.Fatalf("got %s, want LogoutResp", show(m))
		}
		s.publish("user/alice", "2", 0)
		c.quiet()
		if st := s.broker.Stats(); st.Sessions != 0 || st.Connected != 0 {
			t.Errorf("after logout: got %d Sessions and %d connected, want none", st.Sessions, st.Connected)
		}
		c.wantEnd()
		s.connect("alice").login("d").wantBodies("peer", 0)
	})
}
