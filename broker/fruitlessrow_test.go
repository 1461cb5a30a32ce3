package broker_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// TestFruitless has a client fetch its messages again and again and acknowledge none: with growing pauses, until it is
// ended. One acknowledgement ends the row. Sleep does not.
func TestFruitless(t *testing.T) {
	for _, how := range []string{"lost", "asleep"} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNode(t, broker.Config{})
				s, p := n.connect(t, "s", expiry(never)), n.connect(t, "p")
				s.subscribe("t", 1)
				p.publishAllWait("t", 1, 1, 2)
				pauses := []time.Duration{0, 0, 0, 1, 2, 4, 8, 16, 32, 60} // seconds
				for i, want := range pauses {
					s.detach()
					if how == "asleep" {
						advance(time.Minute)
					}
					s = n.connect(t, "s", expiry(never))
					synctest.Wait()
					want *= time.Second
					if want > 0 {
						advance(want - time.Millisecond)
						if got := s.link.take(); len(got) != 0 {
							t.Errorf("connection %d: got %q within %v, want nothing", i+1, payloads(got), want)
						}
						advance(time.Millisecond)
					}
					wantPayloads(t, "deliveries", s.link.take(), 1, 2)
				}
				s.detach()
				s = n.connect(t, "s", expiry(never))
				synctest.Wait()
				if got := s.link.ended(); len(got) != 1 || !errors.Is(got[0], broker.ErrFruitless) {
					t.Errorf("connection %d: ended with %v, want %v", len(pauses)+1, got, broker.ErrFruitless)
				}
				if got := len(s.link.take()); got != 0 {
					t.Errorf("connection %d: got %d deliveries, want none", len(pauses)+1, got)
				}
				s.detach()
				s = n.connect(t, "s", expiry(never))
				advance(2 * time.Second)
				got := s.link.take()
				wantPayloads(t, "after a pause", got, 1, 2)
				s.ack(got[0].id)
				for range 3 {
					s.detach()
					s = n.connect(t, "s", expiry(never))
					synctest.Wait()
					wantPayloads(t, "after an acknowledgement", s.link.take(), 2, 2)
				}
			})
		})
	}
}
