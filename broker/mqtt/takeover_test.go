package mqtt

import (
	"testing"
	"testing/synctest"

	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

// TestTakeoverRace has twenty clients with one Client Identifier connect at
// once. One of them stays, with the one Session: v5 [MQTT-3.1.4-3],
// v3.1.1 [MQTT-3.1.4-2].
func TestTakeoverRace(t *testing.T) {
	for _, connect := range []string{"v5 id=x expiry=100", "v5 id=x clean", "v4 id=x", "v3 id=x clean", "v5 id=x clean expiry=100"} {
		t.Run(connect, func(t *testing.T) {
			eachEngine(t, func(t *testing.T, loop netloop.Config) { takeoverRace(t, loop, connect) })
		})
	}
}

func takeoverRace(t *testing.T, loop netloop.Config, connect string) {
	const clients = 20
	s := newServer(t, setup{loop: loop})
	v, b, err := encodeConnect(connect)
	if err != nil {
		t.Fatal(err)
	}
	ends := make(chan *client, clients)
	var cs []*client
	for range clients {
		c := newClient(s, v)
		cs = append(cs, c)
		go func() {
			c.send(b)
			<-c.done
			ends <- c
		}()
	}
	gone := make(map[*client]bool)
	for range clients - 1 {
		gone[<-ends] = true
	}
	if loop.Portable {
		synctest.Wait()
	}
	for _, c := range cs {
		if !gone[c] {
			if f, ok := c.wait(); !ok || f.Body[1] != 0 {
				t.Errorf("the last one got CONNACK % x, want it accepted", f.Body)
			}
			c.do("sub id=1 t,1", "SUBACK 1 01")
			c.do("ping", "PINGRESP")
		}
	}
	if st := s.broker.Stats(); st.Connected != 1 || st.Sessions != 1 || st.Subscriptions != 1 {
		t.Errorf("%d connected, %d Sessions, %d subscriptions, want one of each", st.Connected, st.Sessions, st.Subscriptions)
	}
}
