package netloop

import (
	"crypto/tls"
	"errors"
	"net"
)

// sealAhead is how many bytes of output are encoded before the socket has
// taken what was encoded last. What lies beyond stays as handlers put it out,
// so that a payload lent to a thousand slow peers is not copied for each.
const sealAhead = 64 << 10

// wire is what a connection has that is not just a socket: the filters between
// the socket and the handler, and what its listener knows of it.
//
//	socket → TLS → WebSocket frames → c.in → handler → c.out → frames → TLS → enc → socket
//
// Input is decoded as it is read, on the loop. Output is encoded by whoever
// writes, just before the system call, so that what one turn puts out becomes
// one frame and one record. The filters hold no bytes while the connection is
// idle, except for the beginning of a frame header and what crypto/tls keeps
// of a record that is not complete.
type wire struct {
	// static once Conn.filtered is set or, for ws, once the handler is the listener's
	conn *Conn
	tls  *tls.Conn  // nil without TLS
	ws   *webSocket // nil without WebSocket

	// owned by the loop
	remote  net.Addr   // whom a PROXY header has named; nil for the socket's peer
	release func()     // what ListenConfig.Admit has returned, until it is called
	hs      *handshake // while it is under way
	err     error      // no more input comes; acted upon when what has come is taken

	// guarded by conn.mu
	enc       *output // encoded, waits for the socket; nil while nothing does
	sealing   int     // bytes of conn.out that are being encrypted
	lead      []byte  // goes before the first frame: the answer to an upgrade
	pong      []byte  // payload of the Pong that is due; nil for none
	packets   bool    // conn.out consists of frames already, one for each packet
	closeCode uint16  // of the Close frame; 0 until there is a reason to close
	bye       bool    // Close frame and close_notify are encoded, nothing may follow
	broken    bool    // TLS has failed: output can only be dropped
}

// received takes the bytes buf[tail:], which have just been read from the
// socket; buf[:tail] is a copy of what c.in holds. It overwrites buf.
func (w *wire) received(buf []byte, tail int) {
	c := w.conn
	if c.ended || w.err != nil {
		return
	}
	if w.hs != nil {
		w.hs.feed(buf[tail:])
		return
	}
	if w.tls != nil {
		buf, tail, w.err = w.decrypt(buf[tail:])
	}
	if w.ws != nil {
		n, err := w.ws.take(w, buf[tail:])
		buf = buf[:tail+n]
		if err != nil {
			w.err = err
		}
	}
	c.plaintext(buf, tail)
	w.conclude()
}

// conclude ends the connection if its input has, unless the handler has still
// to take some of it; then an inputTask follows, which calls conclude again.
func (w *wire) conclude() {
	c := w.conn
	if w.err == nil || c.ended || c.held() || c.due() {
		return
	}
	if errors.Is(w.err, ErrPeerGone) && c.keptOpen() {
		return
	}
	c.Close(w.err)
}

// plaintext takes decoded bytes buf[tail:]; buf[:tail] is a copy of c.in.
func (c *Conn) plaintext(buf []byte, tail int) {
	switch {
	case c.ended || len(buf) == tail:
	case c.held():
		c.in = append(c.in, buf[tail:]...)
	case tail > 0:
		c.inputJoined(buf)
	default:
		c.input(buf)
	}
}

// tailInFront tells whether what is read may be put behind a copy of c.in:
// not if it is to be decrypted, which needs a buffer of its own.
func (c *Conn) tailInFront() bool { return !c.filtered || c.wire.tls == nil }

// waitingLocked is the number of bytes that wait to be encoded or written.
func (c *Conn) waitingLocked() int {
	n := 0
	if c.out != nil {
		n = c.out.n
	}
	if c.filtered {
		n += c.wire.encodedLocked()
	}
	return n
}

// encodedLocked is the number of bytes that are encoded and not written, less
// those of them that count as not encoded: the ones that are being encrypted.
func (w *wire) encodedLocked() int {
	n := 0
	if w.enc != nil {
		n = w.enc.n
	}
	return max(n-w.sealing, 0)
}

// pendingLocked tells whether there is something to write or to encode.
func (c *Conn) pendingLocked() bool {
	return c.waitingLocked() > 0 || c.filtered && c.wire.due()
}

// due tells whether the filters have something to say themselves.
func (w *wire) due() bool { return w.lead != nil || w.pong != nil || w.leaving() }

// leaving tells whether it is time to take leave of the peer, once what waits is written.
func (w *wire) leaving() bool { return w.conn.state&outFinish != 0 && !w.bye }

// dropLocked gives back all output.
func (c *Conn) dropLocked() {
	if c.out != nil {
		c.out.reset()
		c.out = nil
	}
	if c.filtered && c.wire.enc != nil {
		c.wire.enc.reset()
		c.wire.enc = nil
	}
}

