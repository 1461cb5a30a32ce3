package mqtt

import (
	"bytes"
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

// The scripts in testdata/script/conformance-*.txt show packets without all of
// their bytes. What they leave out is tested here.

// TestNothingIsExplainedUnasked has a client decline problem information. None
// of the packets that could explain a failure has any property: v5
// [MQTT-3.1.2-29].
func TestNothingIsExplainedUnasked(t *testing.T) {
	eachEngine(t, func(t *testing.T, loop netloop.Config) {
		s := newServer(t, setup{loop: loop, broker: broker.Config{MaxSubscriptions: 1}})
		c := dialAs(s, "v5 id=a clean no-problem-info")
		for _, tt := range []struct {
			command string
			typ     packet.Type
			body    string
		}{
			{"sub id=1 a b", packet.TypeSubAck, "00 01 00 00 97"},
			{"unsub id=2 x", packet.TypeUnsubAck, "00 02 00 11"},
			{"pub nobody m q=1 id=3", packet.TypePubAck, "00 03 10"},
			{"pub nobody m q=2 id=4", packet.TypePubRec, "00 04 10"},
			{"pubrec 5", packet.TypePubRel, "00 05 92"},
			{"pubrel 6", packet.TypePubComp, "00 06 92"},
		} {
			b, err := encode(tt.command, c.version)
			if err != nil {
				t.Fatal(err)
			}
			c.send(b)
			if f, ok := c.wait(); !ok || f.Type != tt.typ || !bytes.Equal(f.Body, mustRaw(tt.body)) {
				t.Errorf("%s: got %v % x, want %v %s", tt.command, f.Type, f.Body, tt.typ, tt.body)
			}
		}
	})
}

// TestNoMethodUnasked connects without an Authentication Method. The server
// names none and sends no AUTH, before CONNACK or after: v5 [MQTT-4.12.0-6].
func TestNoMethodUnasked(t *testing.T) {
	eachEngine(t, func(t *testing.T, loop netloop.Config) {
		s := newServer(t, setup{loop: loop})
		c := newClient(s, packet.V5)
		c.send(mustRaw(`10 0e 00 04 "MQTT" 05 02 00 3c 00 00 01 "a"`))
		f, ok := c.wait()
		if !ok || f.Type != packet.TypeConnAck {
			t.Fatalf("got %v % x, want CONNACK first", f.Type, f.Body)
		}
		a, err := packet.DecodeConnAck(f, packet.V5)
		if err != nil {
			t.Fatal(err)
		}
		if a.Reason != packet.Success || a.AuthMethod != "" || a.AuthData != nil {
			t.Errorf("got %+v, want success without method and data", a)
		}
		c.do("ping", "PINGRESP")
	})
}
