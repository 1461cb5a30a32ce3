package bench

import (
	"testing"
	"time"
)

// TestHoldAcks checks that PUBACKs are late, and all come.
func TestHoldAcks(t *testing.T) {
	f := &fake{}
	o := small(Durable, f.start(t, "tcp", "127.0.0.1:0"))
	o.Pairs, o.HoldAcks = 1, 40*time.Millisecond
	checkRun(t, o)
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.acks) == 0 || len(f.acks) > len(f.sent) {
		t.Fatalf("got %d PUBACKs of %d messages, want some and not more", len(f.acks), len(f.sent))
	}
	for i, at := range f.acks { // one subscriber, so they are in the order of the messages
		if got := at.Sub(f.sent[i]); got < o.HoldAcks {
			t.Fatalf("PUBACK %d: got it after %v, want %v or more", i, got, o.HoldAcks)
		}
	}
}

func TestDurableSessionsAreRemoved(t *testing.T) {
	f := &fake{}
	o := small(Durable, f.start(t, "tcp", "127.0.0.1:0"))
	checkRun(t, o)
	f.mu.Lock()
	defer f.mu.Unlock()
	if got, want := len(f.clean), 3*o.Pairs; got != want {
		t.Errorf("got %d CONNECTs, want %d: the subscribers once more", got, want)
	}
	if len(f.away) != 0 {
		t.Errorf("got %d Sessions left, want none", len(f.away))
	}
}
