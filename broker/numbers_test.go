package broker_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// seqs are the mailbox numbers of deliveries.
func seqs(got []delivery) []uint64 {
	var all []uint64
	for _, d := range got {
		all = append(all, d.seq)
	}
	return all
}

// TestMailboxNumbers: a message keeps its number when it is sent again, after a restart too, and the numbers of a device
// never go back, though its Session has ended and it has a new mailbox.
func TestMailboxNumbers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)))
		n := newNode(t, broker.Config{})
		s, p := n.connect(t, "s", expiry(never)), n.connect(t, "p")
		s.subscribe("t", 1)
		p.publishAllWait("t", 1, 1, 3)
		first := seqs(s.link.take())
		if len(first) != 3 || !slices.IsSorted(first) || first[0] == 0 || first[2] >= 1<<53 {
			t.Fatalf("numbers: got %v, want three that grow, between 1 and 2^53", first)
		}
		n = n.crash(t)
		s, p = n.connect(t, "s", expiry(never)), n.connect(t, "p")
		if got := seqs(s.receive()); !slices.Equal(got, first) {
			t.Errorf("numbers after a restart: got %v, want %v", got, first)
		}
		s.leave(broker.Leave{Expiry: new(uint32)}) // the Session ends
		advance(time.Second)
		s = n.connect(t, "s", expiry(never))
		if s.Present {
			t.Fatal("Session Present: got true, want false")
		}
		s.subscribe("t", 1)
		p.publishWait("t", "4", 1, broker.Accepted)
		if got := seqs(s.receive()); len(got) != 1 || got[0] <= first[2] {
			t.Errorf("number in a new mailbox: got %v, want one above %d", got, first[2])
		}
	})
}

// TestBroadcastNumbers: a broadcast has one place in the log, by which all Sessions know it; other messages have none.
func TestBroadcastNumbers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, broker.Config{})
		a, b, p := n.connect(t, "a", expiry(never)), n.connect(t, "b", expiry(never)), n.connect(t, "p")
		for _, c := range []*client{a, b} {
			c.subscribe("broadcast/default", 1)
		}
		b.subscribe("t", 1)
		p.publishWait("t", "other", 1, broker.Accepted)
		p.publishWait("broadcast/default", "all", 1, broker.Accepted)
		gotA, gotB := a.receive(), b.receive()
		if len(gotA) != 1 || len(gotB) != 2 {
			t.Fatalf("deliveries: got %d and %d, want 1 and 2", len(gotA), len(gotB))
		}
		if gotB[0].log != 0 || gotA[0].log == 0 || gotA[0].log != gotB[1].log {
			t.Errorf("places in the log: got %d, and %d and %d; want 0, and twice the same", gotB[0].log, gotA[0].log, gotB[1].log)
		}
	})
}
