package broker_test

import (
	"slices"
	"testing"
	"testing/synctest"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/topic"
)

// TestFleetingSubscription: it ends with the connection, however that ends, and the Session's others stay.
func TestFleetingSubscription(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(n *node, c *client) *node
	}{
		{"lost", func(n *node, c *client) *node { c.detach(); return n }},
		{"taken over", func(n *node, _ *client) *node { return n }},
		{"node killed", func(n *node, c *client) *node { return n.crash(c.t.(*testing.T)) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNode(t, broker.Config{})
				c := n.connect(t, "c", expiry(never))
				c.subscribe("lasting", 1)
				c.subscribeTo(broker.Subscribe{TopicFilter: "room", Fleeting: true})
				n.connect(t, "p").publish("room", "before", 0)
				if got := payloads(c.link.take()); !slices.Equal(got, []string{"before"}) {
					t.Fatalf("got %v, want what was published to the room", got)
				}
				synctest.Wait()
				n = tt.end(n, c)
				c, p := n.connect(t, "c", expiry(never)), n.connect(t, "p")
				p.publish("room", "after", 0)
				p.publishWait("lasting", "kept", 1, broker.Accepted)
				if got := payloads(c.receive()); !slices.Equal(got, []string{"kept"}) {
					t.Errorf("got %v, want only what was published to the lasting subscription", got)
				}
			})
		})
	}
}

// TestFleetingIsNotStored: the Store is not asked to do anything for such a subscription.
func TestFleetingIsNotStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, broker.Config{})
		c := n.connect(t, "c", expiry(never))
		synctest.Wait()
		before := n.calls(0)
		sub := []broker.Subscribe{{TopicFilter: "room", Fleeting: true}}
		if _, pending, err := c.s.Subscribe(c.sc, c.epoch, sub, nil); pending || err != nil {
			t.Errorf("Subscribe: got pending %v and %v, want false and nil", pending, err)
		}
		if _, pending, err := c.s.Unsubscribe(c.sc, c.epoch, []string{"room"}, nil); pending || err != nil {
			t.Errorf("Unsubscribe: got pending %v and %v, want false and nil", pending, err)
		}
		synctest.Wait()
		if got := n.calls(before); got != 0 {
			t.Errorf("calls of the Store: got %d, want 0", got)
		}
	})
}

// TestConnectSubscriptions: a front's subscriptions are there when the client connects, and after a restart.
func TestConnectSubscriptions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, broker.Config{})
		made := func(c *broker.Connect) {
			c.Subscriptions = []broker.Subscribe{{TopicFilter: "user/c", Options: topic.NewOptions(1, false, false, 0)}}
		}
		c := n.connect(t, "c", expiry(never), made)
		synctest.Wait()
		c.detach()
		n = n.crash(t)
		n.connect(t, "p").publishWait("user/c", "1", 1, broker.Accepted)
		c = n.connect(t, "c", expiry(never), made)
		if got := payloads(c.receive()); !slices.Equal(got, []string{"1"}) {
			t.Errorf("got %v, want what was published while the client was away", got)
		}
	})
}
