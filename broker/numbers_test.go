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

// TestNumbersAfterCrash: a number that a client has seen is not given to another message, though the node has gone down
// before anything of it was on disk. The Packet Identifiers go on, so that a window does not tear.
func TestNumbersAfterCrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)))
		n := newNode(t, broker.Config{})
		s, p := n.connect(t, "s", expiry(never)), n.connect(t, "p")
		s.subscribe("t", 1)
		synctest.Wait()
		n.st.Hold(true)
		p.publish("t", "1", 1)
		first := s.receive() // and acknowledges it before it is stored
		if len(first) != 1 {
			t.Fatalf("deliveries: got %d, want 1", len(first))
		}
		n = n.crash(t)
		advance(time.Second)
		s, p = n.connect(t, "s", expiry(never)), n.connect(t, "p")
		if s.Seq < first[0].seq {
			t.Errorf("number of the last message: got %d, want at least %d", s.Seq, first[0].seq)
		}
		p.publishWait("t", "2", 1, broker.Accepted)
		got := s.receive()
		if len(got) != 1 || got[0].seq <= first[0].seq || got[0].id != first[0].id {
			t.Errorf("after the crash: got %v, want a number above %d and Packet Identifier %d", got, first[0].seq, first[0].id)
		}
	})
}

// TestNumberAll: QoS 0 deliveries have numbers among the others if the front asks for that, and none while older messages wait.
func TestNumberAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, broker.Config{})
		all := func(c *broker.Connect) { c.NumberAll, c.ReceiveMaximum = true, 3 }
		s, p := n.connect(t, "s", expiry(never), all), n.connect(t, "p")
		s.subscribe("t", 1)
		var got []delivery
		for i := range 4 {
			p.publishWait("t", itoa(i), broker.QoS(i%2), broker.Accepted)
			got = append(got, s.link.take()...)
		}
		want := []uint64{s.Seq + 1, s.Seq + 2, s.Seq + 3, s.Seq + 4}
		if !slices.Equal(seqs(got), want) {
			t.Errorf("numbers: got %v, want %v", seqs(got), want)
		}
		if all, stalled := s.s.CaughtUp(s.epoch); !all || stalled {
			t.Errorf("CaughtUp: got %v and %v, want true and false", all, stalled)
		}
		p.publishWait("t", "4", 1, broker.Accepted)
		p.publishWait("t", "5", 1, broker.Accepted) // beyond the Receive Maximum
		s.link.take()
		if all, stalled := s.s.CaughtUp(s.epoch); all || !stalled {
			t.Errorf("CaughtUp beyond the Receive Maximum: got %v and %v, want false and true", all, stalled)
		}
		p.publishWait("t", "6", 0, broker.Accepted)
		if got := seqs(s.link.take()); !slices.Equal(got, []uint64{0}) {
			t.Errorf("number of a QoS 0 message that overtakes: got %v, want 0", got)
		}
		s.receive()
		s.ack(got[1].id, got[3].id)
		synctest.Wait()
		next := s.receive()
		p.publishWait("t", "7", 0, broker.Accepted)
		last := s.link.take()
		if len(next) != 1 || len(last) != 1 || last[0].seq != next[0].seq+1 {
			t.Errorf("got %v, then %v; want the message that has waited, and a number one larger", next, last)
		}
	})
}