// readyLocked returns the output that goes to the socket as it is, nil when there
// is none. It is called with c.mu held and nobody else writing. It may release
// c.mu meanwhile, with outWriting set: afterwards the connection may be closed.
func (c *Conn) readyLocked() *output {
	if !c.filtered {
		if c.out == nil || c.out.n == 0 {
			return nil
		}
		return c.out
	}
	w := c.wire
	for c.state&outClosed == 0 {
		if w.enc != nil && w.enc.n > 0 {
			return w.enc
		}
		if !w.seal() {
			return nil
		}
	}
	return nil
}

// seal encodes what is due next, and returns false if nothing is. It is called
// with c.mu held, and releases it while it encrypts.
func (w *wire) seal() bool {
	c := w.conn
	if w.broken && c.out != nil {
		c.out.wrote(c.out.n)
	}
	var room [maxSegments][]byte
	pieces, n := room[:0], 0
	if c.out != nil {
		pieces, n = atMost(c.out.pieces(pieces), sealAhead)
	}
	bye := n == 0 && w.leaving()
	if n == 0 && !bye && !w.due() {
		return false
	}
	w.bye = w.bye || bye
	var header [maxFrontSize]byte
	front := w.front(header[:0], n, bye)
	if n > 0 && w.ws != nil && w.ws.client {
		masked := maskPool.Get().(*[]byte)
		defer maskPool.Put(masked)
		pieces = append(pieces[:0], w.maskInto(masked, front, pieces, n))
		front = nil
	}
	if w.tls == nil {
		w.put(front)
		for _, b := range pieces {
			w.put(b)
		}
	} else {
		was := c.state & outWriting
		c.state |= outWriting
		w.sealing = n
		c.mu.Unlock()
		ok := w.encrypt(front, pieces)
		if bye {
			// It cannot be sent if TLS has failed, and then the alert says it all.
			_ = w.tls.CloseWrite()
		}
		c.mu.Lock()
		c.state = c.state&^outWriting | was
		w.sealing = 0
		w.broken = w.broken || !ok
	}
	if n > 0 {
		c.out.wrote(n)
	}
	return true
}

// atMost cuts pieces so that they have limit bytes together, and counts them.
func atMost(pieces [][]byte, limit int) ([][]byte, int) {
	n := 0
	for i, b := range pieces {
		if n+len(b) >= limit {
			pieces[i] = b[:limit-n]
			return pieces[:i+1], limit
		}
		n += len(b)
	}
	return pieces, n
}

// maxFrontSize is what front usually needs: a Pong with a short payload and a
// frame header.
const maxFrontSize = 64

// front appends to dst what goes before n bytes of output, or takes leave.
func (w *wire) front(dst []byte, n int, bye bool) []byte {
	dst = append(dst, w.lead...)
	w.lead = nil
	if w.ws == nil {
		return dst
	}
	if w.pong != nil {
		dst = w.ws.controlFrame(dst, opPong, w.pong)
		w.pong = nil
	}
	if n > 0 && !w.packets {
		dst = w.ws.frameHeader(dst, opBinary, n)
	}
	if bye {
		dst = w.ws.closeFrame(dst, w.closeCode)
	}
	return dst
}

// maskInto joins a client's frame, n bytes of payload in pieces behind the header in front, and
// masks the payload.
func (w *wire) maskInto(buf *[]byte, front []byte, pieces [][]byte, n int) []byte {
	b := append((*buf)[:0], front...)
	for _, p := range pieces {
		b = append(b, p...)
	}
	w.ws.maskLast(b, n)
	*buf = b
	return b
}

// flush has what the filters have to say themselves written at the end of the turn.
func (w *wire) flush() {
	c := w.conn
	c.mu.Lock()
	mark := c.state&outDirty == 0
	c.state |= outDirty
	c.mu.Unlock()
	if mark {
		c.loop.markDirty(c)
	}
}

// put appends a copy of b to enc.
func (w *wire) put(b []byte) {
	if len(b) == 0 {
		return
	}
	if w.enc == nil {
		w.enc = outputPool.Get().(*output)
	}
	w.enc.addCopy(b)
}

// closingLocked notes why the connection is closed, for the Close frame.
func (w *wire) closingLocked(err error) {
	closing, ok := errors.AsType[*wsClose](err)
	switch {
	case ok:
		w.closeCode = closing.code
	case errors.Is(err, ErrShutdown):
		w.closeCode = closeGoingAway
	default:
		w.closeCode = closeNormal
	}
}

// left tells the listener's Admit that the connection has ended.
func (c *Conn) left() {
	if c.wire != nil && c.wire.release != nil {
		release := c.wire.release
		c.wire.release = nil
		release()
	}
}

// ConnectionState describes the TLS connection, with the peer's certificates;
// false without TLS. Only for use from OnOpen to OnClose.
func (c *Conn) ConnectionState() (tls.ConnectionState, bool) {
	if c.wire == nil || c.wire.tls == nil {
		return tls.ConnectionState{}, false
	}
	return c.wire.tls.ConnectionState(), true
}
