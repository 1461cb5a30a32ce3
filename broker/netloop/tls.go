package netloop

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// How crypto/tls is driven without a goroutine: the net.Conn under it is a
// tlsSocket, whose Read gives out the bytes that the loop has just read and then
// an error that is Temporary. tls.Conn.Read hands that error back and goes on
// at the next call, even in the middle of a record. Write appends to the
// connection's output. Only the handshake cannot be resumed: see handshake.

// recordSize is the largest payload of a TLS record.
const recordSize = 16 << 10

// plainSpare is how much more than what was read decrypting usually yields:
// the rest of a record that came before.
const plainSpare = recordSize + 1<<10

// maxHelloSize is how many bytes a ClientHello may take until the handshake
// begins without waiting for the rest.
const maxHelloSize = 16 << 10

// recordPool has buffers in which small pieces are gathered to a record.
var recordPool = sync.Pool{New: func() any { return new([recordSize]byte) }}

// tlsSocket is a wire as the net.Conn under its tls.Conn.
type tlsSocket struct {
	wire *wire

	// owned by the goroutine of the handshake until it ends, then by the loop
	records recordCutter

	// owned by the loop
	whole int32 // records given out since the handshake, of which tls.Conn.Read has not yet made anything
	void  voidRecords
}

// drained is the error of a Read that would have to wait.
type drained struct{}

func (drained) Error() string   { return "netloop: no more input yet" }
func (drained) Timeout() bool   { return true }
func (drained) Temporary() bool { return true }

// Read implements net.Conn. It waits during the handshake and never after it. It gives out
// the bytes of one record at most, so that it is known which records tls.Conn.Read has dealt with.
func (s *tlsSocket) Read(b []byte) (int, error) {
	if hs := s.wire.hs; hs != nil { // cleared by the loop once the handshake's goroutine has ended
		return hs.read(b, &s.records)
	}
	l := s.wire.conn.loop
	if len(l.raw) == 0 {
		return 0, drained{}
	}
	n, ended := s.records.cut(b, l.raw)
	l.raw = l.raw[n:]
	if ended {
		s.whole++
	}
	return n, nil
}

// Write implements net.Conn. It never waits. Whoever is writing to the socket
// takes b with the rest, else the connection's loop does.
func (s *tlsSocket) Write(b []byte) (int, error) {
	c := s.wire.conn
	c.mu.Lock()
	if c.state&outClosed != 0 {
		c.mu.Unlock()
		return 0, net.ErrClosed
	}
	s.wire.put(b)
	idle := c.state&(outDirty|outWriting) == 0
	if idle {
		c.state |= outDirty
	}
	c.mu.Unlock()
	if idle {
		c.loop.handIn(c)
	}
	return len(b), nil
}

// Close implements net.Conn. The Conn's end is not for crypto/tls to decide.
func (s *tlsSocket) Close() error { return nil }

// LocalAddr implements net.Conn. It is for GetConfigForClient and the like.
func (s *tlsSocket) LocalAddr() net.Addr {
	if hs := s.wire.hs; hs != nil {
		return hs.local
	}
	return nil
}

// RemoteAddr implements net.Conn. It is for GetConfigForClient and the like.
func (s *tlsSocket) RemoteAddr() net.Addr {
	if hs := s.wire.hs; hs != nil {
		return hs.remote
	}
	return nil
}

// SetDeadline implements net.Conn: the wheel has the deadlines.
func (s *tlsSocket) SetDeadline(time.Time) error { return nil }

// SetReadDeadline implements net.Conn.
func (s *tlsSocket) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements net.Conn.
func (s *tlsSocket) SetWriteDeadline(time.Time) error { return nil }

