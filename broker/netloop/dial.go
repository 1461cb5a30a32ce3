package netloop

import (
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"os"
)

// DialConfig says whom to connect to and what lies between socket and handler.
// Layers that are nil are left out: TLS → WebSocket → handler.
type DialConfig struct {
	// Network is "tcp" or "unix", Address what package net takes for it.
	Network, Address string
	// TLS, if not nil, is a client's configuration; it needs ServerName or
	// InsecureSkipVerify. It must not change any more.
	TLS *tls.Config
	// WebSocket, if not nil, is what is asked for before the handler's first call.
	WebSocket *WebSocketRequest
}

// WebSocketRequest is a client's request for a WebSocket with the subprotocol mqtt.
type WebSocketRequest struct {
	// Host is the value of the header of that name, Path that of the request line, with
	// the query. Both are sent as they are.
	Host, Path string
}

// Dial is DialWith for plain connections.
func (e *Engine) Dial(l *Loop, network, address string, newHandler func(*Conn) Handler) error {
	return e.DialWith(l, DialConfig{Network: network, Address: address}, newHandler)
}

// DialWith connects from loop l, or from any loop when l is nil. It does not
// wait: the handler's first call is OnOpen, once all layers stand, or OnClose with the
// reason when there is no connection within 30 s or until Shutdown, or when its layers take more
// than another 10 s. Engine limits on TLS handshakes do not hold for those that it begins itself,
// except for Config.HandshakeWorkers. With epoll host names are resolved before DialWith returns,
// which may block. When it returns an error, a handler that was made gets no call.
func (e *Engine) DialWith(l *Loop, cfg DialConfig, newHandler func(*Conn) Handler) error {
	if e.closing.Load() {
		return ErrShutdown
	}
	if l == nil {
		l = e.nextLoop()
	}
	if e.cfg.Portable {
		return e.dialPortable(l, cfg.Network, cfg.Address, cfg.first(newHandler))
	}
	return e.dial(l, cfg.Network, cfg.Address, cfg.first(newHandler))
}

// first makes the first handler of a connection.
func (cfg *DialConfig) first(newHandler func(*Conn) Handler) func(*Conn) Handler {
	if cfg.TLS == nil && cfg.WebSocket == nil {
		return newHandler
	}
	return func(c *Conn) Handler {
		c.wire = &wire{conn: c}
		return &exit{cfg: cfg, h: newHandler(c)}
	}
}

// exit is the handler of a connection that we have made, until its layers stand: the
// entrance's counterpart.
type exit struct {
	cfg *DialConfig
	h   Handler // who gets the connection
	key string  // Sec-WebSocket-Key
}

// OnOpen implements Handler: the socket is connected.
func (e *exit) OnOpen(c *Conn) {
	c.SetTimer(openTimeout)
	c.filtered = true // nothing has been put out yet
	if e.cfg.TLS == nil {
		e.afterTLS(c)
		return
	}
	w := c.wire
	w.hs = &handshake{
		wire: w, pool: c.loop.engine.handshakes, remote: c.RemoteAddr(),
		then: func(err error, rest []byte) { e.shaken(c, err, rest) },
	}
	w.hs.pool.places.begin()
	w.tls = tls.Client(&tlsSocket{wire: w}, e.cfg.TLS)
	w.hs.start()
}

// shaken goes on after the TLS handshake, with bytes that have come since.
func (e *exit) shaken(c *Conn, err error, rest []byte) {
	if err != nil {
		c.Close(fmt.Errorf("TLS handshake: %w", err))
		return
	}
	e.afterTLS(c)
	c.wire.received(rest, 0)
}

// afterTLS asks for the WebSocket, or is done.
func (e *exit) afterTLS(c *Conn) {
	if e.cfg.WebSocket == nil {
		e.open(c, nil)
		return
	}
	var nonce [16]byte
	rand.Read(nonce[:]) // never fails
	e.key = base64.StdEncoding.EncodeToString(nonce[:])
	c.mu.Lock()
	c.wire.lead = e.cfg.WebSocket.request(e.key)
	c.mu.Unlock()
	c.wire.flush()
}

// OnData implements Handler: it reads the answer to the request.
func (e *exit) OnData(c *Conn, data []byte) (consumed int) {
	n, err := checkUpgraded(data, e.key)
	switch {
	case err != nil:
		c.Close(err)
		return 0
	case n == 0:
		return 0
	}
	c.mu.Lock()
	c.wire.ws = &webSocket{client: true}
	c.mu.Unlock()
	e.open(c, data[n:])
	return len(data)
}

func (e *exit) open(c *Conn, data []byte) {
	c.SetTimer(0)
	c.hand(e.h, data)
}

// hand gives the connection to h, with bytes of it that have come.
func (c *Conn) hand(h Handler, data []byte) {
	if c.wire.ws == nil {
		c.handDecoded(h, data)
		return
	}
	c.handDecoded(h, nil)
	if !c.ended {
		c.decoded(data)
	}
}

// handDecoded is hand, for what has come out of the filters.
func (c *Conn) handDecoded(h Handler, data []byte) {
	if w := c.wire; !c.filtered && w.remote == nil && w.release == nil {
		c.wire = nil // an idle connection has nothing that it does not need
	}
	c.h = h
	c.opened()
	if !c.ended {
		c.plaintext(data, 0)
	}
}

// decoded takes data of a WebSocket that has just been opened.
func (c *Conn) decoded(data []byte) {
	n, err := c.wire.ws.take(c.wire, data)
	if err != nil { // else the end of TLS may have come behind data
		c.wire.err = err
	}
	c.plaintext(data[:n], 0)
	c.wire.conclude()
}

// OnWritable implements Handler.
func (e *exit) OnWritable(*Conn) {}

// OnTimer implements Handler.
func (e *exit) OnTimer(c *Conn) {
	c.finish(fmt.Errorf("open connection: %w", os.ErrDeadlineExceeded))
}

// OnShutdown implements Handler.
func (e *exit) OnShutdown(c *Conn) { c.finish(ErrShutdown) }

// OnClose implements Handler. It is the last call of the handler that has not had any.
func (e *exit) OnClose(c *Conn, err error) {
	if hs := c.wire.hs; hs != nil {
		hs.abort(err)
	}
	e.h.OnClose(c, err)
}
