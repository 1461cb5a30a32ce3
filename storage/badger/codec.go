package badger

import (
	"encoding/binary"
	"errors"
)

// errCorrupt means that a stored value cannot be decoded.
var errCorrupt = errors.New("corrupt value")

// decoder takes a stored value apart. After a fault it yields zero values; err says so at the end. It never
// allocates: what it returns lies in the value.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) fail() { d.b, d.bad = nil, true }

func (d *decoder) byte() byte {
	if len(d.b) == 0 {
		d.fail()
		return 0
	}
	c := d.b[0]
	d.b = d.b[1:]
	return c
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return v
}

// uvarint32 takes a number that must fit into 32 bits.
func (d *decoder) uvarint32() uint32 {
	v := d.uvarint()
	if v > 1<<32-1 {
		d.fail()
		return 0
	}
	return uint32(v)
}

// count takes the number of elements that follow, each at least size bytes long: more than there is room for
// is a fault, so that a count may size an allocation.
func (d *decoder) count(size int) int {
	v := d.uvarint()
	if v > uint64(len(d.b)/size) {
		d.fail()
		return 0
	}
	return int(v)
}

// bytes takes a length and as many bytes. They lie in the value.
func (d *decoder) bytes() []byte {
	n := d.count(1)
	p := d.b[:n:n]
	d.b = d.b[n:]
	return p
}

func (d *decoder) string() string { return string(d.bytes()) }

func (d *decoder) err() error {
	if d.bad {
		return errCorrupt
	}
	return nil
}

func appendBytes[T string | []byte](b []byte, p T) []byte {
	b = binary.AppendUvarint(b, uint64(len(p)))
	return append(b, p...)
}

func appendNumber(b []byte, n uint64) []byte { return binary.AppendUvarint(b, n) }

// decodeNumber reads a value that is one number.
func decodeNumber(b []byte) (uint64, error) {
	d := decoder{b: b}
	n := d.uvarint()
	if len(d.b) > 0 {
		d.fail()
	}
	return n, d.err()
}

func uvarintLen(n uint64) int {
	l := 1
	for ; n >= 0x80; n >>= 7 {
		l++
	}
	return l
}
