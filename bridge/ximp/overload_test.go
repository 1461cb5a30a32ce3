package ximp

import (
	"testing"

	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/login"
)

// While new clients are turned away, a login that begins is refused, with the code after which clients try again.
func TestTurnedAway(t *testing.T) {
	pool := login.NewPool(login.Config{Workers: 1})
	defer pool.Stop()
	inBubble(t, setup{ximp: Config{Logins: pool}}, func(s *testServer) {
		pool.TurnAway(true)
		c := s.connect("alice")
		c.sn++
		c.send(&packet.Message{ID: packet.IDInitLogin, SN: c.sn, Sender: []byte(c.user), Request: &packet.Request{
			InitLogin: &packet.InitLoginRequest{ClientRAM: []byte("client-ram")},
		}})
		c.wantError(c.sn, packet.CodeOverloaded)
		if got := pool.Stats().TurnedAway; got != 1 {
			t.Errorf("got %d turned away, want 1", got)
		}
		if got := s.ximp.Stats().Overloaded; got != 1 {
			t.Errorf("Overloaded: got %d, want 1", got)
		}
		pool.TurnAway(false)
		s.connect("alice").initLogin(nil)
	})
}

// TestAppFull: a client that its App has no room for is to try later. One that takes over its own connection is let in.
func TestAppFull(t *testing.T) {
	limits := func(string) broker.AppLimits { return broker.AppLimits{MaxConnections: 1} }
	inBubble(t, setup{broker: broker.Config{AppLimits: limits}}, func(s *testServer) {
		s.connect("alice").login("d")
		bob := s.connect("bob")
		bob.wantError(bob.sendLogin(bob.initLogin(nil), "d"), packet.CodeOverloaded)
		s.connect("alice").login("d")
	})
}
