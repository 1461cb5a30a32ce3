package mqtt

import (
	"testing"
	"testing/synctest"

	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

// TestTakeoverRace has twenty clients with one Client Identifier connect at
// once. One of them stays, with the one Session, and Session Present tells all
// but the first that there was one, if it is one that lasts: v5
// [MQTT-3.1.4-3], [MQTT-3.2.2-2], [MQTT-3.2.2-3], v3.1.1 [MQTT-3.1.4-2],
// [MQTT-3.2.2-1] to [MQTT-3.2.2-3].
func TestTakeoverRace(t *testing.T) {
	for _, tt := range []struct {
		connect string
		resumes bool // by those who come after the first
	}{
		{"v5 id=x expiry=100", true},
		{"v5 id=x clean", false},
		{"v5 id=x", false},
		{"v4 id=x", true},
		{"v4 id=x clean", false},
		{"v3 id=x clean", false},
		{"v5 id=x clean expiry=100", false},
	} {
		t.Run(tt.connect, func(t *testing.T) {
			eachEngine(t, func(t *testing.T, loop netloop.Config) { takeoverRace(t, loop, tt.connect, tt.resumes) })
		})
	}
}

func takeoverRace(t *testing.T, loop netloop.Config, connect string, resumes bool) {
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
			<-c.Done()
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
	accepted, first := 0, 0 // CONNACK 0, and those of them without Session Present
	for _, c := range cs {
		f, ok := c.wait()
		if ok && f.Body[1] == 0 {
			accepted++
			first += 1 - int(f.Body[0])
		}
		if !gone[c] {
			if !ok || f.Body[1] != 0 || (f.Body[0] == 1) != resumes {
				t.Errorf("the last one got CONNACK % x, want it accepted, Session Present %t", f.Body, resumes)
			}
			c.do("sub id=1 t,1", "SUBACK 1 01")
			c.do("ping", "PINGRESP")
		}
	}
	// The first of all may have been taken over before it was answered.
	if resumes && first > 1 || !resumes && first != accepted {
		t.Errorf("%d of %d were told of no Session, want all, or the first of those that resume it", first, accepted)
	}
	if st := s.broker.Stats(); st.Connected != 1 || st.Sessions != 1 || st.Subscriptions != 1 {
		t.Errorf("%d connected, %d Sessions, %d subscriptions, want one of each", st.Connected, st.Sessions, st.Subscriptions)
	}
}
