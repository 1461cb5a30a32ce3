package memnet

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// Conn is one end of a connection in memory. All methods may be called from
// any goroutine.
type Conn struct {
	in, out       *stream
	local, remote Addr
}

// Read takes what the peer has written. It waits while there is nothing or
// BlockReads is in force. At the end of the peer's stream it returns io.EOF.
func (c *Conn) Read(b []byte) (int, error) {
	s := c.in
	s.mu.Lock()
	defer s.mu.Unlock()
	s.r.calls++
	for {
		switch {
		case s.r.closed:
			return 0, net.ErrClosed
		case s.r.fail != nil:
			return 0, s.r.fail
		case s.reset != nil:
			return 0, s.reset
		case s.r.late:
			return 0, os.ErrDeadlineExceeded
		case len(b) == 0:
			return 0, nil
		case s.r.blocked:
		case len(s.buf) > 0:
			n := copy(b, s.buf)
			s.buf = s.buf[:copy(s.buf, s.buf[n:])]
			s.cond.Broadcast()
			return n, nil
		case s.ended:
			return 0, io.EOF
		}
		s.cond.Wait()
	}
}

// Write waits until all of b is in the buffer. It returns how much got there
// before an error: syscall.EPIPE when the peer has closed.
func (c *Conn) Write(b []byte) (n int, err error) {
	s := c.out
	s.mu.Lock()
	defer s.mu.Unlock()
	s.w.calls++
	for {
		switch {
		case s.w.closed:
			return n, net.ErrClosed
		case s.w.fail != nil:
			return n, s.w.fail
		case s.reset != nil:
			return n, s.reset
		case s.ended, s.gone:
			return n, syscall.EPIPE
		case s.w.late:
			return n, os.ErrDeadlineExceeded
		case s.w.blocked:
		case len(b) == 0:
			return n, nil
		case len(s.buf) < s.size:
			k := min(len(b), s.size-len(s.buf))
			s.buf = append(s.buf, b[:k]...)
			b, n = b[k:], n+k
			s.cond.Broadcast()
			continue
		}
		s.cond.Wait()
	}
}

// Close ends both directions. The peer reads what is buffered, then io.EOF.
func (c *Conn) Close() error {
	var was bool
	c.in.change(func() {
		was = c.in.r.closed
		c.in.r.closed, c.in.gone = true, true
		c.in.r.stopTimer()
	})
	c.out.change(func() {
		c.out.w.closed, c.out.ended = true, true
		c.out.w.stopTimer()
	})
	if was {
		return net.ErrClosed
	}
	return nil
}

// CloseWrite ends the direction towards the peer.
func (c *Conn) CloseWrite() error {
	var err error
	c.out.change(func() {
		switch {
		case c.out.w.closed:
			err = net.ErrClosed
		case c.out.reset != nil:
			err = c.out.reset
		default:
			c.out.ended = true
		}
	})
	return err
}

// Reset breaks the connection: on both sides reads and writes fail with
// syscall.ECONNRESET, and what is buffered is lost.
func (c *Conn) Reset() {
	for _, s := range []*stream{c.in, c.out} {
		s.change(func() { s.reset, s.buf = syscall.ECONNRESET, nil })
	}
}

// BlockReads makes reads of this end wait, with what has arrived, until it is
// called with false.
func (c *Conn) BlockReads(block bool) { c.in.change(func() { c.in.r.blocked = block }) }

// BlockWrites makes writes of this end wait until it is called with false.
func (c *Conn) BlockWrites(block bool) { c.out.change(func() { c.out.w.blocked = block }) }

// FailReads makes reads of this end, waiting ones too, fail with err until it
// is called with nil.
func (c *Conn) FailReads(err error) { c.in.change(func() { c.in.r.fail = err }) }

// FailWrites makes writes of this end, waiting ones too, fail with err until
// it is called with nil.
func (c *Conn) FailWrites(err error) { c.out.change(func() { c.out.w.fail = err }) }

// Buffered is the number of bytes that this end has written and the peer has
// not read.
func (c *Conn) Buffered() int {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	return len(c.out.buf)
}

// Writes is the number of calls of Write on this end.
func (c *Conn) Writes() int {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	return c.out.w.calls
}

// LocalAddr names this end.
func (c *Conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr names the other end.
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline sets both deadlines. The zero time means none.
func (c *Conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetReadDeadline makes reads fail with os.ErrDeadlineExceeded from t on.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.in.setDeadline(&c.in.r, t) }

// SetWriteDeadline makes writes fail with os.ErrDeadlineExceeded from t on.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.out.setDeadline(&c.out.w, t) }

func (s *stream) setDeadline(e *side, t time.Time) error {
	var err error
	s.change(func() {
		if e.closed {
			err = net.ErrClosed
			return
		}
		e.stopTimer()
		e.late = !t.IsZero() && !time.Now().Before(t)
		if t.IsZero() || e.late {
			return
		}
		var tm *time.Timer
		tm = time.AfterFunc(time.Until(t), func() {
			s.change(func() { e.late = e.late || e.timer == tm }) // unless replaced meanwhile
		})
		e.timer = tm
	})
	return err
}

func (e *side) stopTimer() {
	if e.timer != nil {
		e.timer.Stop()
		e.timer = nil
	}
}
