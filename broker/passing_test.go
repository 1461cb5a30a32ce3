package broker_test

import (
	"slices"
	"testing"
	"testing/synctest"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// TestNumbersWhileRepeating: a QoS 0 message has no number while older messages have yet to be sent again, which it would overtake.
func TestNumbersWhileRepeating(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, broker.Config{})
		window := func(size uint16) func(*broker.Connect) {
			return func(c *broker.Connect) { c.NumberAll, c.ReceiveMaximum = true, size }
		}
		s, p := n.connect(t, "s", expiry(never), window(3)), n.connect(t, "p")
		s.subscribe("t", 1)
		p.publishAllWait("t", 1, 1, 3)
		s = n.connect(t, "s", expiry(never), window(1))
		synctest.Wait()
		if got := s.link.take(); len(got) != 1 {
			t.Fatalf("sent again: got %d messages, want 1", len(got))
		}
		p.publishWait("t", "passing", 0, broker.Accepted)
		if got := seqs(s.link.take()); !slices.Equal(got, []uint64{0}) {
			t.Errorf("number of a QoS 0 message that overtakes: got %v, want 0", got)
		}
	})
}

// TestNumbersSpan: numbers of QoS 0 messages do not use up the Packet Identifiers while a delivery is unacknowledged.
func TestNumbersSpan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, broker.Config{})
		all := func(c *broker.Connect) { c.NumberAll = true }
		s, p := n.connect(t, "s", expiry(never), all), n.connect(t, "p")
		s.subscribe("t", 1)
		p.publishWait("t", "first", 1, broker.Accepted)
		for range 65534 { // the next has the Packet Identifier of the first
			p.publish("t", "", 0)
			s.link.take()
		}
		p.publishWait("t", "second", 1, broker.Accepted)
		if got := s.link.take(); len(got) != 1 || got[0].qos != 1 {
			t.Errorf("behind an unacknowledged delivery and many numbers: got %v, want the second message", got)
		}
	})
}
