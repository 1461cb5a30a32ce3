package mqtt

import (
	"fmt"
	"strings"
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

// beginnings are CONNECTs, and whether their Sessions outlive the connection.
var beginnings = []struct {
	words string
	lasts bool
}{
	{"v3", true}, {"v3 clean", false}, {"v4", true}, {"v4 clean", false}, {"v5", false}, {"v5 clean", false},
	{"v5 expiry=100", true}, {"v5 clean expiry=4294967295", true},
}

// TestSessionPresent goes through all pairs of CONNECTs and all ways in which
// the first connection ends. Session Present tells what there is, and what it
// tells is so: the subscription is there or is not. v5 [MQTT-3.2.2-2],
// [MQTT-3.2.2-3], [MQTT-3.1.2-4], [MQTT-3.1.2-5], [MQTT-3.1.2-23], v3.1.1
// [MQTT-3.2.2-1] to [MQTT-3.2.2-3], [MQTT-3.1.2-4], [MQTT-3.1.2-6].
func TestSessionPresent(t *testing.T) {
	eachEngine(t, func(t *testing.T, loop netloop.Config) {
		s := newServer(t, setup{loop: loop})
		p := dialAs(s, "v4 id=p clean")
		for i, first := range beginnings {
			for _, end := range []string{"disconnect", "disconnect 04", "disconnect 00 expiry=0", "disconnect 00 expiry=200", "error", "takeover"} {
				for j, second := range beginnings {
					lasts := first.lasts
					if strings.Contains(end, "expiry") {
						if !strings.Contains(first.words, "expiry") {
							continue // MQTT 3 has no such thing, and 0 cannot be raised
						}
						lasts = strings.HasSuffix(end, "200")
					}
					present := lasts && !strings.Contains(second.words, "clean")
					name := fmt.Sprintf("%s, %s, %s", first.words, end, second.words)
					id := fmt.Sprintf("c%d-%d-%s", i, j, strings.NewReplacer(" ", ".", "=", ".").Replace(end))
					a := dialAs(s, first.words+" id="+id)
					a.do("sub id=1 "+id+",1", "SUBACK 1 01")
					if end == "error" {
						end = "send f0 01 ff"
					}
					if end != "takeover" {
						a.do(end)
						<-a.Done()
					}
					p.checkPresent(name, s, id, second.words, present)
				}
			}
		}
	})
}

// checkPresent connects with a CONNECT and expects the Session with its
// subscription, or none.
func (c *client) checkPresent(name string, s *testServer, id, connect string, present bool) {
	c.t.Helper()
	v, b, err := encodeConnect(connect + " id=" + id)
	if err != nil {
		c.t.Fatal(err)
	}
	next := newClient(s, v)
	next.send(b)
	f, ok := next.wait()
	if !ok || f.Type != packet.TypeConnAck || f.Body[1] != 0 {
		c.t.Fatalf("%s: got %v % x, want CONNACK 0", name, f.Type, f.Body)
	}
	if told := f.Body[0] == 1; told != (present && v != packet.V31) {
		c.t.Errorf("%s: got Session Present %t, want %t", name, told, present)
	}
	c.do("pub "+id+" m q=1 id=1", "PUBACK 1")
	want := "PINGRESP"
	if present {
		want = "PUBLISH " + id + " m q=1 id=1"
	}
	if next.do("ping", want); present {
		next.do("puback 1", "PINGRESP")
	}
	next.do("disconnect", "EOF")
}

// TestTakeoverWhileLeaving has a client take leave, ending its Session, in the
// same moment in which another connects with its Client Identifier. Either
// comes first; all that follows fits to that: the Session with its subscription
// goes on and the Will is published, or none of it. v5 [MQTT-3.1.4-3],
// [MQTT-3.14.4-3], [MQTT-3.2.2-3].
func TestTakeoverWhileLeaving(t *testing.T) {
	eachEngine(t, func(t *testing.T, loop netloop.Config) {
		const rounds = 200
		s := newServer(t, setup{loop: loop})
		w := dialAs(s, "v5 id=w clean")
		w.do("sub id=1 will", "SUBACK 1 00")
		v, connect, err := encodeConnect("v5 id=x expiry=100")
		if err != nil {
			t.Fatal(err)
		}
		leave, err := encode("disconnect 00 expiry=0", v)
		if err != nil {
			t.Fatal(err)
		}
		count := 0
		for range rounds {
			a := dialAs(s, "v5 id=x clean expiry=100 will=will:gone")
			a.do("sub id=1 t", "SUBACK 1 00")
			b := newClient(s, v)
			go a.send(leave)
			b.send(connect)
			present := false
			switch got := b.line(); got {
			case "CONNACK 00 present":
				present = true
				count++
			case "CONNACK 00":
			default:
				t.Fatalf("got %s, want CONNACK 00", got)
			}
			if end := a.line(); end != "EOF" {
				if end != "DISCONNECT 8e" || !present {
					t.Errorf("the one who leaves got %s, Session Present for the other is %t", end, present)
				}
				a.expect("EOF")
			}
			if w.do("pub t m"); present {
				b.expect("PUBLISH t m q=0")
				w.expect("PUBLISH will gone q=0")
			}
			w.do("ping", "PINGRESP")
			b.do("ping", "PINGRESP")
			b.do("disconnect 00 expiry=0", "EOF")
		}
		t.Logf("the Session went on %d times of %d", count, rounds)
		if st := s.broker.Stats(); st.Connected != 1 || st.Sessions != 1 || st.Subscriptions != 1 {
			t.Errorf("%d connected, %d Sessions, %d subscriptions, want one of each", st.Connected, st.Sessions, st.Subscriptions)
		}
	})
}
