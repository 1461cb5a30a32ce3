package packet

import (
	"bytes"
	"errors"
	"testing"
)

func TestReadFrame(t *testing.T) {
	long := make([]byte, 200)
	tests := []struct {
		name string
		in   []byte
		max  int
		n    int
		body int
	}{
		{"nothing yet", nil, 0, 0, 0},
		{"type only", raw("30"), 0, 0, 0},
		{"length unfinished", raw("30 ff ff ff"), 0, 0, 0},
		{"body missing", raw("30 05 0001"), 0, 0, 0},
		{"empty body", raw("c000"), 0, 2, 0},
		{"exactly the limit", raw("40 02 0001"), 4, 4, 2},
		{"more follows", raw("40 02 0001 40 02"), 100, 4, 2},
		{"two byte length", append(raw("30 c801"), long...), 0, 203, 200},
		{"two byte length at the limit", append(raw("30 c801"), long...), 203, 203, 200},
		{"largest length is not refused without a limit", raw("30 ff ff ff 7f"), 0, 0, 0},
		{"v3.1 DUP of PUBREL", raw("6a 02 0001"), 0, 4, 2},
	}
	for _, tt := range tests {
		f, n, err := ReadFrame(tt.in, tt.max)
		if err != nil || n != tt.n || len(f.Body) != tt.body {
			t.Errorf("%s: got n %d, body of %d, error %v, want %d, %d, nil", tt.name, n, len(f.Body), err, tt.n, tt.body)
		}
		if n > 0 && (f.Type != Type(tt.in[0]>>4) || f.Flags != tt.in[0]&15) {
			t.Errorf("%s: got type %v flags %x of first byte %x", tt.name, f.Type, f.Flags, tt.in[0])
		}
		if cap(f.Body) != len(f.Body) && n > 2 && len(tt.in) == n {
			t.Errorf("%s: got capacity %d for a body of %d, want no room beyond", tt.name, cap(f.Body), len(f.Body))
		}
	}
}

func TestReadFrameRefuses(t *testing.T) {
	tests := []struct {
		name string
		in   string
		max  int
		want error
		code ReasonCode
	}{
		{"reserved type 0, v5 2.1.2", "00", 0, ErrType, MalformedPacket},
		{"QoS 3, v5 [MQTT-3.3.1-4], v3.1.1 [MQTT-3.3.1-4]", "36", 0, ErrQoS, MalformedPacket},
		{"flags of CONNECT, v5 [MQTT-2.1.3-1], v3.1.1 [MQTT-2.2.2-2]", "11", 0, ErrFlags, MalformedPacket},
		{"flags of PUBREL, v5 [MQTT-3.6.1-1], v3.1.1 [MQTT-3.6.1-1]", "60", 0, ErrFlags, MalformedPacket},
		{"flags of SUBSCRIBE, v5 [MQTT-3.8.1-1], v3.1.1 [MQTT-3.8.1-1]", "80", 0, ErrFlags, MalformedPacket},
		{"flags of UNSUBSCRIBE, v5 [MQTT-3.10.1-1], v3.1.1 [MQTT-3.10.1-1]", "a3", 0, ErrFlags, MalformedPacket},
		{"flags of DISCONNECT, v3.1.1 [MQTT-3.14.1-1]", "e8 00", 0, ErrFlags, MalformedPacket},
		{"flags of AUTH, v5 [MQTT-3.15.1-1]", "f1 00", 0, ErrFlags, MalformedPacket},
		{"length of five bytes, v5 1.5.5", "30 80 80 80 80", 0, ErrVarint, MalformedPacket},
		{"length of five bytes, all ones", "30 ff ff ff ff 01", 0, ErrVarint, MalformedPacket},
		{"length 0 in two bytes, v5 [MQTT-1.5.5-1]", "c0 80 00", 0, ErrVarint, MalformedPacket},
		{"length 127 in four bytes, v5 [MQTT-1.5.5-1]", "30 ff 80 80 00", 0, ErrVarint, MalformedPacket},
		{"beyond the limit before the body, v5 [MQTT-3.2.2-15]", "30 03", 4, ErrTooLarge, PacketTooLarge},
		{"268,435,455 bytes claimed", "10 ff ff ff 7f", 65536, ErrTooLarge, PacketTooLarge},
	}
	for _, tt := range tests {
		_, n, err := ReadFrame(raw(tt.in), tt.max)
		var e *Error
		if !errors.As(err, &e) || !errors.Is(err, tt.want) || e.Code != tt.code || n != 0 {
			t.Errorf("%s: got n %d, error %v, want 0, %v with %v", tt.name, n, err, tt.want, tt.code)
		}
	}
}

