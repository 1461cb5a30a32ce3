package netloop

import "sync"

const (
	chunkSize = 4 << 10
	// urgentAt is the number of waiting bytes from which output should not wait
	// for the end of the turn.
	urgentAt = 64 << 10
	// maxSegments bounds one writev.
	maxSegments = 64
	// maxFlush is the number of bytes that one turn writes to one connection. A
	// peer that reads as fast as others put out must not keep a loop to itself.
	maxFlush = 1 << 20
)

// output gathers what waits to be written: full segments, then the chunk that
// is being filled.
//
//	0 <= head <= len(segs); off <= len of the first unwritten piece
type output struct {
	segs  []segment
	head  int    // segments before head are written
	off   int    // bytes of segs[head], or of tail if there is none, that are written
	tail  []byte // the part of chunk that is being filled; len is what is used
	chunk *chunk // what tail lies in; nil if tail has an array of its own
	n     int    // bytes waiting
}

// segment is a piece of output. Its bytes lie in a chunk, which several
// segments in a row may share, or are somebody's payload, lent until written.
type segment struct {
	b     []byte
	chunk *chunk // goes back to the pool with this segment, the last one in it
}

type chunk [chunkSize]byte

var (
	outputPool = sync.Pool{New: func() any { return new(output) }}
	chunkPool  = sync.Pool{New: func() any { return new(chunk) }}
)

// grow makes room for n bytes in tail.
func (o *output) grow(n int) {
	if cap(o.tail)-len(o.tail) >= n {
		return
	}
	o.seal()
	if n <= chunkSize {
		o.chunk = chunkPool.Get().(*chunk)
		o.tail = o.chunk[:0]
	} else {
		o.tail = make([]byte, 0, n)
	}
}

// seal turns tail into a segment, with which its chunk goes back. It may be
// empty, when addRef has cut off all that was used of the chunk.
func (o *output) seal() {
	if len(o.tail) > 0 || o.chunk != nil {
		o.push(segment{o.tail, o.chunk})
	}
	o.tail, o.chunk = nil, nil
}

// addRef puts ref behind what is in tail. What is left of the chunk stays tail:
// a short header before each ref must not cost a chunk.
func (o *output) addRef(ref []byte) {
	if len(ref) == 0 {
		return
	}
	if len(o.tail) > 0 {
		// off counts within the first unwritten piece, which tail may be. It stays first.
		o.push(segment{b: o.tail})
		o.tail = o.tail[len(o.tail):]
	}
	o.push(segment{b: ref})
	o.n += len(ref)
}

// addCopy appends a copy of b.
func (o *output) addCopy(b []byte) {
	for len(b) > 0 {
		o.grow(1)
		k := min(len(b), cap(o.tail)-len(o.tail))
		o.tail = append(o.tail, b[:k]...)
		o.n += k
		b = b[k:]
	}
}

// push appends a segment. It reuses the places of written ones, so that the
// list stays as long as what waits, even if the peer is always behind.
func (o *output) push(s segment) {
	if len(o.segs) == cap(o.segs) && 2*o.head >= len(o.segs) && o.head > 0 {
		left := copy(o.segs, o.segs[o.head:])
		clear(o.segs[left:])
		o.segs, o.head = o.segs[:left], 0
	}
	o.segs = append(o.segs, s)
}

// pieces appends to dst the byte slices that wait, at most maxSegments.
func (o *output) pieces(dst [][]byte) [][]byte {
	off := o.off
	for i := o.head; i < len(o.segs) && len(dst) < maxSegments; i++ {
		if b := o.segs[i].b[off:]; len(b) > 0 {
			dst = append(dst, b)
		}
		off = 0
	}
	if len(dst) < maxSegments && len(o.tail) > off {
		dst = append(dst, o.tail[off:])
	}
	return dst
}

