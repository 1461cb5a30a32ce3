package mqtt

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

// TestTurnShare sends many packets at once, of which each takes the server a
// while by its clock. It must deal with a few of them in each turn of the loop,
// and with all in the end.
func TestTurnShare(t *testing.T) {
	const packets, perTurn = 1000, 16
	for _, test := range []struct {
		name string
		held int // publishes that wait for a slow subscriber, before the others
	}{
		{"just read", 0},
		{"parked", 40},
	} {
		t.Run(test.name, func(t *testing.T) {
			var clock atomic.Int64
			began := time.Now()
			var cfg setup
			cfg.broker.MaxQueuedMessages = 1
			cfg.loop = netloop.Config{Loops: 1, Now: func() time.Time {
				return began.Add(time.Duration(clock.Add(int64(netloop.MaxTurn)))) // whenever it is looked at, MaxTurn has gone
			}}
			s := newServer(t, cfg)
			slow := dialAs(s, "v5 id=slow clean rm=1")
			slow.do("sub id=1 slow,1", "SUBACK 1 01")
			c := dialAs(s, "v5 id=c clean")
			received := func() uint64 { return s.broker.Stats().Received[0] }
			var most uint64
			done := make(chan struct{})
			var last uint64
			var look func() // once a turn
			look = func() {
				n := received()
				most, last = max(most, n-last), n
				if n == packets {
					close(done)
					return
				}
				s.engine.Loops()[0].PostFunc(look)
			}
			s.engine.Loops()[0].PostFunc(look)
			for i := range test.held {
				c.do(fmt.Sprintf("pub slow x q=1 id=%d", i+1))
			}
			c.send([]byte(strings.Repeat("\x30\x04\x00\x01t\x00", packets)))
			if test.held > 0 {
				c.do("ping", "PUBACK 1", "PUBACK 2", "PINGRESP") // it has overtaken all before it
				if got := received(); got != 0 {
					t.Errorf("while held: got %d publishes dealt with, want none", got)
				}
				_ = slow.nc.Close() // what waits for it need not wait any more
			}
			select {
			case <-done:
			case <-time.After(patience):
				t.Fatalf("not all packets dealt with: got %d, want %d", received(), packets)
			}
			if most > perTurn {
				t.Errorf("got up to %d packets dealt with in a turn, want at most %d", most, perTurn)
			}
		})
	}
}
