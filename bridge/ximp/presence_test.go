package ximp

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
	"github.com/holdfast-mqtt/holdfast/broker"
)

// TestPresence: a client that is lost and does not come back in time is reported, one that has taken leave or came back is not, and so is
// one that has no device, at once.
func TestPresence(t *testing.T) {
	rules := &Rules{Presence: true, PresenceDelay: time.Minute}
	inBubble(t, setup{listener: Listener{Rules: rules}}, func(s *testServer) {
		p := new(product)
		defer s.product(p, "presence/+")()
		told := func(when string, after time.Duration, want ...string) {
			t.Helper()
			time.Sleep(after)
			synctest.Wait()
			var got []string
			for len(p.got) > 0 {
				m := <-p.got
				got = append(got, m.TopicName+" "+string(m.Payload))
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s: got %q, want %q", when, got, want)
			}
		}
		s.connect("alice").login("d").close()
		told("it may yet come", 59*time.Second)
		c := s.connect("alice").login("d")
		told("it was back in time", 2*time.Minute)
		c.request(packet.IDLogout, packet.Request{Logout: &packet.LogoutRequest{}})
		c.next()
		c.close()
		told("it has taken leave", 2*time.Minute)
		old := s.connect("alice").login("d")
		c = s.connect("alice").login("d")
		old.wantError(0, packet.CodeElsewhere)
		told("it is taken over", 2*time.Minute)
		c.close()
		told("it is lost", 2*time.Minute, "presence/x:alice:mobile:d offline")
		s.connect("bob").login("").close()
		time.Sleep(time.Second)
		if len(p.got) != 1 {
			t.Errorf("without device: got %d messages, want one", len(p.got))
		}
	})
}

// TestPresenceNamed: a Client Identifier of any bytes, which an authenticator has named, has a topic.
func TestPresenceNamed(t *testing.T) {
	g := &gate{asked: make(chan *broker.ConnectRequest, 1), answer: func(*broker.ConnectRequest) (broker.Decision, *broker.Identity, error) {
		return broker.Allow, &broker.Identity{ClientID: "a/+#\x00"}, nil
	}}
	cfg := setup{listener: Listener{Rules: &Rules{Presence: true}}, ximp: Config{Authenticator: g}}
	inBubble(t, cfg, func(s *testServer) {
		p := new(product)
		defer s.product(p, "presence/+")()
		s.connect("alice").login("d").close()
		if m := <-p.got; m.TopicName != "presence/a%2F%2B%23%00" || m.QoS != 1 {
			t.Errorf("got %q with QoS %d, want it escaped, with QoS 1", m.TopicName, m.QoS)
		}
	})
}