// decrypt returns the plaintext of raw as buf[tail:], where buf[:tail] is a copy
// of c.in. buf is the loop's. The error is ErrPeerGone after close_notify.
func (w *wire) decrypt(raw []byte) (buf []byte, tail int, err error) {
	l := w.conn.loop
	if l.plain == nil {
		l.plain = make([]byte, l.engine.cfg.ReadBuffer+plainSpare)
	}
	buf = l.plain
	if in := w.conn.in; len(in) <= len(buf)/2 {
		tail = copy(buf, in)
	}
	l.raw = raw
	end, socket := tail, w.tls.NetConn().(*tlsSocket)
	for err == nil {
		if end == len(buf) { // a long tail, or crypto/tls had more than a record
			buf = append(buf, make([]byte, recordSize)...)
		}
		var n int
		n, err = w.tls.Read(buf[end:])
		end += n
		if tooMany := socket.void.note(l.now, socket.whole, n > 0); tooMany != nil {
			err = tooMany
		}
		socket.whole = 0
	}
	l.raw = nil
	switch {
	case errors.Is(err, drained{}):
		err = nil
	case errors.Is(err, io.EOF):
		err = ErrPeerGone
	}
	return buf[:end], tail, err
}

// encrypt puts front and pieces into records, which Write appends to the output.
// It returns false if TLS has failed and takes no more.
func (w *wire) encrypt(front []byte, pieces [][]byte) bool {
	buf := recordPool.Get().(*[recordSize]byte)
	defer recordPool.Put(buf)
	n := copy(buf[:], front)
	for _, b := range pieces {
		for len(b) > 0 {
			if n == 0 && len(b) >= recordSize {
				if _, err := w.tls.Write(b); err != nil {
					return false
				}
				break
			}
			k := copy(buf[n:], b)
			n, b = n+k, b[k:]
			if n < recordSize {
				continue
			}
			if _, err := w.tls.Write(buf[:n]); err != nil {
				return false
			}
			n = 0
		}
	}
	if n == 0 {
		return true
	}
	_, err := w.tls.Write(buf[:n])
	return err == nil
}

// tlsConfigs gives a listener's configuration what this package promises.
type tlsConfigs struct {
	protos []string // ALPN, for configurations that name none
	last   atomic.Pointer[preparedTLS]
}

type preparedTLS struct{ given, prepared *tls.Config }

// prepare returns given with TLS 1.2 as the least version and ALPN. The copy is
// kept, for GetConfigForClient gives the same again until certificates change.
func (t *tlsConfigs) prepare(given *tls.Config) *tls.Config {
	if p := t.last.Load(); p != nil && p.given == given {
		return p.prepared
	}
	cfg := given.Clone()
	cfg.MinVersion = max(cfg.MinVersion, tls.VersionTLS12)
	if cfg.NextProtos == nil {
		cfg.NextProtos = t.protos
	}
	t.last.Store(&preparedTLS{given, cfg})
	return cfg
}

// root prepares a listener's own configuration, whose session ticket keys also
// serve those that its GetConfigForClient returns.
func (t *tlsConfigs) root(given *tls.Config) *tls.Config {
	cfg := t.prepare(given)
	t.last.Store(nil)
	choose := given.GetConfigForClient
	if choose == nil {
		return cfg
	}
	cfg.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		chosen, err := choose(hello)
		if err != nil || chosen == nil {
			return nil, err
		}
		return t.prepare(chosen), nil
	}
	return cfg
}

// helloComplete tells whether data has a whole ClientHello, or so much or such
// bytes that it is for crypto/tls to judge: a connection that has not said as
// much takes no place among the handshakes.
func helloComplete(data []byte) bool {
	if len(data) >= maxHelloSize {
		return true
	}
	want, have := -1, 0 // bytes of the handshake message, with its header
	for len(data) >= 5 {
		if data[0] != recordHandshake {
			return true
		}
		n := int(binary.BigEndian.Uint16(data[3:]))
		body := data[5:min(5+n, len(data))]
		if have == 0 && len(body) >= 4 {
			want = 4 + int(body[1])<<16 + int(body[2])<<8 + int(body[3])
		}
		have += len(body)
		if n == 0 || want >= 0 && have >= want || want < 0 && have >= 4 {
			return true
		}
		data = data[5+len(body):]
		if len(body) < n {
			return false
		}
	}
	return len(data) > 0 && data[0] != recordHandshake
}

// recordHandshake is the type of the TLS records that carry a ClientHello.
const recordHandshake = 0x16
