package bench

import (
	"bytes"
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
)

// TestTemplate checks what publishers send against the codec, and what
// subscribers read against what publishers send.
func TestTemplate(t *testing.T) {
	for _, v := range []packet.Version{packet.V311, packet.V5} {
		for _, q := range []packet.QoS{0, 1} {
			for _, size := range []int{MinPayload, 256, copyLimit, copyLimit + 1, 100_000} {
				tmpl := newTemplate(v, q, "a/b", 7, size)
				b := append(tmpl.append([]byte("before"), 513, 1<<40, 99), tmpl.rest...)[len("before"):]
				if (tmpl.rest != nil) != (size > copyLimit) {
					t.Errorf("size %d: got a rest of %d bytes", size, len(tmpl.rest))
				}
				f, n, err := packet.ReadFrame(b, packet.MaxPacketSize)
				if err != nil || n != len(b) {
					t.Fatalf("%s, QoS %d, size %d: got frame of %d of %d bytes, %v", v, q, size, n, len(b), err)
				}
				var p packet.Publish
				if err := p.Decode(f, v); err != nil {
					t.Fatalf("%s, QoS %d, size %d: %v", v, q, size, err)
				}
				wantID := packet.PacketID(513 * uint16(q))
				if string(p.Topic) != "a/b" || p.PacketID != wantID || len(p.Payload) != size || p.QoS != q {
					t.Errorf("got topic %q, id %d, %d bytes, QoS %d, want a/b, %d, %d, %d", p.Topic, p.PacketID, len(p.Payload), p.QoS, wantID, size, q)
				}
				d, ok := cutPublish(f, v)
				if !ok || string(d.topic) != "a/b" || d.id != wantID || !bytes.Equal(d.payload, p.Payload) {
					t.Errorf("cutPublish: got %q, %d, %d bytes, %t, want what the codec says", d.topic, d.id, len(d.payload), ok)
				}
				if got, want := readMark(d.payload), (mark{1 << 40, 7, 99}); got != want {
					t.Errorf("got mark %+v, want %+v", got, want)
				}
			}
		}
	}
}

// TestCutPublishProperties checks that the properties of MQTT 5 are skipped.
func TestCutPublishProperties(t *testing.T) {
	b := packet.AppendPublish(nil, packet.V5, &packet.PublishOut{
		QoS: 1, PacketID: 3, Topic: "t", Payload: []byte("payload"), SubscriptionIDs: make200(),
	})
	f, _, err := packet.ReadFrame(b, packet.MaxPacketSize)
	if err != nil {
		t.Fatal(err)
	}
	if d, ok := cutPublish(f, packet.V5); !ok || string(d.payload) != "payload" {
		t.Errorf("got %q, %t, want payload", d.payload, ok)
	}
}

// make200 makes enough identifiers for a property length of two bytes.
func make200() []uint32 {
	ids := make([]uint32, 200)
	for i := range ids {
		ids[i] = uint32(i + 1)
	}
	return ids
}

func TestCutPublishTruncated(t *testing.T) {
	for _, v := range []packet.Version{packet.V311, packet.V5} {
		body := packet.AppendPublish(nil, v, &packet.PublishOut{QoS: 1, PacketID: 3, Topic: "topic"})[2:]
		for n := range body {
			if _, ok := cutPublish(packet.Frame{Type: packet.TypePublish, Flags: 2, Body: body[:n]}, v); ok {
				t.Errorf("%s, %d of %d bytes: got ok, want not", v, n, len(body))
			}
		}
	}
	if _, ok := cutPublish(packet.Frame{Flags: 2, Body: []byte{0, 1, 't', 0, 0}}, packet.V311); ok {
		t.Error("Packet Identifier 0: got ok, want not")
	}
	if _, ok := cutPublish(packet.Frame{Body: []byte{0, 1, 't', 9, 0}}, packet.V5); ok {
		t.Error("properties beyond the packet: got ok, want not")
	}
}

// TestHotPathDoesNotAllocate keeps the generator out of its own measurement.
func TestHotPathDoesNotAllocate(t *testing.T) {
	tmpl := newTemplate(packet.V311, 1, "bench/12345678/1", 1, 256)
	buf := make([]byte, 0, 4096)
	m := newMeter(nil, time.Now())
	m.recording = true
	var tr tracker
	seq := uint32(0)
	got := testing.AllocsPerRun(1000, func() {
		buf = tmpl.append(buf[:0], 1, m.clock(), seq)
		f, _, err := packet.ReadFrame(buf, packet.MaxPacketSize)
		if err != nil {
			t.Fatal(err)
		}
		d, ok := cutPublish(f, packet.V311)
		if !ok || string(d.topic) != "bench/12345678/1" {
			t.Fatal("not cut")
		}
		mk := readMark(d.payload)
		m.now = 0
		if m.count(&tr, mk.sequence) {
			m.arrived(mk.stamp)
		}
		seq++
	})
	if got != 0 {
		t.Errorf("got %v allocations a message, want 0", got)
	}
}

func BenchmarkMessage(b *testing.B) {
	tmpl := newTemplate(packet.V311, 1, "bench/12345678/1", 1, 256)
	buf := make([]byte, 0, 4096)
	m := newMeter(nil, time.Now())
	var tr tracker
	b.ReportAllocs()
	for seq := uint32(0); b.Loop(); seq++ {
		buf = tmpl.append(buf[:0], 1, 0, seq)
		f, _, _ := packet.ReadFrame(buf, packet.MaxPacketSize)
		d, _ := cutPublish(f, packet.V311)
		m.count(&tr, readMark(d.payload).sequence)
	}
}
