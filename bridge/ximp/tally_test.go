package ximp

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
	"github.com/holdfast-mqtt/holdfast/broker"
)

// status asks for nobody's status.
func (c *client) status() uint64 {
	return c.request(packet.IDQueryStatus, packet.Request{QueryStatus: &packet.StatusRequest{}})
}

// TestTally: of one packet more than may come in a minute the client is told, before and after the login.
func TestTally(t *testing.T) {
	rules := &Rules{PacketsPerMinute: 10}
	beats := func(c *client, n int) {
		for range n {
			c.write(packet.AppendHeartbeat(nil))
			if f, ok := c.frame(); !ok || !f.Heartbeat {
				c.t.Fatalf("got %v, %v, want a heartbeat", f, ok)
			}
		}
	}
	for _, tt := range []struct {
		name  string
		rules *Rules
		do    func(c *client) (sn uint64) // of the last one
		ends  bool
	}{
		{"heartbeats before the login", rules, func(c *client) uint64 {
			beats(c, 10)
			c.write(packet.AppendHeartbeat(nil))
			return 0
		}, true},
		{"as many as may be", rules, func(c *client) uint64 {
			beats(c.login("d"), 7)
			return c.status()
		}, false},
		{"one more", rules, func(c *client) uint64 {
			beats(c.login("d"), 8)
			return c.status()
		}, true},
		{"slowly", rules, func(c *client) uint64 {
			c.login("d")
			for range 30 {
				beats(c, 1)
				time.Sleep(6 * time.Second)
			}
			return c.status()
		}, false},
		{"again after a minute", rules, func(c *client) uint64 {
			beats(c.login("d"), 8)
			time.Sleep(time.Minute)
			beats(c, 10)
			return c.status()
		}, true},
		{"empty pulls", rules, func(c *client) uint64 {
			c.login("d")
			for range 8 {
				c.pull("peer", 0, 1)
			}
			return c.status()
		}, true},
		{"any number", &Rules{PacketsPerMinute: -1}, func(c *client) uint64 {
			beats(c.login("d"), defaultPackets+10)
			return c.status()
		}, false},
		{"the default", nil, func(c *client) uint64 {
			beats(c.login("d"), defaultPackets-2)
			return c.status()
		}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, setup{listener: Listener{Rules: tt.rules}}, func(s *testServer) {
				c := s.connect("alice")
				sn, wanted := tt.do(c), uint64(0)
				if tt.ends {
					c.wantError(sn, packet.CodeRate)
					wanted = 1
				} else if m := c.next(); m == nil || m.SN != sn || m.ID != packet.IDQueryStatus.Response() {
					t.Fatalf("got %s, want the answer", show(m))
				}
				if got := s.ximp.Stats().TooMany; got != wanted {
					t.Errorf("TooMany: got %d, want %d", got, wanted)
				}
			})
		})
	}
}

// TestTallyOfPulls: a client that fetches what has been stored for it, one at a time, is not held up by the bound, but one that
// fetches the same again and again is.
func TestTallyOfPulls(t *testing.T) {
	inBubble(t, setup{listener: Listener{Rules: &Rules{PacketsPerMinute: 10}}}, func(s *testServer) {
		c := s.connect("alice").login("d")
		for i := range 100 {
			s.publish(userTopic("alice"), fmt.Sprint(i), broker.QoS(i%2))
		}
		synctest.Wait()
		start := int64(1)
		for i := range 100 {
			got, _ := c.pull("peer", start, 1)
			if len(got) != 1 || string(got[0].Body) != fmt.Sprint(i) {
				t.Fatalf("pull %d: got %q, want one message", i, bodies(got))
			}
			start = got[0].ID.Value + 1
		}
		for range 8 { // of the last one, which is not acknowledged
			if got, _ := c.pull("peer", 0, 1); len(got) != 1 {
				t.Fatalf("got %q, want the last message", bodies(got))
			}
		}
		c.wantError(c.status(), packet.CodeRate)
	})
}

// TestTallyOfPublishers: a client whose rate of publishing is limited is slowed, not ended.
func TestTallyOfPublishers(t *testing.T) {
	cfg := setup{broker: broker.Config{Throttle: pace(time.Millisecond)}, listener: Listener{Rules: &Rules{PacketsPerMinute: 5}}}
	inBubble(t, cfg, func(s *testServer) {
		c := s.connect("alice").login("d")
		for range 20 {
			c.wantChat(c.chat("bob", "x"), 0)
		}
		if got := s.ximp.Stats().TooMany; got != 0 {
			t.Errorf("TooMany: got %d, want 0", got)
		}
	})
	cfg.broker.Throttle = nil
	inBubble(t, cfg, func(s *testServer) {
		c := s.connect("alice").login("d")
		for range 3 {
			c.wantChat(c.chat("bob", "x"), 0)
		}
		c.wantError(c.chat("bob", "x"), packet.CodeRate)
	})
}
