package crash

import (
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
)

// newVisit returns a connection of an MQTT 5 client with Receive Maximum 2 to a server that takes everything.
func newVisit(t *testing.T) *visit {
	t.Helper()
	near, far := net.Pipe()
	done := make(chan struct{})
	go func() { _, _ = io.Copy(io.Discard, far); close(done) }()
	t.Cleanup(func() { near.Close(); far.Close(); <-done })
	c := &client{
		index: 3, version: packet.V5, receiveMaximum: 2, session: newSession(), numbers: make(map[int]uint32), rng: rand.New(rand.NewPCG(1, 1)),
		topics: []int{1}, temper: temper{burst: 1}, wishes: []wish{{filter: "a", qos: 1}},
		ledger: newLedger([]topic{{name: "a", qos: 1, inbox: -1}, {name: "b", qos: 2, inbox: -1}}),
	}
	return &visit{client: c, conn: &conn{net: near, version: packet.V5}, window: 5, inFlight: make(map[packet.PacketID]bool)}
}

// take gives the visit packets in wire form.
func take(t *testing.T, v *visit, b []byte) (err error) {
	t.Helper()
	for len(b) > 0 && err == nil {
		f, n, frameErr := packet.ReadFrame(b, packet.MaxPacketSize)
		if frameErr != nil || n == 0 {
			t.Fatalf("bad packet in the test: %v", frameErr)
		}
		b, err = b[n:], v.packet(f)
	}
	return err
}

func publishOf(k key, q packet.QoS, id packet.PacketID, dup bool) []byte {
	return packet.AppendPublish(nil, packet.V5, &packet.PublishOut{
		QoS: q, PacketID: id, Dup: dup, Topic: []string{"a", "b"}[k.topic], Payload: k.payload(),
	})
}

func TestFaultsOfPackets(t *testing.T) {
	ack := func(typ packet.Type, id packet.PacketID) []byte { return packet.AppendAck(nil, typ, packet.V5, id, 0) }
	join := func(parts ...[]byte) (all []byte) {
		for _, p := range parts {
			all = append(all, p...)
		}
		return all
	}
	a0, a1, a2, b0 := key{0, 0, 0}, key{0, 0, 1}, key{0, 0, 2}, key{0, 1, 0}
	wrong := packet.AppendPublish(nil, packet.V5, &packet.PublishOut{QoS: 1, PacketID: 1, Topic: "a", Payload: []byte("12345678x")})
	other := packet.AppendPublish(nil, packet.V5, &packet.PublishOut{QoS: 1, PacketID: 1, Topic: "b", Payload: a0.payload()})
	for _, tt := range []struct {
		name  string
		bytes []byte
		want  string // "": no fault
	}{
		{"messages", join(publishOf(a0, 1, 1, false), publishOf(b0, 2, 2, false), ack(packet.TypePubRel, 2)), ""},
		{"QoS 2 again", join(publishOf(b0, 2, 2, false), publishOf(b0, 2, 2, true)), ""},
		{"PUBREL for nothing", ack(packet.TypePubRel, 9), ""},
		{"changed payload", wrong, "the payload is not what was published"},
		{"another topic", other, `came on topic "b"`},
		{"QoS 0", publishOf(a0, 0, 0, false), "came with QoS 0"},
		{"Packet Identifier in flight", join(publishOf(a0, 1, 1, false), publishOf(a1, 1, 1, false)), "which is in flight"},
		{"over Receive Maximum", join(publishOf(a0, 1, 1, false), publishOf(a1, 1, 2, false), publishOf(a2, 1, 3, false)), "Receive Maximum is 2"},
		{"QoS 2 again without DUP", join(publishOf(b0, 2, 2, false), publishOf(b0, 2, 2, false)), errNoDup.Error()},
		{"PUBACK for nothing", ack(packet.TypePubAck, 9), errUnknownID.Error()},
		{"PINGRESP unasked", packet.AppendPingResp(nil), "PINGRESP without PINGREQ"},
		{"SUBACK unasked", packet.AppendSubAck(nil, packet.V5, &packet.SubAck{PacketID: subscribeID, Reasons: []packet.ReasonCode{1}}, 0), "another SUBSCRIBE"},
		{"DISCONNECT", packet.AppendDisconnect(nil, packet.V5, &packet.Disconnect{Reason: packet.ProtocolError}, 0), "0x82 Protocol Error"},
		{"CONNACK again", packet.AppendConnAck(nil, packet.V5, &packet.ConnAck{}, 0), "unexpected CONNACK"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := newVisit(t)
			_ = take(t, v, tt.bytes) // the fault is in the ledger
			faults := v.client.ledger.faults
			if tt.want == "" && len(faults) > 0 || tt.want != "" && (len(faults) != 1 || !strings.Contains(faults[0].text, tt.want)) {
				t.Errorf("got %v, want %q", faults, tt.want)
			}
		})
	}
}

// TestAcknowledgementIsSeen checks that only what was sent before a PINGREQ counts as read.
func TestAcknowledgementIsSeen(t *testing.T) {
	v := newVisit(t)
	a0, a1 := key{0, 0, 0}, key{0, 0, 1}
	steps := []func() error{
		func() error { return take(t, v, publishOf(a0, 1, 1, false)) }, v.flush, v.tick,
		func() error { return take(t, v, publishOf(a1, 1, 2, false)) }, v.flush,
		func() error { return take(t, v, packet.AppendPingResp(nil)) },
	}
	for i, step := range steps {
		if err := step(); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
	}
	if v.client.ledger.messages[a0].first(ackSeen) == nil || v.client.ledger.messages[a1].first(ackSeen) != nil {
		t.Error("got another set of acknowledgements seen, want that of the first message only")
	}
}

// TestSessionGone checks that a lost Session is a fault after a SUBACK and no fault before.
func TestSessionGone(t *testing.T) {
	v := newVisit(t)
	c := v.client
	c.sessionGone()
	if err := v.tick(); err != nil {
		t.Fatal(err)
	}
	err := take(t, v, packet.AppendSubAck(nil, packet.V5, &packet.SubAck{PacketID: subscribeID, Reasons: []packet.ReasonCode{1}}, 0))
	if err != nil || len(c.ledger.faults) != 0 || len(c.ledger.subscriptions) != 1 {
		t.Fatalf("got %v, faults %v, %d subscriptions, want one and no fault", err, c.ledger.faults, len(c.ledger.subscriptions))
	}
	if err := v.publish(); err != nil {
		t.Fatal(err)
	}
	c.sessionGone()
	if len(c.ledger.faults) != 1 || c.ledger.faults[0].rule != ruleSession || c.subscribed != 0 {
		t.Errorf("got faults %v, %d subscriptions, want a fault of the Session and 0", c.ledger.faults, c.subscribed)
	}
	if c.ledger.messages[key{3, 1, 0}].first(abandoned) == nil {
		t.Error("the unacknowledged message: got it not given up, want it given up with the Session")
	}
}
