package netloop

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// portableBuffer is the size of each connection's read buffer in bytes.
const portableBuffer = 4 << 10

// streamConn is what a connection of a portable engine has in addition: a
// net.Conn, one goroutine that reads and, while there is output, one that writes.
type streamConn struct {
	net.Conn
	resume *sync.Cond // on Loop.turnMu: reading may go on
	closed bool       // owned by the loop
}

// runPortable is a loop's goroutine in a portable engine: it runs posts and
// timers. Readers take turns of their own.
func (l *Loop) runPortable() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		l.turnMu.Lock()
		l.now = l.engine.now()
		l.afterEvents()
		l.turnEnds(l.engine.now() - l.now)
		if l.isStopped() {
			l.drain()
			l.turnMu.Unlock()
			return
		}
		d := l.timeout()
		l.waitUntil = l.wheel.next()
		l.sleeping.Store(true)
		l.turnMu.Unlock()
		if l.posted() {
			l.sleeping.Store(false)
			continue
		}
		if d < 0 {
			d = time.Hour
		}
		timer.Reset(d)
		select {
		case <-l.wakeC:
		case <-timer.C:
		}
		l.sleeping.Store(false)
	}
}

// endTurn is the second half of a turn that a reader has begun.
func (l *Loop) endTurn() {
	l.afterEvents()
	l.turnEnds(l.engine.now() - l.now)
	if next := l.wheel.next(); next >= 0 && (l.waitUntil < 0 || next < l.waitUntil) {
		l.waitUntil = next
		l.wake()
	}
}

func (l *Loop) isStopped() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stopped
}

// startPortable starts a connection on loop l. from is the number of its
// listener; 0 is none. It returns false after Shutdown; then nc stays the caller's.
func (e *Engine) startPortable(l *Loop, nc net.Conn, from uint16, newHandler func(*Conn) Handler) bool {
	c := &Conn{loop: l, fd: -1, timer: timer{slot: -1}, from: from}
	c.count(1)
	c.nc = &streamConn{Conn: nc, resume: sync.NewCond(&l.turnMu)}
	c.h = newHandler(c)
	if !l.Post((*openPortableTask)(c)) {
		c.count(-1)
		return false
	}
	return true
}

// openPortableTask starts a connection on its loop.
type openPortableTask Conn

func (t *openPortableTask) Run(l *Loop) {
	c := (*Conn)(t)
	l.conns[c] = struct{}{}
	l.tally(c)
	c.opened()
	l.engine.wg.Go(c.readPortable)
}

// readPortable reads until the connection ends.
func (c *Conn) readPortable() {
	buf := make([]byte, portableBuffer)
	for open := true; open; {
		n, err := c.nc.Read(buf)
		open = c.turn(buf[:n], nil)
		for open && err != nil { // again when the handler pauses at the last bytes
			open = c.turn(nil, err)
		}
	}
}

// turn takes the loop for what a read has returned, once the connection is not
// held. It tells whether to read on.
func (c *Conn) turn(data []byte, err error) bool {
	l := c.loop
	l.turnMu.Lock()
	defer l.turnMu.Unlock()
	for c.held() || c.due() {
		c.nc.resume.Wait()
	}
	l.now = l.engine.now()
	l.tally(c)
	if len(data) > 0 {
		l.stats.bytesIn.Add(uint64(len(data)))
		if c.filtered {
			c.wire.received(data, 0)
		} else {
			c.input(data)
		}
		if !c.ended {
			c.throttleIfFlooded()
		}
	}
	if err != nil && c.lastInput() {
		c.gonePortable(err)
	}
	l.endTurn()
	return !c.nc.closed && !c.eof
}

func (c *Conn) gonePortable(err error) {
	if errors.Is(err, io.EOF) {
		err = ErrPeerGone
	}
	c.gone(err)
}

func (c *Conn) updatePortable() { c.nc.resume.Broadcast() }

