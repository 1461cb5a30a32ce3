package login

import (
	"crypto/x509"
	"net"
	"net/netip"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

// Listener is where connections come in. It must not change once there are any. nil is one that says nothing.
type Listener struct {
	// App is the product of clients for which authentication names no other; empty is broker.DefaultApp, or what
	// the protocol has for it.
	App string
	// URL names the listener to hooks, without options.
	URL string
	// Certificate returns the verified certificate of a client; nil if none of this listener's has any.
	Certificate func(*netloop.Conn) *x509.Certificate
}

// AppOf is the name of a client's App: what authentication says, else the listener's, else otherwise. id may be nil.
func (l *Listener) AppOf(id *broker.Identity, otherwise string) string {
	switch {
	case id != nil && id.App != "":
		return id.App
	case l != nil && l.App != "":
		return l.App
	}
	return otherwise
}

// Name is the listener's URL, empty for nil.
func (l *Listener) Name() string {
	if l == nil {
		return ""
	}
	return l.URL
}

// Request begins what hooks are told of a client: what its connection and the listener say. Only for use on the
// connection's loop.
func (l *Listener) Request(nc *netloop.Conn) broker.ConnectRequest {
	r := broker.ConnectRequest{App: l.AppOf(nil, broker.DefaultApp), Remote: Remote(nc), Listener: l.Name()}
	if l != nil && l.Certificate != nil {
		r.Certificate = l.Certificate(nc)
	}
	return r
}

// Remote is the address of a connection's peer, or of whom a trusted proxy names, as IPv4 where it is one. It is not
// valid for a Unix socket.
func Remote(nc *netloop.Conn) netip.AddrPort {
	if t, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		ap := t.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	return netip.AddrPort{}
}
