package netloop

import (
	"crypto/tls"
	"net"
	"net/netip"
	"slices"
)

// ListenConfig says what a listener's connections get through before OnOpen.
// Layers that are nil are left out:
//
//	Admit → PROXY header → TLS → WebSocket → NewHandler
//
// With Sniff, TLS and WebSocket are what a client may use instead of having to,
// and the protocol is found out again within TLS. All of it together may take
// ten seconds. A connection that does not get through is closed, and
// its handler is never made.
type ListenConfig struct {
	// NewHandler makes the handler of a connection. Without any layer it is called on
	// an unspecified goroutine, before OnOpen, and must not use the connection;
	// else on the connection's loop, when OnOpen is next.
	NewHandler func(*Conn) Handler
	// OnError, if not nil, is told of each accept error. The listener backs off
	// and goes on, so that a node out of descriptors serves those it has.
	OnError func(error)
	// OnUnopened, if not nil, is told of each connection that has ended before OnOpen, but for those that a shutdown
	// ends, and why. It is called on the connection's loop and must not block.
	OnUnopened func(*Conn, error)
	// Admit, if not nil, is asked before any byte is read whether the address,
	// zero for a Unix socket, may connect. If so, release, unless it is nil, is
	// called once when the connection has ended. Of connections from Proxy it is
	// asked once their header has named the client. It is called on the goroutine
	// that accepts or on a loop, and must not block; release too.
	Admit func(netip.Addr) (release func(), ok bool)
	// Proxy are the addresses of proxies that begin each connection with a PROXY
	// header, version 1 or 2, and are believed: RemoteAddr is whom it names. From
	// these a connection without header is closed; from others none is looked
	// for. If there are any, the peers of a Unix listener count as proxies.
	Proxy []netip.Prefix
	// TLS, if not nil, is the configuration of TLS. Versions below 1.2 are
	// refused. Without NextProtos ALPN offers mqtt, and http/1.1 for WebSockets and Requests.
	// GetConfigForClient or GetCertificate change certificates at run time; they
	// are called on a goroutine of the handshake and hold up other handshakes. A
	// client may send 20 KiB until its handshake is done, and 100 KiB more if ClientAuth
	// here asks for certificates: set it also if GetConfigForClient has its own.
	TLS *tls.Config
	// WebSocket, if not nil, says which requests for a WebSocket are granted.
	WebSocket *WebSocketConfig
	// Sniff, if not nil, are the protocols that are told apart by their first
	// bytes, the first that matches; TLS and WebSocket, if configured, come before
	// them.
	Sniff []Protocol
	// Requests, if not nil, are protocols that begin as HTTP requests do. They are told apart before those
	// for WebSockets, and with Sniff or without; what begins like neither is closed.
	Requests []Protocol
	// RequireTLS has TLS come before Sniff instead of being one of the choices.
	RequireTLS bool
	// Bare, if not nil, are the protocols spoken in WebSockets that are asked for
	// at the path / without a subprotocol. They are told apart as Sniff says, by the
	// first bytes within. It adds to WebSocket, or does without.
	Bare []Protocol
	// Origins are the web sites whose pages may ask for a WebSocket, with MQTT or
	// Bare, as browsers name them: https://example.org. Requests without Origin,
	// from other clients than browsers, are granted. nil does not look at it.
	Origins []string
}

// Names of the protocols that sniffing finds besides ListenConfig.Sniff.
const (
	protocolTLS  = "\x00tls"
	protocolHTTP = "\x00http"
)

// Listen is ListenWith for plain connections.
func (e *Engine) Listen(ln net.Listener, newHandler func(*Conn) Handler, onError func(error)) (*Listener, error) {
	return e.ListenWith(ln, ListenConfig{NewHandler: newHandler, OnError: onError})
}

// prepare derives from the configuration what connections need.
func (l *Listener) prepare() {
	cfg := &l.cfg
	l.plain = cfg.Admit == nil && cfg.Proxy == nil && cfg.TLS == nil && !cfg.webSockets() && !cfg.sniffs()
	if cfg.TLS != nil {
		protos := []string{"mqtt"}
		if cfg.webSockets() || cfg.Requests != nil {
			protos = append(protos, "http/1.1") // what browsers offer for wss
		}
		l.tls = (&tlsConfigs{protos: protos}).root(cfg.TLS)
	}
	l.sniffed = make(map[bool][]Protocol)
	for _, inTLS := range []bool{false, true} {
		var ps []Protocol
		if cfg.TLS != nil && !inTLS && !cfg.RequireTLS {
			ps = append(ps, Protocol{Name: protocolTLS, Match: matchTLS})
		}
		ps = append(ps, cfg.Requests...)
		if cfg.webSockets() {
			ps = append(ps, Protocol{Name: protocolHTTP, Match: matchHTTP})
		}
		l.sniffed[inTLS] = append(ps, cfg.Sniff...)
	}
}

// webSockets tells whether there may be any.
func (cfg *ListenConfig) webSockets() bool { return cfg.WebSocket != nil || cfg.Bare != nil }

// sniffs tells whether protocols are told apart.
func (cfg *ListenConfig) sniffs() bool { return cfg.Sniff != nil || cfg.Requests != nil }

// admit asks Admit, if there is one.
func (l *Listener) admit(addr netip.Addr) (release func(), ok bool) {
	if l.cfg.Admit == nil {
		return nil, true
	}
	release, ok = l.cfg.Admit(addr)
	if !ok {
		l.engine.notAdmitted.Add(1)
	}
	return release, ok
}

// isProxy tells whether the connections of addr begin with a PROXY header.
func (l *Listener) isProxy(addr netip.Addr) bool {
	if !addr.IsValid() {
		return len(l.cfg.Proxy) > 0
	}
	return slices.ContainsFunc(l.cfg.Proxy, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// take decides upon a connection that has been accepted: it returns what makes
// its first handler, and what to call if there will be no connection.
func (l *Listener) take(addr netip.Addr) (newHandler func(*Conn) Handler, release func(), ok bool) {
	if l.plain {
		return l.cfg.NewHandler, nil, true
	}
	proxy := l.isProxy(addr)
	if !proxy {
		if release, ok = l.admit(addr); !ok {
			return nil, nil, false
		}
	}
	return func(c *Conn) Handler {
		c.wire = &wire{conn: c, release: release}
		en := &entrance{ln: l, addr: addr, newHandler: l.cfg.NewHandler}
		if en.stage = en.afterProxy(); proxy {
			en.stage = stageProxy
		}
		if en.stage == stageOpen { // nothing but Admit
			return l.cfg.NewHandler(c)
		}
		return en
	}, release, true
}
