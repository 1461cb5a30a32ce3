//go:build !linux

package netloop

import (
	"iter"
	"maps"
	"net"
	"syscall"
)

// Without epoll every engine is portable, and what follows is never reached.

const haveEpoll = false

type poller interface{ wake(*Loop) }

func newPoller() (poller, error) { return nil, ErrUnsupported }

func (l *Loop) release() {}
func (l *Loop) run()     { l.runPortable() }

func (l *Loop) openConns() iter.Seq[*Conn] { return maps.Keys(l.conns) }

func (l *Loop) connsByFD() []*Conn { return nil }

func (c *Conn) isOpen() bool      { return !c.nc.closed }
func (c *Conn) writeLocked(*Loop) { c.mu.Unlock() }
func (c *Conn) updateInterest()   { c.updatePortable() }
func (c *Conn) release()          { c.releasePortable() }
func (c *Conn) halfClose()        { c.halfClosePortable() }

// RemoteAddr is the peer's address, or whom its PROXY header has named.
func (c *Conn) RemoteAddr() net.Addr {
	if c.wire != nil && c.wire.remote != nil {
		return c.wire.remote
	}
	return c.nc.RemoteAddr()
}

func (e *Engine) adoptFD(net.Conn, func(*Conn) Handler) error { return ErrUnsupported }
func (e *Engine) dial(*Loop, string, string, func(*Conn) Handler) error {
	return ErrUnsupported
}

type door struct{}

func newDoor(*Listener, syscall.RawConn, bool) (*door, error) { return nil, ErrUnsupported }

func (*door) open() error { return ErrUnsupported }
func (*door) close()      {}
