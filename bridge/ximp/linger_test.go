package ximp

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
)

// lingers is longer than netloop keeps a closed connection whose peer does not close its side.
const lingers = 3 * time.Second

// TestClosedConnectionGoes has clients that do not close their side, nor read, when the server has done with them. They are no connections
// of the node soon after.
func TestClosedConnectionGoes(t *testing.T) {
	login := &packet.Message{ID: packet.IDLogin, SN: 1, Sender: []byte("alice"), Request: &packet.Request{Login: &packet.LoginRequest{
		ServerRAM: []byte("none of the server's"), DeviceID: []byte("d"), Platform: []byte("mobile"),
	}}}
	for name, sent := range map[string][]byte{
		"refused":   packet.AppendFirst(nil, packet.Header{Version: 1, ClientVersion: 102, App: testAppID}, login, ""),
		"malformed": []byte("qh is no header of this protocol"),
	} {
		for _, web := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				inBubble(t, setup{web: web}, func(s *testServer) {
					nc := s.dial()
					defer nc.Close()
					if _, err := nc.Write(sent); err != nil {
						t.Fatal(err)
					}
					synctest.Wait()
					if got := s.engine.Stats().Open; got != 1 {
						t.Errorf("in a WebSocket %t: got %d connections at once, want 1", web, got)
					}
					pass(lingers)
					synctest.Wait()
					if got := s.engine.Stats().Open; got != 0 {
						t.Errorf("in a WebSocket %t: got %d connections after %v, want none", web, got, lingers)
					}
				})
			})
		}
	}
}
