package packet

import (
	"bytes"
	"strings"
	"testing"
)

func TestPublishRefused(t *testing.T) {
	decode := func(f Frame, v Version) (any, error) { return nil, new(Publish).Decode(f, v) }
	testRefused(t, []refused{
		{"QoS 3 v5 [MQTT-3.3.1-4] v3.1.1 [MQTT-3.3.1-4]", vAll, 0x36, `0001 "a" 0001`, ErrQoS, MalformedPacket},
		{"DUP with QoS 0 v5 [MQTT-3.3.1-2] v3.1.1 [MQTT-3.3.1-2]", v4up, 0x38, `0001 "a" 00`, ErrDup, MalformedPacket},
		{"empty body", vAll, 0x30, ``, ErrTruncated, MalformedPacket},
		{"topic longer than packet", vAll, 0x30, `0005 "abc"`, ErrTruncated, MalformedPacket},
		{"packet id missing", vAll, 0x32, `0001 "a"`, ErrTruncated, MalformedPacket},
		{"packet id half", vAll, 0x32, `0001 "a" 00`, ErrTruncated, MalformedPacket},
		{"packet id 0 v5 [MQTT-2.2.1-3] v3.1.1 [MQTT-2.3.1-1]", vAll, 0x32, `0001 "a" 0000 00`, ErrPacketID, ProtocolError},
		{"topic with plus v5 [MQTT-3.3.2-2] v3.1.1 [MQTT-3.3.2-2]", vAll, 0x30, `0003 "a/+" 00`, ErrTopicName, TopicNameInvalid},
		{"topic with hash v5 [MQTT-3.3.2-2] v3.1.1 [MQTT-3.3.2-2]", vAll, 0x30, `0001 "#" 00`, ErrTopicName, TopicNameInvalid},
		{"topic not UTF-8 v5 [MQTT-3.3.2-1] v3.1.1 [MQTT-3.3.2-1]", vAll, 0x30, `0002 c328 00`, ErrString, MalformedPacket},
		{"topic with U+0000 v5 [MQTT-4.7.3-2] v3.1.1 [MQTT-4.7.3-2]", vAll, 0x30, `0002 6100 00`, ErrString, MalformedPacket},
		{"empty topic v3.1.1 [MQTT-4.7.3-1]", v3s, 0x30, `0000 "x"`, ErrTopicName, MalformedPacket},
		{"empty topic without alias v5 3.3.2.1", v5s, 0x30, `0000 00 "x"`, ErrNoTopic, ProtocolError},
		{"empty topic with other property v5 3.3.2.1", v5s, 0x30, `0000 [01 01] "x"`, ErrNoTopic, ProtocolError},
		{"no property length v5 [MQTT-2.2.2-1]", v5s, 0x30, `0001 "a"`, ErrTruncated, MalformedPacket},
		{"properties longer than packet", v5s, 0x30, `0001 "a" 05 01 01`, ErrTruncated, MalformedPacket},
		{"property length not minimal v5 [MQTT-1.5.5-1]", v5s, 0x30, `0001 "a" 8000`, ErrVarint, MalformedPacket},
		{"property length of five bytes", v5s, 0x30, `0001 "a" 8080808001`, ErrVarint, MalformedPacket},
		{"value longer than block", v5s, 0x30, `0001 "a" [02 0000] 0001`, ErrTruncated, MalformedPacket},
		{"topic alias 0 v5 [MQTT-3.3.2-8]", v5s, 0x30, `0001 "a" [23 0000]`, ErrPropertyValue, TopicAliasInvalid},
		{"payload format 2", v5s, 0x30, `0001 "a" [01 02]`, ErrPropertyValue, ProtocolError},
		{"response topic with wildcard v5 [MQTT-3.3.2-14]", v5s, 0x30, `0001 "a" [08 0001 "#"]`, ErrPropertyValue, ProtocolError},
		{"response topic not UTF-8 v5 [MQTT-3.3.2-13]", v5s, 0x30, `0001 "a" [08 0001 ff]`, ErrString, MalformedPacket},
		{"content type not UTF-8 v5 [MQTT-3.3.2-19]", v5s, 0x30, `0001 "a" [03 0001 ff]`, ErrString, MalformedPacket},
		{"user property key with U+0000 v5 [MQTT-1.5.7-1]", v5s, 0x30, `0001 "a" [26 0001 00 0000]`, ErrString, MalformedPacket},
		{"user property without value v5 1.5.7", v5s, 0x30, `0001 "a" [26 0001 "k"] "xx"`, ErrTruncated, MalformedPacket},
		{"subscription identifier from a Client v5 [MQTT-3.3.4-6]", v5s, 0x30, `0001 "a" [0b 01]`, ErrProperty, ProtocolError},
		{"unknown property 0 v5 2.2.2.2", v5s, 0x30, `0001 "a" [00 00]`, ErrProperty, MalformedPacket},
		{"unknown property 127", v5s, 0x30, `0001 "a" [7f 00]`, ErrProperty, MalformedPacket},
		{"property of CONNECT", v5s, 0x30, `0001 "a" [21 0001]`, ErrProperty, MalformedPacket},
		{"two topic aliases", v5s, 0x30, `0001 "a" [23 0001 23 0001]`, ErrPropertyTwice, ProtocolError},
	}, decode)
	testRefused(t, []refused{
		{"subscription identifier 0 v5 3.3.2.3.8", v5s, 0x30, `0001 "a" [0b 00]`, ErrPropertyValue, ProtocolError},
		{"subscription identifier not minimal", v5s, 0x30, `0001 "a" [0b 8100]`, ErrVarint, MalformedPacket},
	}, decodeFromServer)
}

