package mqtt

import (
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

// TestKick: a client that an operator kicks gets DISCONNECT 0x98 in MQTT 5, in MQTT 3 the connection is closed, v3.1.1 has no word for
// it. Its Will is published, v5 [MQTT-3.1.2-8], v3.1.1 [MQTT-3.1.2-8], and its Session is there when it comes back.
func TestKick(t *testing.T) {
	for _, tt := range []struct {
		connect string
		told    []string
	}{
		{"v5 id=c expiry=100", []string{"DISCONNECT 98", "EOF"}},
		{"v4 id=c", []string{"EOF"}},
		{"v3 id=c", []string{"EOF"}},
	} {
		t.Run(tt.connect, func(t *testing.T) {
			eachEngine(t, func(t *testing.T, loop netloop.Config) {
				s := newServer(t, setup{loop: loop})
				w := dialAs(s, "v5 id=w clean")
				w.do("sub id=1 will,0", "SUBACK 1 00")
				c := dialAs(s, tt.connect+" will=will:gone")
				if err := s.broker.Kick(broker.DefaultApp, "c", false); err != nil {
					t.Fatalf("Kick: %v", err)
				}
				c.expect(tt.told...)
				w.expect("PUBLISH will gone q=0")
				c = dialAs(s, tt.connect)
				if st := s.broker.Stats(); st.Takeovers != 0 || st.Sessions != 2 {
					t.Errorf("%d takeovers and %d Sessions, want none and 2", st.Takeovers, st.Sessions)
				}
				c.do("ping", "PINGRESP")
			})
		})
	}
}
