package ximp

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// pace has each client wait so long after each message.
type pace time.Duration

func (p pace) Pace(string, string) broker.Pace                 { return p }
func (p pace) Publish(time.Duration, int) (wait time.Duration) { return time.Duration(p) }

// TestPace: a client that publishes faster than it may is slowed, and loses nothing.
func TestPace(t *testing.T) {
	inBubble(t, setup{broker: broker.Config{Throttle: pace(time.Second)}}, func(s *testServer) {
		c := s.connect("alice").login("d")
		begun := time.Now()
		var sent []uint64
		for range 4 {
			sent = append(sent, c.chat("bob", "x"))
		}
		for i, sn := range sent {
			c.wantChat(sn, 0)
			if got := time.Since(begun); got < time.Duration(i)*time.Second || got > time.Duration(i+1)*time.Second {
				t.Errorf("message %d is answered after %v, want %d s", i, got, i)
			}
		}
	})
}

// TestDrainPaused: that a client is not read from, because it has published too fast, does not hold up a shutdown.
func TestDrainPaused(t *testing.T) {
	inBubble(t, setup{broker: broker.Config{Throttle: pace(time.Hour)}}, func(s *testServer) {
		c := s.connect("alice").login("d")
		c.wantChat(c.chat("bob", "x"), 0)
		synctest.Wait()
		begun := time.Now()
		s.ending.Go(s.shutdown)
		if m := c.next(); m == nil || m.Notify == nil || m.Notify.ReConnect == nil {
			t.Fatalf("got %s, want ReConnectNotify", show(m))
		}
		c.wantEnd()
		if got := time.Since(begun); got < 5*time.Second || got > 6*time.Second {
			t.Errorf("closed after %v, want 5 s", got)
		}
		s.ending.Wait()
	})
}