func TestPublishV31IgnoresDupAtQoS0(t *testing.T) {
	var p Publish
	if err := p.Decode(one(t, pkt(0x38, `0001 "a"`)), V31); err != nil || p.Dup {
		t.Errorf("got Dup %v, error %v, want false, nil", p.Dup, err)
	}
}

func TestPublishDecode(t *testing.T) {
	var p Publish
	f := one(t, pkt(0x3b, `0003 "a/b" 1234 [01 01 02 00000009 23 0007 03 0001 "t" 08 0001 "r" 09 0000 26 0001 "a" 0001 "b"] "hi"`))
	if err := p.Decode(f, V5); err != nil {
		t.Fatal(err)
	}
	if !p.Dup || p.QoS != AtLeastOnce || !p.Retain || p.PacketID != 0x1234 || string(p.Topic) != "a/b" || string(p.Payload) != "hi" {
		t.Errorf("got %+v", p)
	}
	q := &p.Properties
	if q.PayloadFormat != 1 || !q.HasMessageExpiry || q.MessageExpiry != 9 || q.TopicAlias != 7 ||
		string(q.ContentType) != "t" || string(q.ResponseTopic) != "r" || q.CorrelationData == nil || len(q.CorrelationData) > 0 {
		t.Errorf("got properties %+v", q)
	}
	// Everything of the message before is gone.
	if err := p.Decode(one(t, pkt(0x30, `0001 "x" 00`)), V5); err != nil {
		t.Fatal(err)
	}
	if q.PayloadFormat != 0 || q.HasMessageExpiry || q.TopicAlias != 0 || q.ContentType != nil || q.ResponseTopic != nil ||
		q.CorrelationData != nil || q.UserProperties != nil || q.Forward != nil || p.Dup || p.Retain || p.PacketID != 0 || len(p.Payload) != 0 {
		t.Errorf("got leftovers %+v", p)
	}
}

