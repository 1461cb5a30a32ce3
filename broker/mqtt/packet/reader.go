package packet

import "encoding/binary"

// reader walks a body. The first failure sticks; after it everything reads as
// zero.
type reader struct {
	b   []byte
	pos int
	err error
}

func (r *reader) rest() int { return len(r.b) - r.pos }

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.pos = len(r.b)
}

// take returns the next n bytes without copying, nil after a failure.
func (r *reader) take(n int) []byte {
	if n > r.rest() {
		r.fail(ErrTruncated)
		return nil
	}
	b := r.b[r.pos : r.pos+n : r.pos+n]
	r.pos += n
	return b
}

func (r *reader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) uint16() uint16 {
	if b := r.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (r *reader) uint32() uint32 {
	if b := r.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (r *reader) varint() int {
	x, n := readVarint(r.b[r.pos:])
	switch {
	case n < 0:
		r.fail(ErrVarint)
	case n == 0:
		r.fail(ErrTruncated)
	default:
		r.pos += n
	}
	return x
}

// binary returns Binary Data: non-nil unless reading failed.
func (r *reader) binary() []byte { return r.take(int(r.uint16())) }

// string returns a UTF-8 Encoded String.
func (r *reader) string() []byte {
	b := r.binary()
	if !validString(b) {
		r.fail(ErrString)
		return nil
	}
	return b
}

// block returns the property block that starts here, without its length.
func (r *reader) block() []byte { return r.take(r.varint()) }
