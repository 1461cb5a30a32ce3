package mqtt

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// lingers is longer than netloop keeps a closed connection whose peer does not close its side.
const lingers = 3 * time.Second

// TestClosedConnectionGoes has clients that do not close their side, nor read, when the server has done with them. They are no connections
// of the node soon after.
func TestClosedConnectionGoes(t *testing.T) {
	const (
		connect3 = `10 10 00 04 "MQTT" 04 82 00 3c 00 01 "b" 00 01 "x"`
		connect5 = `10 11 00 04 "MQTT" 05 82 00 3c 00 00 01 "b" 00 01 "x"`
	)
	for name, tt := range map[string]struct {
		room    int
		packets string
	}{
		"return code 3":        {1, connect3},
		"return code 1":        {2, `10 0d 00 04 "MQTT" 09 02 00 3c 00 01 "b"`},
		"Reason Code 0x97":     {1, connect5},
		"DISCONNECT, MQTT 3":   {2, connect3 + `e0 00`},
		"DISCONNECT, MQTT 5":   {2, connect5 + `e0 00`},
		"Malformed Packet":     {2, connect5 + `00 00`},
		"no protocol of MQTT":  {2, `10 02 00 00`},
		"publish, then refuse": {2, connect3 + `36 06 00 01 "t" 00 01 00`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newLimitedServer(t, broker.AppLimits{MaxConnections: tt.room}, Config{})
				dialAs(s, "v5 id=a username=x clean")
				nc := s.dial()
				defer nc.Close()
				if _, err := nc.Write(mustRaw(tt.packets)); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if got := s.engine.Stats().Open; got != 2 {
					t.Errorf("got %d connections at once, want 2", got)
				}
				time.Sleep(lingers)
				synctest.Wait()
				if got := s.engine.Stats().Open; got != 1 {
					t.Errorf("got %d connections after %v, want the one that is well", got, lingers)
				}
			})
		})
	}
}
