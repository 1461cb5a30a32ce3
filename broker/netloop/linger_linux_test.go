package netloop

import (
	"net"
	"testing"
)

// As TestLingerOfTransports, for connections that epoll watches. The clock stands still, and is then moved.
func TestLingerOfSockets(t *testing.T) {
	for _, full := range []bool{false, true} {
		for _, tr := range transports() {
			t.Run(tr.name, func(t *testing.T) {
				clock := &movedClock{}
				p := newProbe(t)
				c, _ := tr.connectUnix(t, Config{Now: clock.now}, p)
				e := c.Loop().engine
				onLoop(t, c, func() { lastWordsTo(c, full) })
				wantClosed(t, p, net.ErrClosed)
				e.SettleForTest()
				clock.move(lingerTime - wheelTick)
				e.SettleForTest()
				if got := e.Stats().Open; got != 1 {
					t.Errorf("full %t: %d connections open before their time, want 1", full, got)
				}
				clock.move(3 * wheelTick)
				e.SettleForTest()
				if got := e.Stats().Open; got != 0 {
					t.Errorf("full %t: %d connections open, want none", full, got)
				}
			})
		}
	}
}
