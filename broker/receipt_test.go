package broker_test

import (
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// publishID publishes at QoS 2 under a Packet Identifier.
func (c *client) publishID(id broker.PacketID) *publication {
	p := &publication{id: id}
	c.publishAs(p, "t", "", 2)
	return p
}

// repeatID is publishID with DUP.
func (c *client) repeatID(id broker.PacketID) *publication {
	p := &publication{id: id, dup: true}
	c.publishAs(p, "t", "", 2)
	return p
}

// told is a broker.Commit that passes on what it is told.
type told chan error

// Committed implements broker.Commit.
func (c told) Committed(err error) { c <- err }

// TestRepeatedPublish repeats QoS 2 publishes: v5 [MQTT-4.3.3-10], v3.1.1 [MQTT-4.3.3-2].
func TestRepeatedPublish(t *testing.T) {
	r := newRoom(t, broker.Config{})
	s := r.connect(t, "s")
	s.subscribe("t", 2)
	c := r.connect(t, "c", expiry(never))
	publish := func(c *client, id broker.PacketID, want broker.Result) {
		t.Helper()
		if got := c.publishID(id).outcome(); got != want {
			t.Errorf("publish %d: got result %d, want %d", id, got, want)
		}
	}
	release := func(c *client, id broker.PacketID, want broker.Result) {
		t.Helper()
		safe := make(told, 1)
		got := c.s.Release(c.epoch, id, safe)
		if got != want {
			t.Errorf("Release(%d): got result %d, want %d", id, got, want)
		}
		if got == broker.Pending {
			if err := <-safe; err != nil {
				t.Errorf("Release(%d): got error %v, want nil", id, err)
			}
		}
	}
	publish(c, 1, broker.Accepted)
	publish(c, 1, broker.Repeated)
	publish(c, 65535, broker.Accepted)
	release(c, 1, broker.Pending)
	release(c, 1, broker.NoSubscribers)
	release(c, 2, broker.NoSubscribers)
	publish(c, 1, broker.Accepted)
	next := r.connect(t, "c", expiry(never))
	publish(next, 65535, broker.Repeated)
	publish(c, 9, broker.Stale)
	release(c, 65535, broker.Stale)
	release(next, 65535, broker.Pending)
	if got := s.link.take(); len(got) != 3 {
		t.Errorf("published: got %d times, want 3", len(got))
	}
}

// TestRepeatedWhilePending repeats QoS 2 publishes on other connections while they wait
// for a slow subscriber.
func TestRepeatedWhilePending(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(s *client)
		want broker.Result
		next broker.Result // of another repetition
	}{
		{"taken", func(s *client) { s.link.setVerdict(broker.Sent); s.resume() }, broker.Accepted, broker.Repeated},
		{"refused", func(s *client) { s.detach() }, broker.QuotaExceeded, broker.QuotaExceeded},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRoom(t, broker.Config{MaxQueuedMessages: 1})
			s := r.connect(t, "s", expiry(never))
			s.subscribe("t", 2)
			s.link.setVerdict(broker.Full)
			p := r.connect(t, "p", expiry(never))
			p.publish("t", "", 1)
			first := p.publishID(7)
			p.detach()
			p = r.connect(t, "p", expiry(never))
			second := p.publishID(7)
			p = r.connect(t, "p", expiry(never))
			third := p.publishID(7)
			wantOutcome(t, "while it waits", []*publication{first, second, third}, broker.Pending)
			if got := p.s.Release(p.epoch, 7, nil); got != broker.NoSubscribers {
				t.Errorf("Release of a publish without a result: got result %d, want %d", got, broker.NoSubscribers)
			}
			s.link.setVerdict(broker.Full)
			c.end(s)
			for _, d := range s.link.take() {
				s.ack(d.id)
				s.s.Received(s.sc, s.epoch, d.id, false)
			}
			s.resume()
			wantOutcome(t, "the first", []*publication{first}, c.want)
			told := p.s.Conclude(7, first.outcome())
			if told != broker.Completion(third) {
				t.Fatalf("Conclude: got %v, want the Completion of the last repetition", told)
			}
			if got := p.publishID(7).outcome(); got != c.next {
				t.Errorf("repeated after that: got result %d, want %d", got, c.next)
			}
		})
	}
}
