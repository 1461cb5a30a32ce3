package miop

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/bridge/miop/packet"
)

// lingers is longer than netloop keeps a closed connection whose peer does not close its side.
const lingers = 3 * time.Second

// TestClosedConnectionGoes has clients that do not close their side, nor read, when the server has done with them. They are no connections
// of the node soon after.
func TestClosedConnectionGoes(t *testing.T) {
	for name, sent := range map[string][]byte{
		"refused":   frame(5, packet.Bind, nil),
		"malformed": frame(5, packet.BindAck, []string{"r:0"}),
		"after Bind": append(frame(5, packet.Bind, []string{"u:alice@7"}),
			frame(5, packet.Migrate, nil)...),
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, setup{}, func(t *testing.T, s *testServer) {
				nc := s.dial()
				defer nc.Close()
				if _, err := nc.Write(sent); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if got := s.engine.Stats().Open; got != 1 {
					t.Errorf("got %d connections at once, want 1", got)
				}
				time.Sleep(lingers)
				synctest.Wait()
				if got := s.engine.Stats().Open; got != 0 {
					t.Errorf("got %d connections after %v, want none", got, lingers)
				}
			})
		})
	}
}