// startWriter is called with c.mu held and the connection neither writing nor
// closed; it unlocks.
func (c *Conn) startWriter() {
	if !c.pendingLocked() {
		c.wroteAll()
		return
	}
	c.state |= outWriting
	c.loop.engine.wg.Go(c.writePortable) // under the lock: the connection is open, so Shutdown still waits
	c.mu.Unlock()
}

// writePortable writes until nothing waits.
func (c *Conn) writePortable() {
	var pieces [maxSegments][]byte
	for {
		c.mu.Lock()
		out := c.readyLocked()
		if c.state&outClosed != 0 {
			c.state &^= outWriting
			c.dropLocked()
			c.mu.Unlock()
			return
		}
		if out == nil {
			c.state &^= outWriting
			c.wroteAll()
			return
		}
		bufs := net.Buffers(out.pieces(pieces[:0]))
		c.mu.Unlock()

		n, err := bufs.WriteTo(c.nc.Conn)
		c.loop.stats.bytesOut.Add(uint64(n))

		c.mu.Lock()
		out.wrote(int(n))
		if err != nil {
			c.state &^= outWriting
			c.failed(err)
			return
		}
		c.noteProgress()
	}
}

// halfClosePortable does not wait: CloseWrite of a TLS connection writes.
func (c *Conn) halfClosePortable() {
	cw, ok := c.nc.Conn.(interface{ CloseWrite() error })
	if !ok {
		c.release()
		return
	}
	c.loop.engine.wg.Go(func() {
		if cw.CloseWrite() != nil {
			c.loop.Post((*releaseTask)(c))
		}
	})
}

// releaseTask frees a connection that has ended.
type releaseTask Conn

func (t *releaseTask) Run(*Loop) { (*Conn)(t).release() }

func (c *Conn) releasePortable() {
	if c.nc.closed {
		return
	}
	c.nc.closed = true
	c.loop.wheel.disarm(&c.timer)
	delete(c.loop.conns, c)
	c.mu.Lock()
	c.state |= outClosed
	if c.state&outWriting == 0 {
		c.dropLocked()
	}
	c.mu.Unlock()
	c.left()
	c.nc.resume.Broadcast()
	c.loop.engine.wg.Go(func() { // Close of a TLS connection writes, and may wait for the peer
		c.nc.Close()
		c.count(-1)
	})
}

func (e *Engine) dialPortable(l *Loop, network, address string, newHandler func(*Conn) Handler) error {
	if network != "tcp" && network != "unix" {
		return fmt.Errorf("%w: network %q", ErrUnsupported, network)
	}
	e.open.Add(1)
	if !e.goUnlessClosing(func() { e.connectPortable(l, network, address, newHandler) }) {
		e.open.Add(-1)
		return ErrShutdown
	}
	return nil
}

func (e *Engine) connectPortable(l *Loop, network, address string, newHandler func(*Conn) Handler) {
	d := net.Dialer{Timeout: dialTimeout, KeepAliveConfig: keepAlive}
	nc, err := d.DialContext(e.dialCtx, network, address)
	if err == nil {
		if !e.startPortable(l, nc, 0, newHandler) {
			nc.Close()
		}
		e.open.Add(-1) // startPortable has counted it again
		return
	}
	if e.dialCtx.Err() != nil {
		err = ErrShutdown
	}
	c := &Conn{loop: l, fd: -1, timer: timer{slot: -1}}
	c.nc = &streamConn{Conn: noConn{}, resume: sync.NewCond(&l.turnMu)}
	c.h = newHandler(c)
	if !l.PostFunc(func() { c.finish(fmt.Errorf("connect: %w", err)) }) {
		e.open.Add(-1)
	}
}

// noConn stands for a connection that was never made.
type noConn struct{ net.Conn }

func (noConn) Close() error         { return nil }
func (noConn) RemoteAddr() net.Addr { return nil }
