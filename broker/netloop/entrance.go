package netloop

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"
)

// openTimeout is how long a connection may take until OnOpen: for its PROXY
// header, the first bytes of its protocol, the TLS handshake and the request
// for a WebSocket together.
const openTimeout = 10 * time.Second

// ErrNotAdmitted closes a connection that a trusted proxy has brought and
// ListenConfig.Admit does not want.
var ErrNotAdmitted = errors.New("netloop: not admitted")

// stage is what a connection has to get through next.
type stage uint8

const (
	stageProxy   stage = iota // its PROXY header is due
	stageSniff                // its protocol is not known
	stageTLS                  // a ClientHello is due
	stageUpgrade              // a request for a WebSocket is due
	stageMessage              // what is spoken in the WebSocket is not known
	stageOpen                 // the listener's handler is next
)

// entrance is the handler of a connection that its listener's handler shall
// not see yet. Everything happens on the connection's loop, as bytes arrive;
// only the handshake computes elsewhere.
type entrance struct {
	ln         *Listener
	addr       netip.Addr // the peer's, or the one that its PROXY header names; zero if it has none
	newHandler func(*Conn) Handler
	stage      stage
	inTLS      bool
}

// afterProxy is the stage that follows the PROXY header, or the beginning.
func (e *entrance) afterProxy() stage {
	switch cfg := &e.ln.cfg; {
	case cfg.sniffs() && !cfg.RequireTLS:
		return stageSniff
	case cfg.TLS != nil:
		return stageTLS
	default:
		return e.afterTLS()
	}
}

func (e *entrance) afterTLS() stage {
	switch cfg := &e.ln.cfg; {
	case cfg.sniffs():
		return stageSniff
	case cfg.webSockets():
		return stageUpgrade
	default:
		return stageOpen
	}
}

// OnOpen implements Handler.
func (e *entrance) OnOpen(c *Conn) { c.SetTimer(openTimeout) }

// OnData implements Handler.
func (e *entrance) OnData(c *Conn, data []byte) (consumed int) {
	for {
		n, goOn := e.step(c, data[consumed:])
		consumed += n
		if !goOn || c.ended {
			return consumed
		}
	}
}

// step tries to get through one stage. It returns false when it needs more
// bytes, or when it has given the connection away with all of them.
func (e *entrance) step(c *Conn, data []byte) (consumed int, goOn bool) {
	switch e.stage {
	case stageProxy:
		return e.readProxy(c, data)
	case stageSniff:
		return 0, e.sniff(c, data)
	case stageTLS:
		if !helloComplete(data) {
			return 0, false
		}
		e.handshake(c, data)
	case stageUpgrade:
		return e.upgrade(c, data)
	case stageMessage:
		if !e.sniffMessage(c, data) {
			return 0, false
		}
		c.SetTimer(0)
		c.handDecoded(e.newHandler(c), data)
	default:
		e.open(c, data)
	}
	return len(data), false
}

func (e *entrance) readProxy(c *Conn, data []byte) (consumed int, goOn bool) {
	remote, n, err := parseProxy(data)
	if err != nil {
		c.Close(err)
		return 0, false
	}
	if n == 0 {
		return 0, false
	}
	if remote != nil {
		c.wire.remote = remote
		e.addr = addrOf(remote)
	}
	release, ok := e.ln.admit(e.addr)
	if !ok {
		c.finish(ErrNotAdmitted)
		return 0, false
	}
	c.wire.release = release
	e.stage = e.afterProxy()
	return n, true
}

// sniff finds out the protocol. It takes no bytes: they are the protocol's.
func (e *entrance) sniff(c *Conn, data []byte) (goOn bool) {
	p := e.choose(c, e.ln.sniffed[e.inTLS], data)
	if p == nil {
		return false
	}
	switch p.Name {
	case protocolTLS:
		e.stage = stageTLS
	case protocolHTTP:
		e.stage = stageUpgrade
	default:
		e.stage = stageOpen
		if p.NewHandler != nil {
			e.newHandler = p.NewHandler
		}
	}
	return true
}