// wrote notes that the first n waiting bytes are written.
func (o *output) wrote(n int) {
	o.n -= n
	n += o.off
	o.off = 0
	for o.head < len(o.segs) {
		s := &o.segs[o.head]
		if n < len(s.b) {
			o.off = n
			return
		}
		n -= len(s.b)
		if s.chunk != nil {
			chunkPool.Put(s.chunk)
		}
		*s = segment{}
		o.head++
	}
	o.segs, o.head = o.segs[:0], 0
	o.off = n
}

// reset gives everything back.
func (o *output) reset() {
	for _, s := range o.segs[o.head:] {
		if s.chunk != nil {
			chunkPool.Put(s.chunk)
		}
	}
	if o.chunk != nil {
		chunkPool.Put(o.chunk)
	}
	clear(o.segs)
	if cap(o.segs) > maxSegments {
		o.segs = nil
	}
	*o = output{segs: o.segs[:0]}
	outputPool.Put(o)
}

// Begin locks the connection's output and returns a slice to which the caller
// appends at most n bytes and which it hands to End. It returns false, with
// nothing locked, when the connection is closed or has more than HighWater
// bytes waiting; in the second case OnWritable follows. May be called from any
// goroutine; nothing that blocks may happen before End.
func (c *Conn) Begin(n int) ([]byte, bool) {
	c.mu.Lock()
	if c.state&(outClosed|outFinish) != 0 {
		c.mu.Unlock()
		return nil, false
	}
	if c.waitingLocked() > c.loop.engine.cfg.HighWater {
		c.state |= outRefused
		c.mu.Unlock()
		return nil, false
	}
	return c.room(n), true
}

// BeginControl is Begin for packets that must not be refused: it returns false
// only when the connection is closed.
func (c *Conn) BeginControl(n int) ([]byte, bool) {
	c.mu.Lock()
	if c.state&(outClosed|outFinish) != 0 {
		c.mu.Unlock()
		return nil, false
	}
	return c.room(n), true
}

func (c *Conn) room(n int) []byte {
	if c.out == nil {
		c.out = outputPool.Get().(*output)
	}
	if c.packets() {
		n += maxFrameHeader
	}
	c.out.grow(n)
	return c.out.tail
}

// End takes back what Begin lent, with what has been appended, and unlocks.
// by is the loop on which the caller runs: it writes the bytes at the end of its turn.
// nil means that the caller is on no loop; then the connection's own loop writes.
func (c *Conn) End(by *Loop, b []byte) { c.EndRef(by, b, nil) }

// EndRef is End, with ref to be written after b without being copied. ref must
// not change any more.
func (c *Conn) EndRef(by *Loop, b, ref []byte) {
	before := c.out.n
	if c.packets() {
		b = c.wire.ws.frame(b, len(c.out.tail), len(ref), opBinary)
	}
	c.out.n += len(b) - len(c.out.tail)
	c.out.tail = b
	c.out.addRef(ref)
	c.unlockDirty(by, before)
}

// unlockDirty unlocks and makes sure that somebody writes. before is the number
// of bytes that waited before the caller added some.
func (c *Conn) unlockDirty(by *Loop, before int) {
	old := c.state
	urgent := before < urgentAt && c.out.n >= urgentAt && old&(outBlocked|outWriting) == 0
	c.state |= outDirty
	c.mu.Unlock()
	if old&outDirty == 0 {
		if by == nil {
			c.loop.handIn(c)
		} else {
			by.markDirty(c)
		}
	}
	if by != nil && urgent {
		by.urgent = append(by.urgent, c)
	}
}

// handIn gives c to its loop to be written.
func (l *Loop) handIn(c *Conn) {
	l.mu.Lock()
	if !l.stopped {
		l.handed = append(l.handed, c)
	}
	l.mu.Unlock()
	l.wake()
}

// Write puts out a copy of b as a control packet. by is as in End.
func (c *Conn) Write(by *Loop, b []byte) {
	if dst, ok := c.BeginControl(len(b)); ok {
		c.End(by, append(dst, b...))
	}
}

// Waiting returns the number of bytes that are put out and not yet written,
// encrypted or not.
// May be called from any goroutine.
func (c *Conn) Waiting() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.waitingLocked()
}
