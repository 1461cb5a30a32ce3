package packet

// Frame is one MQTT Control Packet cut out of the stream, its body not yet looked
// at.
type Frame struct {
	// Type is one of the 15 types.
	Type Type
	// Flags are the low four bits of the first byte.
	Flags byte
	// Body is what follows the fixed header. It aliases the bytes given to
	// ReadFrame and is valid as long as those are.
	Body []byte
}

// headerOK tells which first bytes may start a packet. PUBREL, SUBSCRIBE and
// UNSUBSCRIBE also get by with DUP, which MQTT 3.1 clients set when they repeat
// them; the decoders refuse it in later versions.
var headerOK = func() (ok [256]bool) {
	for t := TypeConnect; t <= TypeAuth; t++ {
		switch t {
		case TypePublish:
			for flags := range 16 {
				ok[int(t)<<4|flags] = flags&0x06 != 0x06
			}
		case TypePubRel, TypeSubscribe, TypeUnsubscribe:
			ok[t<<4|0x02] = true
			ok[t<<4|0x0A] = true
		default:
			ok[t<<4] = true
		}
	}
	return ok
}()

// ReadFrame cuts the first packet out of b and returns it with the number of
// bytes it takes. n == 0 with a nil error means that b does not hold all of it
// yet. max is the largest packet accepted in bytes, fixed header included; 0 or
// less means no limit but the protocol's.
//
// A reserved type, wrong flags, an over-long Remaining Length and a packet beyond
// max are refused as soon as the bytes that show it have arrived, before the body.
// It does not allocate but for an *Error.
func ReadFrame(b []byte, max int) (f Frame, n int, err error) {
	if len(b) > 1 && b[1] < 0x80 && headerOK[b[0]] {
		if n = 2 + int(b[1]); n <= len(b) && n <= max {
			return Frame{Type(b[0] >> 4), b[0] & 15, b[2:n:n]}, n, nil
		}
	}
	return readFrame(b, max)
}

// readFrame is ReadFrame for what is not short, whole and valid.
func readFrame(b []byte, max int) (Frame, int, error) {
	if len(b) == 0 {
		return Frame{}, 0, nil
	}
	t := Type(b[0] >> 4)
	if !headerOK[b[0]] {
		switch t {
		case 0:
			return Frame{}, 0, malformed(t, ErrType)
		case TypePublish: // v5 [MQTT-3.3.1-4], v3.1.1 [MQTT-3.3.1-4]
			return Frame{}, 0, malformed(t, ErrQoS)
		}
		return Frame{}, 0, malformed(t, ErrFlags) // v5 [MQTT-2.1.3-1], v3.1.1 [MQTT-2.2.2-2]
	}
	length, size := readVarint(b[1:])
	if size < 0 {
		return Frame{}, 0, malformed(t, ErrVarint)
	}
	if size == 0 {
		return Frame{}, 0, nil
	}
	n := 1 + size + length
	if max > 0 && n > max {
		return Frame{}, 0, refusal(t, PacketTooLarge, ErrTooLarge)
	}
	if n > len(b) {
		return Frame{}, 0, nil
	}
	return Frame{Type: t, Flags: b[0] & 0x0F, Body: b[1+size : n : n]}, n, nil
}

// expect checks that f is a packet of type t with the flags version v allows it.
func (f Frame) expect(t Type, v Version) error {
	if f.Type != t || t == TypeAuth && v != V5 {
		return violation(t, ErrType)
	}
	want := byte(0)
	switch t {
	case TypePubRel, TypeSubscribe, TypeUnsubscribe:
		// v5 [MQTT-3.6.1-1] [MQTT-3.8.1-1] [MQTT-3.10.1-1]
		want = 0x02
		if f.Flags == 0x0A && v == V31 {
			return nil
		}
	}
	if f.Flags != want {
		return malformed(t, ErrFlags)
	}
	return nil
}
