package netloop

import (
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
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
	dup       *os.File // the listening socket once more, for epoll engines
	number    uint16   // by which its connections know it; 0 is none
	open      atomic.Int64
}

// ListenWith accepts from ln until Close, Shutdown or an error that does not
// pass. The engine owns ln from then on, unless ListenWith returns an error. cfg
// must not change any more. With epoll, ln must be a TCP or Unix listener of
// package net.
func (e *Engine) ListenWith(ln net.Listener, cfg ListenConfig) (*Listener, error) {
	l := &Listener{engine: e, ln: ln, cfg: cfg, done: make(chan struct{})}
	l.prepare()
	accept := l.acceptPortable
	if !e.cfg.Portable {
		// Not any syscall.Conn: a type that embeds one may have an Accept of its own.
		var sc syscall.Conn
		tcp := false
		switch ln := ln.(type) {
		case *net.TCPListener:
			sc, tcp = ln, true
		case *net.UnixListener:
			sc = ln
		default:
			return nil, fmt.Errorf("%w: %T cannot be polled", ErrUnsupported, ln)
		}
		rc, err := sc.SyscallConn()
		if err != nil {
			return nil, fmt.Errorf("listen: %w", err)
		}
		if err := prepareListener(rc, tcp); err != nil {
			return nil, fmt.Errorf("set socket options: %w", err)
		}
		// Package net gives no access to accept itself: wait on a duplicate.
		if l.dup, err = pollable(rc); err != nil {
			return nil, fmt.Errorf("listen: %w", err)
		}
		drc, err := l.dup.SyscallConn()
		if err != nil {
			l.dup.Close()
			return nil, fmt.Errorf("listen: %w", err)
		}
		accept = func() error { return l.acceptRaw(drc) }
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closing.Load() {
		if l.dup != nil {
			l.dup.Close()
		}
		return nil, ErrShutdown
	}
	e.listeners[l] = struct{}{}
	e.numberLocked(l)
	e.wg.Go(func() { l.run(accept) })
	return l, nil
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

// Close stops accepting. Connections stay.
func (l *Listener) Close() {
	l.closeOnce.Do(func() {
		close(l.done)
		l.ln.Close()
		if l.dup != nil {
			l.dup.Close()
		}
		l.engine.mu.Lock()
		delete(l.engine.listeners, l)
		l.engine.mu.Unlock()
	})
}

// run calls accept for ever, pausing after errors.
func (l *Listener) run(accept func() error) {
	pause := acceptPauseMin
	for {
		if !l.engine.gate.pass(l.done) {
			return
		}
		err := accept()
		if err == nil {
			pause = acceptPauseMin
			continue
		}
		select {
		case <-l.done:
			return
		default:
		}
		if errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrClosed) {
			l.Close()
			return
		}
		l.engine.acceptErrors.Add(1)
		if l.cfg.OnError != nil {
			l.cfg.OnError(err)
		}
		t := time.NewTimer(pause)
		select {
		case <-l.done:
			t.Stop()
			return
		case <-t.C:
		}
		pause = min(2*pause, acceptPauseMax)
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
