package packet

import (
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// Part is a message of the schema: Message, what is inside it, and the packets of
// the services. Pointers to this package's structs are Parts.
type Part interface {
	// fields shows each field to c, in the order of their numbers.
	fields(c *codec)
}

// Integer is a number of the schema.
type Integer interface {
	~int32 | ~int64 | ~uint32 | ~uint64
}

// Opt is a number or a bool that may be absent, which its zero value is.
type Opt[T Integer | bool] struct {
	Value T
	Set   bool
}

// Some returns v as one that is present.
func Some[T Integer | bool](v T) Opt[T] { return Opt[T]{Value: v, Set: true} }

// Or returns the value, or other if it is absent.
func (o Opt[T]) Or(other T) T {
	if o.Set {
		return o.Value
	}
	return other
}

// Append appends m as protobuf to dst.
func Append(dst []byte, m Part) []byte {
	c := codec{out: dst}
	m.fields(&c)
	return c.out
}

// MaxElements is how many elements all repeated fields of a message may have
// together. Each takes two bytes of it, or one, and a hundred in memory. An answer
// with a full page has 1,000.
const MaxElements = 1 << 14

// Decode reads b into m, which should be zero, and which will alias b. It returns
// ErrProtobuf, ErrRequired or ErrElements; m is of no use then.
func Decode(b []byte, m Part) error {
	_, err := DecodeCount(b, m)
	return err
}

// DecodeCount is Decode, and tells how many elements all repeated fields have together: for bounds of what is kept.
func DecodeCount(b []byte, m Part) (elements int, err error) {
	c := codec{decode: true}
	c.read(b, m)
	return c.elements, c.err
}

// codec carries the fields of Parts in one direction. Each Part names its fields
// once, for both: see fields.
type codec struct {
	out []byte // encoding: what has been written

	decode bool
	// Decoding: the field at hand, and what its Part has seen and needs, as bits.
	num        protowire.Number
	typ        protowire.Type
	varint     uint64
	bytes      []byte
	seen, need uint64
	elements   int // of repeated fields so far
	err        error
}

type need bool

const (
	required need = true
	optional need = false
)

// read shows every field in b to m.
func (c *codec) read(b []byte, m Part) {
	outer := *c
	c.seen, c.need = 0, 0
	if len(b) == 0 {
		c.num = 0
		m.fields(c) // tells what it needs
	}
	for len(b) > 0 && c.err == nil {
		n := c.next(b)
		if n < 0 {
			c.err = ErrProtobuf
			break
		}
		b = b[n:]
		m.fields(c)
	}
	if c.err == nil && c.need&^c.seen != 0 {
		c.err = ErrRequired
	}
	outer.err, outer.elements = c.err, c.elements
	*c = outer
}

// next reads one field and returns its size, or a negative number.
func (c *codec) next(b []byte) int {
	num, typ, n := protowire.ConsumeTag(b)
	if n < 0 {
		return n
	}
	c.num, c.typ = num, typ
	size := -1
	switch typ {
	case protowire.VarintType:
		c.varint, size = protowire.ConsumeVarint(b[n:])
	case protowire.BytesType:
		c.bytes, size = protowire.ConsumeBytes(b[n:])
		c.bytes = slices.Clip(c.bytes)
	case protowire.Fixed32Type:
		_, size = protowire.ConsumeFixed32(b[n:])
	case protowire.Fixed64Type:
		_, size = protowire.ConsumeFixed64(b[n:])
	}
	if size < 0 {
		return size
	}
	return n + size
}

// at tells whether the field at hand is num, of this type.
func (c *codec) at(num protowire.Number, typ protowire.Type, r need) bool {
	if r { // only numbers below 64 are
		c.need |= 1 << num
	}
	if c.num != num || c.typ != typ || c.err != nil {
		return false
	}
	if r {
		c.seen |= 1 << num
	}
	return true
}

// another counts an element of a repeated field. It returns false if there are too many.
func (c *codec) another() bool {
	if c.elements++; c.elements > MaxElements {
		c.err = ErrElements
	}
	return c.err == nil
}

// text is a field of type bytes or string.
func (c *codec) text(num protowire.Number, p *[]byte, r need) {
	switch {
	case c.decode:
		if c.at(num, protowire.BytesType, r) {
			*p = c.bytes
		}
	case *p != nil || bool(r):
		c.out = protowire.AppendTag(c.out, num, protowire.BytesType)
		c.out = protowire.AppendBytes(c.out, *p)
	}
}

// texts is a repeated field of type bytes or string.
func (c *codec) texts(num protowire.Number, p *[][]byte) {
	if c.decode {
		if c.at(num, protowire.BytesType, optional) && c.another() {
			*p = append(*p, c.bytes)
		}
		return
	}
	for _, b := range *p {
		c.out = protowire.AppendTag(c.out, num, protowire.BytesType)
		c.out = protowire.AppendBytes(c.out, b)
	}
}

func (c *codec) put(num protowire.Number, v uint64) {
	c.out = protowire.AppendTag(c.out, num, protowire.VarintType)
	c.out = protowire.AppendVarint(c.out, v)
}

// number is a required number.
func number[T Integer](c *codec, num protowire.Number, p *T) {
	switch {
	case !c.decode:
		c.put(num, uint64(*p))
	case c.at(num, protowire.VarintType, required):
		*p = T(c.varint)
	}
}

// maybe is an optional number.
func maybe[T Integer](c *codec, num protowire.Number, p *Opt[T]) {
	switch {
	case !c.decode:
		if p.Set {
			c.put(num, uint64(p.Value))
		}
	case c.at(num, protowire.VarintType, optional):
		*p = Some(T(c.varint))
	}
}

// flag is an optional bool.
func (c *codec) flag(num protowire.Number, p *Opt[bool]) {
	switch {
	case !c.decode:
		if p.Set {
			c.put(num, protowire.EncodeBool(p.Value))
		}
	case c.at(num, protowire.VarintType, optional):
		*p = Some(protowire.DecodeBool(c.varint))
	}
}

// numbers is a repeated number, packed or not.
func numbers[T Integer](c *codec, num protowire.Number, p *[]T) {
	switch {
	case !c.decode:
		for _, v := range *p {
			c.put(num, uint64(v))
		}
	case c.at(num, protowire.VarintType, optional):
		if c.another() {
			*p = append(*p, T(c.varint))
		}
	case c.at(num, protowire.BytesType, optional):
		for b := c.bytes; len(b) > 0 && c.another(); {
			v, n := protowire.ConsumeVarint(b)
			if n < 0 {
				c.err = ErrProtobuf
				return
			}
			*p = append(*p, T(v))
			b = b[n:]
		}
	}
}

// part is what a pointer to a message of the schema is.
type part[T any] interface {
	*T
	Part
}

// sub is a message within the message. nil is absent. One that comes twice is merged.
func sub[T any, P part[T]](c *codec, num protowire.Number, p **T, r need) {
	switch {
	case !c.decode:
		m := *p
		if m == nil && bool(r) {
			m = new(T)
		}
		if m != nil {
			c.write(num, P(m))
		}
	case c.at(num, protowire.BytesType, r):
		if *p == nil {
			*p = new(T)
		}
		c.read(c.bytes, P(*p))
	}
}

// subs is a repeated message.
func subs[T any, P part[T]](c *codec, num protowire.Number, p *[]T) {
	switch {
	case !c.decode:
		for i := range *p {
			c.write(num, P(&(*p)[i]))
		}
	case c.at(num, protowire.BytesType, optional) && c.another():
		var zero T
		*p = append(*p, zero)
		c.read(c.bytes, P(&(*p)[len(*p)-1]))
	}
}

// write writes m behind its length, for which one byte is reserved: most are short.
func (c *codec) write(num protowire.Number, m Part) {
	c.out = protowire.AppendTag(c.out, num, protowire.BytesType)
	start := len(c.out) + 1
	c.out = append(c.out, 0)
	m.fields(c)
	n := len(c.out) - start
	if more := protowire.SizeVarint(uint64(n)) - 1; more > 0 {
		var room [9]byte
		c.out = append(c.out, room[:more]...)
		copy(c.out[start+more:], c.out[start:start+n])
	}
	protowire.AppendVarint(c.out[:start-1], uint64(n))
}