// TestPublishForward has forwarded properties with others before, between and
// after them: v5 [MQTT-3.3.2-4] [MQTT-3.3.2-15] [MQTT-3.3.2-16] [MQTT-3.3.2-17]
// [MQTT-3.3.2-18] [MQTT-3.3.2-20].
func TestPublishForward(t *testing.T) {
	const a, b, c = `26 0001 "a" 0001 "1"`, `26 0001 "b" 0001 "2"`, `26 0001 "a" 0001 "3"`
	tests := []struct{ name, in, forward, user string }{
		{"none", `02 00000001`, ``, ``},
		{"one piece", `02 00000001` + a + b + c, a + b + c, a + b + c},
		{"one piece first", a + b + c + `02 00000001`, a + b + c, a + b + c},
		{"expiry between", a + `02 00000001` + b + c, a + b + c, a + b + c},
		{"two gaps", a + `02 00000001` + b + `23 0001` + c, a + b + c, a + b + c},
		{"content type between", a + `03 0001 "t"` + b, a + `03 0001 "t"` + b, a + b},
		{"all", `01 01` + a + `23 0001 09 0001 ff` + b + `08 0001 "r"`, `01 01` + a + `09 0001 ff` + b + `08 0001 "r"`, a + b},
	}
	var p Publish // reused on purpose
	for _, tt := range tests {
		if err := p.Decode(one(t, pkt(0x30, `0001 "t" [`+tt.in+`] "x"`)), V5); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if got, want := p.Properties.Forward, raw(tt.forward); !bytes.Equal(got, want) {
			t.Errorf("%s: got forward %x, want %x", tt.name, got, want)
		}
		if got, want := p.Properties.UserProperties, raw(tt.user); !bytes.Equal(got, want) {
			t.Errorf("%s: got user properties %x, want %x", tt.name, got, want)
		}
		var pairs strings.Builder
		for k, v := range UserProperties(p.Properties.Forward) {
			pairs.WriteString(string(k) + string(v))
		}
		if want := "a1b2a3"[:2*bytes.Count(raw(tt.user), []byte{0x26})]; pairs.String() != want {
			t.Errorf("%s: got pairs %q, want %q", tt.name, pairs.String(), want)
		}
	}
}

func TestPublishScratchIsBounded(t *testing.T) {
	big := string(bytes.Repeat([]byte("x"), MaxStringLength))
	block := appendUserProperties(nil, []UserProperty{{"k", big}})
	block = append(block, raw("23 0001")...)
	block = append(block, block[:len(block)-3]...)
	body := append(raw(`0001 "a"`), appendVarint(nil, len(block))...)
	var p Publish
	if err := p.Decode(Frame{TypePublish, 0, append(body, block...)}, V5); err != nil {
		t.Fatal(err)
	}
	if len(p.Properties.Forward) != len(block)-3 {
		t.Errorf("got %d forwarded bytes, want %d", len(p.Properties.Forward), len(block)-3)
	}
	if err := p.Decode(one(t, pkt(0x30, `0001 "a" 00`)), V5); err != nil {
		t.Fatal(err)
	}
	if n := cap(p.Properties.forwardBuf) + cap(p.Properties.userBuf); n > keepScratch {
		t.Errorf("got %d bytes of scratch kept, want at most %d", n, keepScratch)
	}
}

func TestPublishDecodeDoesNotAllocate(t *testing.T) {
	packets := map[string][]byte{
		"no properties":       pkt(0x32, `0009 "devices/1" 0001 00 "hi"`),
		"properties":          pkt(0x32, `0009 "devices/1" 0001 [01 01 02 00000009 23 0001 03 0001 "t" 26 0001 "k" 0001 "v"] "hi"`),
		"interrupted forward": pkt(0x32, `0009 "devices/1" 0001 [01 01 02 00000009 03 0001 "t" 26 0001 "k" 0001 "v"] "hi"`),
	}
	var p Publish
	for name, b := range packets {
		if n := testing.AllocsPerRun(100, func() {
			f, _, err := ReadFrame(b, 1000)
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Decode(f, V5); err != nil {
				t.Fatal(err)
			}
			for range UserProperties(p.Properties.UserProperties) {
			}
		}); n != 0 {
			t.Errorf("%s: got %v allocations, want 0", name, n)
		}
	}
}

func BenchmarkPublishDecode(b *testing.B) {
	for _, bench := range []struct {
		name string
		v    Version
		in   []byte
	}{
		{"3.1.1", V311, AppendPublish(nil, V311, &PublishOut{QoS: 1, PacketID: 1, Topic: "devices/0123456789/in", Payload: make([]byte, 256)})},
		{"5.0", V5, AppendPublish(nil, V5, &PublishOut{QoS: 1, PacketID: 1, Topic: "devices/0123456789/in", Payload: make([]byte, 256)})},
		{"5.0 properties", V5, pkt(0x32, `0009 "devices/1" 0001 [01 01 02 00000009 03 0001 "t" 26 0001 "k" 0001 "v"] "hi"`)},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			var p Publish
			for b.Loop() {
				f, _, err := ReadFrame(bench.in, 1000)
				if err != nil {
					b.Fatal(err)
				}
				if err := p.Decode(f, bench.v); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
