package mqtt

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

// TestSharedSpread publishes to two groups of seven members each, of both
// versions and all QoS, with equal filters. Each group gets every message, each
// member its even part, in order. One that takes a single message and never
// acknowledges holds up nobody: the others share its part.
func TestSharedSpread(t *testing.T) {
	for _, stuck := range []bool{false, true} {
		for qos := range 3 {
			t.Run(fmt.Sprintf("QoS %d, stuck %t", qos, stuck), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { sharedSpread(t, qos, stuck) })
			})
		}
	}
}

func sharedSpread(t *testing.T, qos int, stuck bool) {
	const groups, members, messages = 2, 7, 7 * 300
	s := newServer(t, setup{loop: netloop.Config{Portable: true}, mqtt: Config{ReceiveMaximum: messages}})
	var all [groups][]*client
	for g := range groups {
		for m := range members {
			c := dialAs(s, fmt.Sprintf("v%d id=g%dm%d clean", 4+m%2, g, m))
			c.do(fmt.Sprintf("sub id=1 $share/g%d/t/+,%d", g, qos), fmt.Sprintf("SUBACK 1 %02x", qos))
			all[g] = append(all[g], c)
		}
		if stuck {
			c := dialAs(s, fmt.Sprintf("v5 id=g%dstuck clean rm=1", g))
			c.do(fmt.Sprintf("sub id=1 $share/g%d/t/+,%d", g, max(qos, 1)), fmt.Sprintf("SUBACK 1 %02x", max(qos, 1)))
			all[g] = append(all[g], c)
		}
	}
	p := dialAs(s, "v5 id=p clean")
	for i := range messages {
		b, err := encode(fmt.Sprintf("pub t/x m%05d q=%d id=%d", i, max(qos, 1), i+1), p.version)
		if err != nil {
			t.Fatal(err)
		}
		p.send(b)
	}
	synctest.Wait()
	for g := range groups {
		seen := make(map[string]bool)
		for m, c := range all[g] {
			got := c.payloads()
			least, most := messages/members, messages/members
			switch {
			case m == members:
				least, most = 1, 1
			case stuck:
				least--
			}
			if len(got) < least || len(got) > most {
				t.Errorf("group %d: member %d has %d messages, want %d to %d", g, m, len(got), least, most)
			}
			last := ""
			for _, body := range got {
				if seen[body] || body <= last {
					t.Errorf("group %d: member %d has %s after %s, seen before: %t", g, m, body, last, seen[body])
				}
				seen[body], last = true, body
			}
		}
		if len(seen) != messages {
			t.Errorf("group %d has %d messages, want %d", g, len(seen), messages)
		}
	}
}

// payloads takes all messages that have come and does not acknowledge them.
func (c *client) payloads() (all []string) {
	for {
		f, ok, _ := c.next()
		if !ok {
			return all
		}
		var p packet.Publish
		if f.Type != packet.TypePublish {
			c.t.Errorf("got %s, want PUBLISH", render(f, c.version))
			continue
		}
		if err := p.DecodeFromServer(f, c.version); err != nil {
			c.t.Error(err)
		}
		all = append(all, string(p.Payload))
	}
}

// TestSharedHandOverChain has member after member leave with everything
// unacknowledged, in every way in which a Session ends with its connection. The
// last one has all QoS 1 messages, and the QoS 2 messages that were sent to
// nobody before: v5 [MQTT-4.8.2-5].
func TestSharedHandOverChain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const messages, window = 50, 10
		s := newServer(t, setup{loop: netloop.Config{Portable: true}})
		join := func(connect string) *client {
			c := dialAs(s, connect)
			c.do("sub id=1 $share/g/t,2", "SUBACK 1 02")
			return c
		}
		c := join("v5 id=m0 clean rm=10")
		p := dialAs(s, "v5 id=p clean")
		for i := range messages {
			p.do(fmt.Sprintf("pub t one%02d q=1 id=%d", i, i+1), fmt.Sprintf("PUBACK %d", i+1))
		}
		for i := range messages {
			p.do(fmt.Sprintf("pub t two%02d q=2 id=1%02d", i, i), fmt.Sprintf("PUBREC 1%02d", i))
		}
		for i, leave := range []string{"disconnect", "drop", "send 00 00", "takeover", "shut"} {
			next := join(fmt.Sprintf("v5 id=m%d clean rm=10", i+1))
			switch leave {
			case "drop":
				c.nc.Close()
			case "takeover":
				dialAs(s, fmt.Sprintf("v4 id=m%d clean", i))
			case "shut":
				c.do("disconnect 04 expiry=0")
			default:
				c.do(leave)
			}
			synctest.Wait()
			c = next
		}
		for i := range messages {
			c.do(fmt.Sprintf("puback %d", i+1))
		}
		synctest.Wait()
		got := c.payloads()
		if len(got) != messages+window {
			t.Fatalf("the last member has %d messages, want %d and a window of QoS 2", len(got), messages)
		}
		for i, body := range got {
			want := fmt.Sprintf("one%02d", i)
			if i >= messages {
				want = fmt.Sprintf("two%02d", i-messages)
			}
			if body != want {
				t.Errorf("message %d: got %s, want %s", i, body, want)
			}
		}
	})
}
