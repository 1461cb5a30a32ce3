package packet

import (
	"bytes"
	"strings"
	"testing"
)

func TestAppendPublish(t *testing.T) {
	full := PublishOut{
		Dup: true, Retain: true, QoS: ExactlyOnce, PacketID: 0x1234, Topic: "a/b", Payload: []byte("hi"),
		TopicAlias: 7, HasMessageExpiry: true, MessageExpiry: 9, SubscriptionIDs: []uint32{1, 300},
		Forward: raw(`03 0001 "t"`),
	}
	tests := []struct {
		name string
		v    Version
		out  PublishOut
		want []byte
	}{
		{"QoS 0", V311, PublishOut{Topic: "a/b", Payload: []byte("hi")}, pkt(0x30, `0003 "a/b" "hi"`)},
		{"no payload", V31, PublishOut{Topic: "a/b"}, pkt(0x30, `0003 "a/b"`)},
		{"packet id of QoS 0 is ignored, v3.1.1 [MQTT-2.3.1-5]", V311, PublishOut{Topic: "a", PacketID: 5}, pkt(0x30, `0001 "a"`)},
		{"DUP of QoS 0 is ignored, v5 [MQTT-3.3.1-2]", V5, PublishOut{Topic: "a", Dup: true}, pkt(0x30, `0001 "a" 00`)},
		{"all flags", V311, full, pkt(0x3d, `0003 "a/b" 1234 "hi"`)},
		{"all properties", V5, full, pkt(0x3d, `0003 "a/b" 1234 [02 00000009 23 0007 0b 01 0b ac02 03 0001 "t"] "hi"`)},
		{"alias alone", V5, PublishOut{TopicAlias: 7}, pkt(0x30, `0000 [23 0007]`)},
		{"expiry of 0", V5, PublishOut{Topic: "a", HasMessageExpiry: true}, pkt(0x30, `0001 "a" [02 00000000]`)},
	}
	for _, tt := range tests {
		got := AppendPublish([]byte("x"), tt.v, &tt.out)
		if !bytes.Equal(got, append([]byte("x"), tt.want...)) {
			t.Errorf("%s: got %x, want 78%x", tt.name, got, tt.want)
		}
		if size := PublishSize(tt.v, &tt.out); size != len(tt.want) {
			t.Errorf("%s: got size %d, want %d", tt.name, size, len(tt.want))
		}
		header := AppendPublishHeader(nil, tt.v, &tt.out)
		if !bytes.Equal(append(header, tt.out.Payload...), tt.want) {
			t.Errorf("%s: got header %x, want the front of %x", tt.name, header, tt.want)
		}
		var tmpl PublishTemplate
		if !tmpl.Reset(tt.v, &tt.out) {
			t.Errorf("%s: the template refuses it", tt.name)
		}
		if got := append(tmpl.Append(nil, tt.out.Dup, tt.out.PacketID), tt.out.Payload...); !bytes.Equal(got, tt.want) {
			t.Errorf("%s: got %x from a template, want %x", tt.name, got, tt.want)
		}
		if tmpl.Size() != len(tt.want)-len(tt.out.Payload) {
			t.Errorf("%s: got template size %d, want %d", tt.name, tmpl.Size(), len(tt.want)-len(tt.out.Payload))
		}
	}
}

func TestAppendPublishRefuses(t *testing.T) {
	huge := make([]byte, MaxRemainingLength)
	tests := []struct {
		name string
		out  PublishOut
	}{
		{"topic of 65,536 bytes", PublishOut{Topic: strings.Repeat("a", MaxStringLength+1)}},
		{"no packet id, v5 [MQTT-2.2.1-3]", PublishOut{Topic: "a", QoS: AtLeastOnce}},
		{"QoS 3, v5 [MQTT-3.3.1-4]", PublishOut{Topic: "a", QoS: 3, PacketID: 1}},
		{"over the largest packet", PublishOut{Topic: "a", Payload: huge}},
	}
	for _, tt := range tests {
		if size := PublishSize(V5, &tt.out); size != 0 {
			t.Errorf("%s: got size %d, want 0", tt.name, size)
		}
		if got := AppendPublish([]byte("x"), V5, &tt.out); string(got) != "x" {
			t.Errorf("%s: got %d bytes, want none appended", tt.name, len(got)-1)
		}
	}
	if size := PublishSize(V311, &PublishOut{Topic: "a", Payload: huge[3:]}); size != MaxPacketSize {
		t.Errorf("got size %d for the largest packet, want %d", size, MaxPacketSize)
	}
}

func TestMessageProperties(t *testing.T) {
	m := MessageProperties{
		PayloadFormat: 1, ContentType: "t", ResponseTopic: "r", CorrelationData: []byte{},
		User: []UserProperty{{"k", "v"}, {"k", ""}},
	}
	want := raw(`01 01 03 0001 "t" 08 0001 "r" 09 0000 26 0001 "k" 0001 "v" 26 0001 "k" 0000`)
	if got := m.Append(nil); !bytes.Equal(got, want) {
		t.Errorf("got %x, want %x", got, want)
	}
	m.ContentType = strings.Repeat("x", MaxStringLength+1)
	if got := m.Append(nil); got != nil {
		t.Errorf("got %d bytes for a content type that is too long, want none", len(got))
	}
}

func TestAppendPublishDoesNotAllocate(t *testing.T) {
	out := PublishOut{
		QoS: 1, PacketID: 1, Topic: "devices/1", Payload: make([]byte, 256), TopicAlias: 1,
		HasMessageExpiry: true, SubscriptionIDs: []uint32{1, 2}, Forward: raw(`03 0001 "t"`),
	}
	dst := make([]byte, 0, 1000)
	var tmpl PublishTemplate
	tmpl.Reset(V5, &out)
	if n := testing.AllocsPerRun(100, func() {
		dst = AppendPublish(dst[:0], V5, &out)
		dst = tmpl.Append(dst, true, 5)
		if PublishSize(V5, &out) == 0 || !tmpl.Reset(V5, &out) {
			t.Fatal("cannot be encoded")
		}
	}); n != 0 {
		t.Errorf("got %v allocations, want 0", n)
	}
}

func BenchmarkAppendPublish(b *testing.B) {
	out := PublishOut{QoS: 1, PacketID: 1, Topic: "devices/0123456789/in", Payload: make([]byte, 256)}
	dst := make([]byte, 0, 1000)
	for _, v := range v4up {
		b.Run(v.String(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				dst = AppendPublish(dst[:0], v, &out)
			}
		})
	}
	b.Run("template", func(b *testing.B) {
		var tmpl PublishTemplate
		tmpl.Reset(V311, &out)
		b.ReportAllocs()
		for b.Loop() {
			dst = tmpl.Append(dst[:0], false, 7)
		}
	})
}
