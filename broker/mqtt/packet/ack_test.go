package packet

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

var ackTypes = []Type{TypePubAck, TypePubRec, TypePubRel, TypePubComp}

func TestAckRefused(t *testing.T) {
	decode := func(f Frame, v Version) (any, error) { return DecodeAck(f, v) }
	for _, typ := range ackTypes {
		testRefused(t, []refused{
			{typ.String() + " empty", vAll, ackByte(typ), ``, ErrTruncated, MalformedPacket},
			{typ.String() + " half a packet id", vAll, ackByte(typ), `00`, ErrTruncated, MalformedPacket},
			{typ.String() + " packet id 0", vAll, ackByte(typ), `0000`, ErrPacketID, ProtocolError},
			{typ.String() + " trailing byte v3.1.1 3.4.1", v3s, ackByte(typ), `0001 00`, ErrTrailing, MalformedPacket},
			{typ.String() + " trailing byte v5", v5s, ackByte(typ), `0001 00 00 00`, ErrTrailing, MalformedPacket},
			{typ.String() + " property length too long", v5s, ackByte(typ), `0001 00 05 1f0001`, ErrTruncated, MalformedPacket},
			{typ.String() + " two reason strings", v5s, ackByte(typ), `0001 00 [1f 0000 1f 0000]`, ErrPropertyTwice, ProtocolError},
			{typ.String() + " property of PUBLISH", v5s, ackByte(typ), `0001 00 [23 0001]`, ErrProperty, MalformedPacket},
			{typ.String() + " reason string not UTF-8", v5s, ackByte(typ), `0001 00 [1f 0001 ff]`, ErrString, MalformedPacket},
		}, decode)
	}
	testRefused(t, []refused{
		{"not an acknowledgement", vAll, 0xc0, ``, ErrType, ProtocolError},
	}, decode)
}

// TestAckReasons has all 256 codes, v5 [MQTT-3.4.2-1] [MQTT-3.5.2-1] [MQTT-3.6.2-1]
// [MQTT-3.7.2-1].
func TestAckReasons(t *testing.T) {
	pubAck := "00 10 80 83 87 90 91 97 99"
	allowed := map[Type][]byte{
		TypePubAck: raw(pubAck), TypePubRec: raw(pubAck), TypePubRel: raw("00 92"), TypePubComp: raw("00 92"),
	}
	for _, typ := range ackTypes {
		for c := range 256 {
			a, err := DecodeAck(Frame{typ, ackByte(typ) & 15, []byte{0, 1, byte(c)}}, V5)
			if want := bytes.IndexByte(allowed[typ], byte(c)) >= 0; (err == nil) != want {
				t.Errorf("%v %#02x: got %v, want accepted %v", typ, c, err, want)
			}
			if err == nil && a.Reason != ReasonCode(c) {
				t.Errorf("%v: got reason %v, want %#02x", typ, a.Reason, c)
			}
			if err != nil && !errors.Is(err, ErrReasonCode) {
				t.Errorf("%v %#02x: got %v, want ErrReasonCode", typ, c, err)
			}
		}
	}
}

func TestAppendAck(t *testing.T) {
	e := Explanation{ReasonString: "r", User: []UserProperty{{"k", "v"}}}
	tests := []struct {
		name string
		got  []byte
		want []byte
	}{
		{"puback 3", AppendAck(nil, TypePubAck, V311, 0x1234, Success), raw("40 02 1234")},
		{"pubrel 5 short", AppendAck(nil, TypePubRel, V5, 0x1234, Success), raw("62 02 1234")},
		{"pubrec 5 reason", AppendAck(nil, TypePubRec, V5, 1, QuotaExceeded), raw("50 03 0001 97")},
		{"reason in MQTT 3", AppendAck(nil, TypePubComp, V31, 1, PacketIdentifierNotFound), raw("70 02 0001")},
		{"explained", AppendAckWithReason(nil, TypePubAck, V5, 1, QuotaExceeded, e, 0),
			pkt(0x40, `0001 97 [1f 0001 "r" 26 0001 "k" 0001 "v"]`)},
		{"explained in MQTT 3", AppendAckWithReason(nil, TypePubAck, V311, 1, Success, e, 0), raw("40 02 0001")},
		{"exactly fits, v5 [MQTT-3.1.2-24]", AppendAckWithReason(nil, TypePubAck, V5, 1, QuotaExceeded, e, 17),
			pkt(0x40, `0001 97 [1f 0001 "r" 26 0001 "k" 0001 "v"]`)},
		{"no room for user properties, v5 [MQTT-3.4.2-3]", AppendAckWithReason(nil, TypePubAck, V5, 1, QuotaExceeded, e, 16),
			pkt(0x40, `0001 97 [1f 0001 "r"]`)},
		{"no room for the reason string, v5 [MQTT-3.4.2-2]", AppendAckWithReason(nil, TypePubAck, V5, 1, QuotaExceeded, e, 9),
			pkt(0x40, `0001 97`)},
	}
	for _, tt := range tests {
		if !bytes.Equal(tt.got, tt.want) {
			t.Errorf("%s: got %x, want %x", tt.name, tt.got, tt.want)
		}
	}
}

func TestReasonStringIsCutAtACharacter(t *testing.T) {
	e := Explanation{ReasonString: strings.Repeat("x", MaxStringLength-1) + "é"}
	a, err := DecodeAck(one(t, AppendAckWithReason(nil, TypePubAck, V5, 1, Success, e, 0)), V5)
	if err != nil {
		t.Fatal(err)
	}
	if got := len(ReasonString(a.Properties)); got != MaxStringLength-1 {
		t.Errorf("got a reason string of %d bytes, want %d", got, MaxStringLength-1)
	}
}

func TestAckDoesNotAllocate(t *testing.T) {
	long := pkt(0x40, `0001 97 [1f 0001 "r" 26 0001 "k" 0001 "v"]`)
	dst := make([]byte, 0, 100)
	if n := testing.AllocsPerRun(100, func() {
		dst = AppendAck(dst[:0], TypePubRel, V5, 7, PacketIdentifierNotFound)
		dst = append(dst, long...)
		for rest := dst; len(rest) > 0; {
			f, n, err := ReadFrame(rest, 100)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := DecodeAck(f, V5); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
	}); n != 0 {
		t.Errorf("got %v allocations, want 0", n)
	}
}

func BenchmarkAck(b *testing.B) {
	dst := make([]byte, 0, 100)
	b.ReportAllocs()
	for b.Loop() {
		dst = AppendAck(dst[:0], TypePubAck, V5, 7, Success)
		f, _, err := ReadFrame(dst, 100)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := DecodeAck(f, V5); err != nil {
			b.Fatal(err)
		}
	}
}
