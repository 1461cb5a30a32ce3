package miop

import (
	"testing"

	"github.com/holdfast-mqtt/holdfast/bridge/miop/packet"
	"github.com/holdfast-mqtt/holdfast/broker/login"
)

// While new clients are turned away, a connection without a bind is closed. One that has a bind may have another.
func TestTurnedAway(t *testing.T) {
	pool := login.NewPool(login.Config{Workers: 1})
	defer pool.Stop()
	s := newServer(t, setup{miop: Config{Logins: pool}})
	old := bound(s, alice)
	pool.TurnAway(true)
	c := newClient(s)
	c.do(5, packet.Bind, []string{"u:bob@7"}, "EOF")
	old.do(5, packet.Bind, []string{"u:carol@8"}, "BindAck id:8 r:0")
	if got := s.miop.Stats().Overloaded; got != 1 {
		t.Errorf("got %d turned away, want 1", got)
	}
	pool.TurnAway(false)
	bound(s, "u:bob@7")
}