// TestReadFrameFirstByte has the 256 first bytes.
func TestReadFrameFirstByte(t *testing.T) {
	for b := range 256 {
		typ, flags := Type(b>>4), byte(b&15)
		want := flags == 0
		switch typ {
		case 0:
			want = false
		case TypePublish:
			want = flags>>1&3 != 3
		case TypePubRel, TypeSubscribe, TypeUnsubscribe:
			want = flags == 2 || flags == 0x0A
		}
		if _, _, err := ReadFrame([]byte{byte(b)}, 0); (err == nil) != want {
			t.Errorf("first byte %#02x: got error %v, want accepted %v", b, err, want)
		}
	}
}

// TestFlagsByVersion has DUP on what MQTT 3.1 clients repeat, and wrong flags in
// frames that were not made by ReadFrame.
func TestFlagsByVersion(t *testing.T) {
	bodies := map[Type][3]string{
		TypePubRel:      {"0001", "0001", "0001"},
		TypeSubscribe:   {`0001 0001 "a" 00`, `0001 0001 "a" 00`, `0001 00 0001 "a" 00`},
		TypeUnsubscribe: {`0001 0001 "a"`, `0001 0001 "a"`, `0001 00 0001 "a"`},
	}
	for typ, byVersion := range bodies {
		for i, v := range vAll {
			for flags := range byte(16) {
				_, err := decodeFromClient(Frame{typ, flags, raw(byVersion[i])}, v)
				want := flags == 2 || flags == 0x0A && v == V31
				if (err == nil) != want {
					t.Errorf("%v flags %#x version %v: got error %v, want accepted %v", typ, flags, v, err, want)
				}
				if err != nil && !errors.Is(err, ErrFlags) {
					t.Errorf("%v flags %#x version %v: got %v, want ErrFlags", typ, flags, v, err)
				}
			}
		}
	}
}

func TestVarint(t *testing.T) {
	// The bounds of v5 table 1-1.
	for _, x := range []int{0, 127, 128, 16383, 16384, 2097151, 2097152, MaxRemainingLength} {
		b := appendVarint(nil, x)
		if len(b) != varintSize(x) {
			t.Errorf("%d: got %d bytes, varintSize says %d", x, len(b), varintSize(x))
		}
		if got, n := readVarint(b); got != x || n != len(b) {
			t.Errorf("readVarint(%x) = %d, %d, want %d, %d", b, got, n, x, len(b))
		}
		for cut := range b {
			if _, n := readVarint(b[:cut]); n != 0 {
				t.Errorf("readVarint(%x) = n %d, want 0", b[:cut], n)
			}
		}
	}
}

func TestReadFrameDoesNotAllocate(t *testing.T) {
	small, large := pkt(0x30, `0003 "a/b" "hi"`), AppendPublish(nil, V311, &PublishOut{Topic: "a/b", Payload: make([]byte, 300)})
	if n := testing.AllocsPerRun(100, func() {
		for _, b := range [][]byte{small, large, small[:3]} {
			if _, _, err := ReadFrame(b, 1000); err != nil {
				t.Fatal(err)
			}
		}
	}); n != 0 {
		t.Errorf("got %v allocations, want 0", n)
	}
}

func BenchmarkReadFrame(b *testing.B) {
	stream := bytes.Repeat(pkt(0x40, "0001"), 100)
	b.ReportAllocs()
	for b.Loop() {
		for rest := stream; len(rest) > 0; {
			_, n, err := ReadFrame(rest, 1000)
			if err != nil {
				b.Fatal(err)
			}
			rest = rest[n:]
		}
	}
}
