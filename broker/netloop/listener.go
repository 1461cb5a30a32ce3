package netloop

import (
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// TCP keep-alive, set on every accepted TCP socket: it finds peers that are
// gone behind a NAT although their protocol has no Keep Alive.
const (
	keepAliveIdle     = 60 * time.Second
	keepAliveInterval = 20 * time.Second
	keepAliveCount    = 4
)

// dialTimeout is how long Dial may take to connect.
const dialTimeout = 30 * time.Second

var keepAlive = net.KeepAliveConfig{
	Enable: true, Idle: keepAliveIdle, Interval: keepAliveInterval, Count: keepAliveCount,
}

const (
	acceptPauseMin = 5 * time.Millisecond
	acceptPauseMax = time.Second
)

// Listener accepts connections for an engine.
type Listener struct {
	engine    *Engine
	ln        net.Listener
	cfg       ListenConfig
	plain     bool                // there is nothing between socket and handler
	tls       *tls.Config         // cfg.TLS as prepared
	sniffed   map[bool][]Protocol // what is told apart, outside TLS and within (true)
	done      chan struct{}
	closeOnce sync.Once
	door      *door  // epoll engines only
	number    uint16 // by which its connections know it; 0 is none
	open      atomic.Int64
}

// ListenWith accepts from ln until Close, Shutdown or an error that does not
// pass. The engine owns ln from then on, unless ListenWith returns an error. cfg
// must not change any more. With epoll, ln must be a TCP or Unix listener of
// package net.
func (e *Engine) ListenWith(ln net.Listener, cfg ListenConfig) (*Listener, error) {
	l := &Listener{engine: e, ln: ln, cfg: cfg, done: make(chan struct{})}
	l.prepare()
	if !e.cfg.Portable {
		if err := l.makeDoor(); err != nil {
			return nil, err
		}
	}
	if err := l.start(); err != nil {
		return nil, err
	}
	return l, nil
}

// makeDoor takes the socket out of what epoll can watch.
func (l *Listener) makeDoor() error {
	// Not any syscall.Conn: a type that embeds one may have an Accept of its own.
	var sc syscall.Conn
	tcp := false
	switch ln := l.ln.(type) {
	case *net.TCPListener:
		sc, tcp = ln, true
	case *net.UnixListener:
		sc = ln
	default:
		return fmt.Errorf("%w: %T cannot be polled", ErrUnsupported, ln)
	}
	rc, err := sc.SyscallConn()
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	l.door, err = newDoor(l, rc, tcp)
	return err
}

// start begins to accept. When it fails, the socket stays the caller's.
func (l *Listener) start() error {
	e := l.engine
	e.mu.Lock()
	closing := e.closing.Load()
	if !closing {
		e.listeners[l] = struct{}{}
		e.numberLocked(l)
		if l.door == nil {
			e.wg.Go(l.run)
		}
	}
	e.mu.Unlock()
	if l.door == nil {
		if closing {
			return ErrShutdown
		}
		return nil
	}
	err := ErrShutdown
	if !closing {
		err = l.door.open()
	}
	if err != nil {
		l.forget()
	}
	return err
}

// numberLocked gives l a number, which is never another's: its connections may outlive it. Those of the 65,536th listener and further ones are
// counted for the engine alone.
func (e *Engine) numberLocked(l *Listener) {
	var all []*Listener
	if old := e.numbered.Load(); old != nil {
		all = *old
	}
	if len(all) == math.MaxUint16 {
		return
	}
	all = append(slices.Clip(all), l)
	l.number = uint16(len(all))
	e.numbered.Store(&all)
}

// count counts the connection, or that it is gone, with n = -1.
func (c *Conn) count(n int64) {
	e := c.loop.engine
	if c.from != 0 {
		(*e.numbered.Load())[c.from-1].open.Add(n)
	}
	e.open.Add(n)
}

// Open is how many of its connections have a socket that is open, those included that are in their TLS handshake, PROXY header or WebSocket
// request. It may be called at any time.
func (l *Listener) Open() int64 { return l.open.Load() }

// Addr is the address that is listened on.
func (l *Listener) Addr() net.Addr { return l.ln.Addr() }

// Close stops accepting. Connections stay. It waits for a turn of a loop, and must not be called on one.
func (l *Listener) Close() {
	l.closeOnce.Do(func() {
		close(l.done)
		l.ln.Close()
		l.forget()
	})
}

// forget undoes start.
func (l *Listener) forget() {
	if l.door != nil {
		l.door.close()
	}
	l.engine.mu.Lock()
	delete(l.engine.listeners, l)
	l.engine.mu.Unlock()
}

// run accepts for ever, pausing after errors. Doors do without.
func (l *Listener) run() {
	pause := acceptPauseMin
	for l.engine.gate.pass(l.done) {
		err := l.acceptPortable()
		switch {
		case err == nil:
			pause = acceptPauseMin
		case errors.Is(err, net.ErrClosed):
			l.Close()
			return
		case !l.failed(err, pause):
			return
		default:
			pause = min(2*pause, acceptPauseMax)
		}
	}
}

// failed tells of an error and waits. It returns false if the listener is closed meanwhile.
func (l *Listener) failed(err error, pause time.Duration) bool {
	select {
	case <-l.done:
		return false
	default:
	}
	l.engine.acceptErrors.Add(1)
	if l.cfg.OnError != nil {
		l.cfg.OnError(err)
	}
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-l.done:
		return false
	case <-t.C:
		return true
	}
}

func (l *Listener) acceptPortable() error {
	nc, err := l.ln.Accept()
	if err != nil {
		return err
	}
	if !l.engine.gate.pass(l.done) { // which was shut meanwhile: this one waits here
		nc.Close()
		return net.ErrClosed
	}
	if tc, ok := nc.(*net.TCPConn); ok {
		// An error means that the peer is gone already, which reading will tell.
		_ = tc.SetKeepAliveConfig(keepAlive)
	}
	l.engine.accepted.Add(1)
	newHandler, release, ok := l.take(addrOf(nc.RemoteAddr()))
	if !ok {
		nc.Close()
		return nil
	}
	if !l.engine.startPortable(l.engine.nextLoop(), nc, l.number, newHandler) {
		nc.Close()
		if release != nil {
			release()
		}
	}
	return nil
}
