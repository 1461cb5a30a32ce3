package mqtt

import (
	"fmt"
	"strings"
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

// subscribeLong subscribes to filters that no script line would hold.
func (c *client) subscribeLong(filters ...string) {
	c.t.Helper()
	for i, filter := range filters {
		id := packet.PacketID(i + 1)
		c.send(packet.AppendSubscribe(nil, c.version, &packet.Subscribe{
			PacketID: id, Filters: []packet.Filter{{TopicFilter: filter, QoS: 1}},
		}))
		c.expect(fmt.Sprintf("SUBACK %d 01", id))
	}
}

// unsubscribeLong takes them back.
func (c *client) unsubscribeLong(filters ...string) {
	c.t.Helper()
	c.send(packet.AppendUnsubscribe(nil, c.version, &packet.Unsubscribe{PacketID: 9, Filters: filters}))
	if got := c.line(); !strings.HasPrefix(got, "UNSUBACK 9") || strings.Contains(got, "11") {
		c.t.Errorf("got %s, want UNSUBACK 9 for subscriptions that exist", got)
	}
}

// TestLongestTopic uses Topic Names and Topic Filters of 65,535 bytes for all
// that they are good for, of one level and of as many as there can be:
// v5 [MQTT-4.7.3-3], v3.1.1 [MQTT-4.7.3-3].
func TestLongestTopic(t *testing.T) {
	const longest = 65535
	for _, test := range []struct{ name, topic, wildcard string }{
		{"one level", strings.Repeat("t", longest), "+"},
		{"two levels", strings.Repeat("t", longest-2) + "/x", strings.Repeat("t", longest-2) + "/+"},
		{"empty levels", strings.Repeat("/", longest), strings.Repeat("/", longest-1) + "#"},
		{"every level a wildcard", strings.Repeat("/", longest/2), strings.Repeat("+/", longest/2) + "+"},
		{"each level of one byte", strings.Repeat("a/", longest/2) + "a", strings.Repeat("a/+/", longest/4) + "#"},
	} {
		for _, version := range []string{"v4", "v5"} {
			t.Run(test.name+" "+version, func(t *testing.T) {
				eachEngine(t, func(t *testing.T, loop netloop.Config) {
					longestTopic(t, newServer(t, setup{loop: loop, mqtt: Config{MaxTopicLevels: longest + 1}}), version, test.topic, test.wildcard)
				})
			})
		}
	}
}

func longestTopic(t *testing.T, s *testServer, version, name, wildcard string) {
	shown := text([]byte(name))
	a := dialAs(s, version+" id=a")
	a.subscribeLong(name, wildcard)
	p := dialAs(s, version+" id=p clean")
	publish := func(body string, retain bool, id packet.PacketID) {
		p.send(packet.AppendPublish(nil, p.version, &packet.PublishOut{
			Topic: name, Payload: []byte(body), QoS: 1, PacketID: id, Retain: retain,
		}))
		p.expect(fmt.Sprintf("PUBACK %d", id))
	}
	publish("one", true, 1)
	a.expect("PUBLISH " + shown + " one q=1 id=1")
	a.do("puback 1")
	b := dialAs(s, version+" id=b clean")
	b.subscribeLong(name)
	b.expect("PUBLISH " + shown + " one q=1 id=1 retain")
	a.unsubscribeLong(wildcard)
	publish("two", false, 2)
	a.expect("PUBLISH " + shown + " two q=1 id=2")
	b.expect("PUBLISH " + shown + " two q=1 id=2")
	a.unsubscribeLong(name)
	b.unsubscribeLong(name)
	p.do("pub other m q=1 id=3")
	if got := p.line(); !strings.HasPrefix(got, "PUBACK 3") {
		t.Errorf("got %s, want PUBACK 3", got)
	}
	a.do("ping", "PINGRESP")
	if st := s.broker.Stats(); st.Subscriptions != 0 || st.Retained != 1 {
		t.Errorf("%d subscriptions and %d retained messages, want 0 and 1", st.Subscriptions, st.Retained)
	}
}

// TestLongWill has a Will whose Topic Name fills CONNECT up to what a stranger
// may send.
func TestLongWill(t *testing.T) {
	eachEngine(t, func(t *testing.T, loop netloop.Config) {
		s := newServer(t, setup{loop: loop})
		w := dialAs(s, "v5 id=w clean")
		w.do("sub id=1 #", "SUBACK 1 00")
		name := strings.Repeat("w", maxConnect-64)
		v, b, err := encodeConnect("v4 id=a clean will=" + name + ":gone")
		if err != nil {
			t.Fatal(err)
		}
		a := newClient(s, v)
		a.send(b)
		a.expect("CONNACK 00")
		a.nc.Close()
		w.expect("PUBLISH " + text([]byte(name)) + " gone q=0")
	})
}
