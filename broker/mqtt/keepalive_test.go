package mqtt

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

// TestKeepAlive finds that a silent client is let go after one and a half times
// its Keep Alive, not a moment before and at most a few ticks of the timing
// wheel after: v5 [MQTT-3.1.2-22], v3.1.1 [MQTT-3.1.2-24].
func TestKeepAlive(t *testing.T) {
	const late = 50 * time.Millisecond
	for _, tc := range []struct {
		seconds string
		limit   time.Duration // 0 is none
	}{
		{"0", 0},
		{"1", 1500 * time.Millisecond},
		{"2", 3 * time.Second},
		{"7", 10500 * time.Millisecond},
		{"60", 90 * time.Second},
		{"43690", 65535 * time.Second},
		{"43691", 65536500 * time.Millisecond}, // more than fits 16 bits of seconds
		{"65535", 98302500 * time.Millisecond},
	} {
		for _, version := range []string{"v3", "v4", "v5"} {
			t.Run(version+" "+tc.seconds, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newServer(t, setup{loop: netloop.Config{Portable: true}})
					c := dialAs(s, version+" id=a clean ka="+tc.seconds)
					if tc.limit == 0 {
						<-time.After(1000 * time.Hour)
						c.do("ping", "PINGRESP")
						return
					}
					<-time.After(tc.limit - time.Millisecond)
					c.do("ping", "PINGRESP") // so that it counts anew
					<-time.After(tc.limit - time.Millisecond)
					synctest.Wait()
					if _, _, ended := c.next(); ended {
						t.Fatalf("ended before %v", tc.limit)
					}
					<-time.After(time.Millisecond + late)
					if version == "v5" {
						c.expect("DISCONNECT 8d") // v5 [MQTT-4.13.2-1]
					}
					c.expect("EOF")
					if got := s.mqtt.Stats().Timeouts; got != 1 {
						t.Errorf("counted %d timeouts, want 1", got)
					}
				})
			})
		}
	}
}
