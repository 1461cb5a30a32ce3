package packet

import "encoding/binary"

const (
	// MaxBody is the largest body in bytes, both ways.
	MaxBody = 1 << 20
	// MaxBodyBeforeLogin is the largest body in bytes before LoginResp.
	MaxBodyBeforeLogin = 64 << 10
	// MaxTotalToClient is the largest total that all clients accept.
	MaxTotalToClient = 512_000
	// MaxPage is how many bytes of body an answer with messages should have at most.
	MaxPage = 480_000
)

const (
	magic      = "qh"
	lengthSize = 4
	headerSize = 16 // of a client's first packet
	answerSize = 6  // of a version 1 server's first packet
)

// Header is what a client's first packet begins with.
type Header struct {
	// Version is that of the protocol, 4 bits: 0 or 1. Others are read as they
	// are; to refuse them is the receiver's part.
	Version uint8
	// ClientVersion is that of the client's software, 12 bits.
	ClientVersion uint16
	// App is the number of the client's application.
	App uint16
}

// Frame is one packet cut out of the stream, its body not yet looked at.
type Frame struct {
	// Header is what the client says of itself; HasHeader tells if it does.
	Header    Header
	HasHeader bool
	// Magic tells that a packet from a server carries the magic (ReadAnswer).
	Magic bool
	// Heartbeat means that there is no body.
	Heartbeat bool
	// Text means that Body is base64 (ReadText).
	Text bool
	// Body aliases the bytes given and is valid as long as those are.
	Body []byte
}

// ReadFrame cuts the first packet of a client out of b and returns it with the
// number of bytes it takes. n == 0 with a nil error means that b does not hold all
// of it yet. max is the largest body accepted in bytes; 0 or less means MaxBody.
//
// ErrLength, ErrEmpty and ErrTooLarge are returned as soon as the length has
// arrived, before the body. It does not allocate.
func ReadFrame(b []byte, max int) (f Frame, n int, err error) {
	if !hasMagic(b) {
		return readBare(b, max)
	}
	if len(b) < headerSize {
		return Frame{}, 0, nil
	}
	v := binary.BigEndian.Uint16(b[2:])
	f = Frame{
		HasHeader: true,
		Header:    Header{Version: uint8(v >> 12), ClientVersion: v & 0x0FFF, App: binary.BigEndian.Uint16(b[4:])},
	}
	return f.cut(b, headerSize, max)
}

// ReadAnswer is ReadFrame for packets from a server.
func ReadAnswer(b []byte, max int) (f Frame, n int, err error) {
	if !hasMagic(b) {
		return readBare(b, max)
	}
	if len(b) < answerSize {
		return Frame{}, 0, nil
	}
	f = Frame{Magic: true}
	return f.cut(b, answerSize, max)
}

// readBare reads a packet that begins with its length.
func readBare(b []byte, max int) (Frame, int, error) {
	if len(b) < lengthSize {
		return Frame{}, 0, nil
	}
	if binary.BigEndian.Uint32(b) == 0 {
		return Frame{Heartbeat: true}, lengthSize, nil
	}
	return Frame{}.cut(b, lengthSize, max)
}

// cut reads total, the last four bytes of a header of so many bytes, and the body
// behind it.
func (f Frame) cut(b []byte, header, max int) (Frame, int, error) {
	total := int64(binary.BigEndian.Uint32(b[header-lengthSize:]))
	if err := checkBody(total-int64(header), max); err != nil {
		return Frame{}, 0, err
	}
	if total > int64(len(b)) {
		return Frame{}, 0, nil
	}
	f.Body = b[header:total:total]
	return f, int(total), nil
}

// checkBody judges the length of a body, which is negative if total was too small.
func checkBody(n int64, max int) error {
	if max <= 0 || max > MaxBody {
		max = MaxBody
	}
	switch {
	case n < 0:
		return ErrLength
	case n == 0:
		return ErrEmpty
	case n > int64(max):
		return ErrTooLarge
	}
	return nil
}

func hasMagic(b []byte) bool { return len(b) >= len(magic) && string(b[:len(magic)]) == magic }

// Match tells whether a connection that begins with prefix speaks XIMP: yes, or,
// when more is true, that another byte may tell.
func Match(prefix []byte) (yes, more bool) { return begins(prefix, magic) }

// MatchText is Match for the text form.
func MatchText(prefix []byte) (yes, more bool) { return begins(prefix, textMagic) }

func begins(prefix []byte, what string) (yes, more bool) {
	if len(prefix) >= len(what) {
		return string(prefix[:len(what)]) == what, false
	}
	return false, string(prefix) == what[:len(prefix)]
}
