package packet

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/mochi-mqtt/server/v2/packets"
)

// contain calls decode, a decoder of the underlying codec, on a packet of type t
// that our own validation has let through, and turns both its error and its panic
// into an *Error that wraps ErrCodec.
func contain(t Type, decode func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = malformed(t, fmt.Errorf("%w: panic: %v", ErrCodec, r))
		}
	}()
	if err := decode(); err != nil {
		return malformed(t, fmt.Errorf("%w: %w", ErrCodec, err))
	}
	return nil
}

// containEncode calls encode, an encoder of the underlying codec, and returns the
// body of the packet it has written, nil if it refused.
func containEncode(encode func(*bytes.Buffer) error) []byte {
	var buf bytes.Buffer
	if err := encode(&buf); err != nil {
		return nil
	}
	b := buf.Bytes()
	_, n := readVarint(b[1:])
	return b[1+n:]
}

// fromMochi starts a packet of the underlying codec for decoding f.
func fromMochi(f Frame, v Version) packets.Packet {
	pk := newMochi(f.Type, v)
	pk.FixedHeader.Remaining = len(f.Body)
	return pk
}

// newMochi starts a packet of the underlying codec. Its Mods would otherwise make
// the encoder leave out Response Information.
func newMochi(t Type, v Version) packets.Packet {
	return packets.Packet{
		FixedHeader:     packets.FixedHeader{Type: byte(t)},
		ProtocolVersion: byte(v),
		Mods:            packets.Mods{AllowResponseInfo: true},
	}
}

// The underlying codec's strings alias the frame, so what we keep is cloned. It is
// cloned piece by piece lest a Client Identifier keep a whole CONNECT alive.

func cloneUser(in []packets.UserProperty) []UserProperty {
	if len(in) == 0 {
		return nil
	}
	out := make([]UserProperty, len(in))
	for i, u := range in {
		out[i] = UserProperty{Key: strings.Clone(u.Key), Value: strings.Clone(u.Val)}
	}
	return out
}

func toMochiUser(in []UserProperty) []packets.UserProperty {
	out := make([]packets.UserProperty, len(in))
	for i, u := range in {
		out[i] = packets.UserProperty{Key: u.Key, Val: u.Value}
	}
	return out
}