// choose returns which of the protocols the connection begins like. It returns
// nil when it needs more bytes, or when it has closed the connection: it knows none.
func (e *entrance) choose(c *Conn, protocols []Protocol, data []byte) *Protocol {
	i, m := sniff(protocols, data)
	switch m {
	case MatchMore:
		return nil
	case MatchNo:
		c.loop.engine.unknown.add(data)
		if e.stage == stageMessage {
			c.Close(CloseWith(closeUnsupported, ErrUnknownProtocol))
		} else {
			c.finish(ErrUnknownProtocol)
		}
		return nil
	}
	return &protocols[i]
}

// sniffMessage finds out the protocol that is spoken in a WebSocket.
func (e *entrance) sniffMessage(c *Conn, data []byte) (goOn bool) {
	p := e.choose(c, e.ln.cfg.Bare, data)
	if p == nil {
		return false
	}
	if ws := c.wire.ws; !p.Text {
		if ws.text {
			c.Close(violation(closeUnsupported, "text frame"))
			return false
		}
		ws.takesText = false
	}
	if p.NewHandler != nil {
		e.newHandler = p.NewHandler
	}
	return true
}

// handshake begins the TLS handshake, with the bytes that have come.
func (e *entrance) handshake(c *Conn, data []byte) {
	w := c.wire
	hs := &handshake{
		wire: w, pool: c.loop.engine.handshakes, addr: site(e.addr), most: longest(e.ln.tls),
		local: e.ln.Addr(), remote: c.RemoteAddr(),
		then: func(err error, rest []byte) { e.shaken(c, err, rest) },
	}
	if !hs.pool.enter(hs) {
		c.finish(ErrBusy)
		return
	}
	w.hs = hs
	w.tls = tls.Server(&tlsSocket{wire: w}, e.ln.tls)
	c.filtered = true
	w.hs.start()
	w.hs.feed(data)
}

// shaken goes on after the handshake, with bytes that have come since.
func (e *entrance) shaken(c *Conn, err error, rest []byte) {
	if errors.Is(err, errDisplaced) {
		c.finish(err) // it must not cost a descriptor for longer: others come as fast as they can
		return
	}
	if err != nil {
		c.Close(fmt.Errorf("TLS handshake: %w", err)) // with the alert
		return
	}
	e.inTLS = true
	if e.stage = e.afterTLS(); e.stage == stageOpen {
		e.open(c, nil)
	}
	c.wire.received(rest, 0)
}

// upgrade answers a request for a WebSocket.
func (e *entrance) upgrade(c *Conn, data []byte) (consumed int, goOn bool) {
	up, n, err := parseUpgrade(&e.ln.cfg, data)
	if no, ok := errors.AsType[*refusal](err); ok {
		c.Write(c.loop, no.answer())
		c.Close(err)
		return 0, false
	}
	if n == 0 {
		return 0, false
	}
	w := c.wire
	c.mu.Lock()
	w.ws = &webSocket{takesText: up.bare}
	w.lead = up.answer
	c.filtered = true
	c.mu.Unlock()
	w.flush()
	if !up.bare {
		e.stage = stageOpen
		return n, true
	}
	e.stage = stageMessage
	c.decoded(data[n:])
	return len(data), false
}

// open gives the connection to its listener's handler, and data with it.
func (e *entrance) open(c *Conn, data []byte) {
	c.SetTimer(0)
	c.hand(e.newHandler(c), data)
}

// OnWritable implements Handler.
func (e *entrance) OnWritable(*Conn) {}

// OnTimer implements Handler.
func (e *entrance) OnTimer(c *Conn) {
	c.finish(fmt.Errorf("open connection: %w", os.ErrDeadlineExceeded))
}

// OnShutdown implements Handler.
func (e *entrance) OnShutdown(c *Conn) { c.finish(ErrShutdown) }

// OnClose implements Handler.
func (e *entrance) OnClose(c *Conn, err error) {
	if !errors.Is(err, ErrShutdown) {
		c.loop.engine.unopened.Add(1)
		if f := e.ln.cfg.OnUnopened; f != nil {
			f(c, err)
		}
	}
	if hs := c.wire.hs; hs != nil {
		hs.abort(err)
	}
}

// addrOf returns the IP address in a, the zero Addr if it has none.
func addrOf(a net.Addr) netip.Addr {
	if t, ok := a.(*net.TCPAddr); ok {
		return t.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}
