package ximp

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
)

// TestTakeover: who logs in with the same user, platform and device takes the Session over, and the older connection is told. Other
// devices live beside it.
func TestTakeover(t *testing.T) {
	for _, tt := range []struct {
		name             string
		user             string
		device, platform string
		takes            bool
	}{
		{"the same", "alice", "d", "mobile", true},
		{"another user", "bob", "d", "mobile", false},
		{"another device", "alice", "e", "mobile", false},
		{"another platform", "alice", "d", "pc", false},
		{"no device", "alice", "", "mobile", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, setup{}, func(s *testServer) {
				old := s.connect("alice").login("d")
				c := s.connect(tt.user).login(tt.device, func(r *packet.LoginRequest) { r.Platform = []byte(tt.platform) })
				if tt.takes {
					old.wantError(0, packet.CodeElsewhere)
				} else {
					old.pull("peer", 0, 5)
				}
				c.pull("peer", 0, 5)
			})
		})
	}
}

// TestTakeoverPause: two clients with one key that take the Session from each other are slowed down.
func TestTakeoverPause(t *testing.T) {
	inBubble(t, setup{}, func(s *testServer) {
		c := s.connect("alice").login("d")
		for range takeoversFree {
			begun := time.Now()
			next := s.connect("alice").login("d")
			if got := time.Since(begun); got != 0 {
				t.Fatalf("login takes %v, want no time", got)
			}
			c.wantError(0, packet.CodeElsewhere)
			c = next
		}
		s.connect("alice").login("e") // another key
		begun := time.Now()
		last := s.connect("alice")
		sn := last.sendLogin(last.initLogin(nil), "d")
		last.write(packet.AppendHeartbeat(nil))
		if f, ok := last.frame(); !ok || !f.Heartbeat {
			t.Errorf("got %+v, want the heartbeat answered meanwhile", f)
		}
		if m := last.next(); m == nil || m.SN != sn || m.Response.Login == nil {
			t.Fatalf("got %s, want LoginResp", show(m))
		}
		if got := time.Since(begun); got != takeoverWait {
			t.Errorf("login takes %v, want %v", got, takeoverWait)
		}
		c.wantError(0, packet.CodeElsewhere)
		time.Sleep(takeoverSpan)
		begun = time.Now()
		s.connect("alice").login("d")
		if got := time.Since(begun); got != 0 {
			t.Errorf("a minute later login takes %v, want no time", got)
		}
	})
}

// TestDrain: clients are asked to connect elsewhere, served meanwhile, and closed after a while.
func TestDrain(t *testing.T) {
	inBubble(t, setup{ximp: Config{Elsewhere: []string{"192.0.2.1", "192.0.2.2"}, ElsewherePort: 443}}, func(s *testServer) {
		early := s.connect("bob")
		early.initLogin(nil)
		c := s.connect("alice").login("d")
		begun := time.Now()
		s.ending.Go(s.shutdown)
		m := c.next()
		if m == nil || m.ID != packet.IDReConnect || m.Notify == nil || m.Notify.ReConnect == nil || string(m.Notify.ReConnect.IP) != "192.0.2.1" ||
			m.Notify.ReConnect.Port != packet.Some(uint32(443)) || len(m.Notify.ReConnect.MoreIPs) != 1 {
			t.Fatalf("got %s, want ReConnectNotify", show(m))
		}
		early.wantEnd()
		c.pull("peer", 0, 5)
		synctest.Wait()
		time.Sleep(4 * time.Second)
		c.write(packet.AppendHeartbeat(nil)) // does not put it off
		c.wantEnd()
		if got := time.Since(begun); got < 5*time.Second || got > 6*time.Second {
			t.Errorf("closed after %v, want 5 s", got)
		}
		s.ending.Wait()
	})
}

// TestTakeoversAreBounded: what is remembered of takeovers.
func TestTakeoversAreBounded(t *testing.T) {
	var to takeovers
	for i := range 3 * maxTakeovers {
		to.note("app", string(rune(i)), 0)
	}
	if len(to.young)+len(to.old) > 2*maxTakeovers {
		t.Errorf("got %d keys, want at most %d", len(to.young)+len(to.old), 2*maxTakeovers)
	}
}

// kick ends a client's connection as an operator does.
func (s *testServer) kick(clientID string) {
	s.t.Helper()
	if err := s.broker.Kick(testApp, clientID, false); err != nil {
		s.t.Fatalf("Kick: %v", err)
	}
}

// TestKick: a client that an operator has kicked is told nothing. Its Session is as it was, and its next login does not wait.
func TestKick(t *testing.T) {
	inBubble(t, setup{}, func(s *testServer) {
		c := s.connect("alice").login("d")
		s.kick("x:alice:mobile:d")
		if m := c.next(); m != nil {
			t.Errorf("got %+v, want the connection's end", m)
		}
		s.publish("inbox/x:alice:mobile:d", "kept", 1)
		begun := time.Now()
		c = s.connect("alice").login("d")
		if got := time.Since(begun); got != 0 {
			t.Errorf("login takes %v, want no time", got)
		}
		c.wantBodies("peer", 0, "kept")
	})
}
