package mqtt

import (
	"sync/atomic"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/login"
	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

// Server makes handlers for Network Connections that speak MQTT.
type Server struct {
	cfg    Config
	app    *broker.App
	broker *broker.Broker
	loops  []*loopState
	stats  serverStats
	logins *login.Pool // of its own; nil if it has none
	sys    *sysTopics  // nil when there are no $SYS topics

	methods map[string]broker.EnhancedAuthenticator
}

type serverStats struct {
	connects        atomic.Uint64 // CONNECT accepted
	refused         atomic.Uint64 // CONNECT refused
	malformed       atomic.Uint64 // connections closed for a protocol error
	timeouts        atomic.Uint64 // connections closed for Keep Alive or a missing CONNECT
	denied          atomic.Uint64 // what the Authorizer has denied
	authenticated   atomic.Uint64 // CONNECT or AUTH whose client is who it says
	unauthenticated atomic.Uint64 // CONNECT or AUTH refused because the client is not who it says
	authErrors      atomic.Uint64 // of these, those for which a hook had an error
	authTime        atomic.Uint64 // ns that hooks have taken to authenticate
}

// loopState is what the connections of one loop share.
type loopState struct {
	srv     *Server
	loop    *netloop.Loop
	scratch *broker.Scratch
	in      packet.Publish
	msg     broker.Message
	pub     broker.Publish
	packets [16]atomic.Uint64 // received, by packet type

	decisions decisions
}

// NewServer returns a server whose connections run on the loops of e.
// Stop ends it.
func NewServer(cfg Config, e *netloop.Engine) *Server {
	srv := &Server{cfg: cfg.withDefaults(), broker: cfg.Broker}
	srv.app = srv.broker.App(broker.DefaultApp)
	for _, l := range e.Loops() {
		srv.loops = append(srv.loops, &loopState{
			srv: srv, loop: l, scratch: srv.broker.NewScratch(l),
		})
	}
	srv.methods = make(map[string]broker.EnhancedAuthenticator, len(srv.cfg.Enhanced))
	for _, m := range srv.cfg.Enhanced {
		srv.methods[m.Method()] = m
	}
	if srv.cfg.Logins == nil && (srv.cfg.Authenticator != nil || len(srv.cfg.Enhanced) > 0) {
		srv.logins = login.NewPool(login.Config{})
		srv.cfg.Logins = srv.logins
	}
	if srv.cfg.SysInterval > 0 {
		srv.sys = beginSysTopics(srv)
	}
	return srv
}

// Stop ends what the server does by itself. Connections are the engine's: see
// netloop.Engine.Shutdown. It must be called once.
func (srv *Server) Stop() {
	if srv.sys != nil {
		srv.sys.end()
	}
	if srv.logins != nil {
		srv.logins.Stop()
	}
}

// appOf is the App of a client.
func (srv *Server) appOf(from *login.Listener, id *broker.Identity) *broker.App {
	name := from.AppOf(id, broker.DefaultApp)
	if name == broker.DefaultApp {
		return srv.app
	}
	return srv.broker.App(name)
}

// HandlerOf returns a function that makes the handlers of a listener's connections, as NewHandler does.
func (srv *Server) HandlerOf(from *login.Listener) func(*netloop.Conn) netloop.Handler {
	return func(nc *netloop.Conn) netloop.Handler {
		return &conn{nc: nc, ls: srv.loops[nc.Loop().Index()], who: &who{login: &newcomer{from: from}}}
	}
}

// NewHandler makes the handler of a connection. It fits netloop.Engine.Listen.
func (srv *Server) NewHandler(nc *netloop.Conn) netloop.Handler {
	return &conn{nc: nc, ls: srv.loops[nc.Loop().Index()]}
}

// Stats are counters of a Server since its start.
type Stats struct {
	Connects  uint64 // CONNECT packets accepted
	Refused   uint64 // CONNECT packets refused
	Malformed uint64 // connections closed because the client broke the protocol
	Timeouts  uint64 // connections closed for Keep Alive or a missing CONNECT
	Denied    uint64 // messages, Topic Filters and Wills that the Authorizer has denied

	Authenticated   uint64        // clients that are who they say
	Unauthenticated uint64        // clients that are not
	AuthErrors      uint64        // of these, those for which a hook had an error: a bad token, a service that is down
	AuthTime        time.Duration // that authentication has taken, of all clients together
	Packets         [16]uint64    // packets received, by packet type
}

// Stats returns the server's counters.
func (srv *Server) Stats() Stats {
	st := Stats{
		Connects:  srv.stats.connects.Load(),
		Refused:   srv.stats.refused.Load(),
		Malformed: srv.stats.malformed.Load(),
		Timeouts:  srv.stats.timeouts.Load(),
		Denied:    srv.stats.denied.Load(),

		Authenticated:   srv.stats.authenticated.Load(),
		Unauthenticated: srv.stats.unauthenticated.Load(),
		AuthErrors:      srv.stats.authErrors.Load(),
		AuthTime:        time.Duration(srv.stats.authTime.Load()),
	}
	for _, ls := range srv.loops {
		for t := range ls.packets {
			st.Packets[t] += ls.packets[t].Load()
		}
	}
	return st
}
