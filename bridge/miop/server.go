package miop

import (
	"sync/atomic"
	"time"

	"github.com/holdfast-mqtt/holdfast/bridge"
	"github.com/holdfast-mqtt/holdfast/bridge/miop/packet"
	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/login"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

// Server makes handlers for Network Connections that speak MIOP.
type Server struct {
	cfg    Config
	broker *broker.Broker
	loops  []*loopState
	stats  serverStats
	logins *login.Pool  // of its own; nil if it has none
	legacy bool         // versions 0-4 may come
	apps   *bridge.Apps // that are named after their appid
}

// loopState is what the connections of one loop share.
type loopState struct {
	srv     *Server
	scratch *broker.Scratch
	msg     broker.Message
	pub     broker.Publish
	props   []byte
	up      *upload                       // of the publish that is going on, once it is deferred
	frames  [packet.Opcodes]atomic.Uint64 // received, by kind
}

// NewServer returns a server whose connections run on the loops of e. Stop ends it.
func NewServer(cfg Config, e *netloop.Engine) *Server {
	srv := &Server{cfg: cfg.withDefaults(), broker: cfg.Broker, legacy: cfg.legacy()}
	srv.apps = bridge.NewApps(srv.cfg.MaxApps)
	lastID.CompareAndSwap(0, timeIDs(srv.broker.Clock().Now()))
	for _, l := range e.Loops() {
		srv.loops = append(srv.loops, &loopState{srv: srv, scratch: srv.broker.NewScratch(l)})
	}
	if srv.cfg.Logins == nil {
		srv.logins = login.NewPool(login.Config{})
		srv.cfg.Logins = srv.logins
	}
	return srv
}

// Stop ends what the server does by itself. Connections are the engine's: see netloop.Engine.Shutdown.
func (srv *Server) Stop() {
	if srv.logins != nil {
		srv.logins.Stop()
	}
}

// HandlerOf returns a function that makes the handlers of a listener's connections. It fits netloop.ListenConfig and
// netloop.Protocol. from may be nil; its App is for appids whose Profile names none, and empty gives each an App of its own.
func (srv *Server) HandlerOf(from *login.Listener) func(*netloop.Conn) netloop.Handler {
	return func(nc *netloop.Conn) netloop.Handler {
		return &conn{nc: nc, ls: srv.loops[nc.Loop().Index()], from: from}
	}
}

// Match recognises MIOP by a connection's first bytes, for netloop.Protocol: a frame that clients begin with, of versions 0
// to 4 only if they are let in.
func (srv *Server) Match(prefix []byte) netloop.Match {
	return match(prefix, srv.legacy)
}

// match is Server.Match.
func match(b []byte, legacy bool) netloop.Match {
	if _, _, err := packet.ReadFrame(b); err != nil {
		return netloop.MatchNo
	}
	if len(b) < 2 {
		return netloop.MatchMore
	}
	switch plain := !packet.Version(b[1]).HasOpcode(); {
	case plain && !legacy:
		return netloop.MatchNo
	case plain && len(b) < 8, !plain && len(b) < 4:
		return netloop.MatchMore
	case plain && b[4]|b[5]|b[6]|b[7] != 0: // no first frame has data
		return netloop.MatchNo
	case !plain && !mayBegin(packet.Opcode(b[3])): // an opcode above 255 has been refused
		return netloop.MatchNo
	}
	return netloop.MatchYes
}

// mayBegin tells whether clients begin with such a frame.
func mayBegin(k packet.Opcode) bool {
	return k == packet.Ping || k == packet.Bind || k == packet.Rebind || k == packet.Handshake
}

// lastID is the message id of the last message that was in no mailbox, of all Servers: a client may come to one after the other.
var lastID atomic.Uint64

// idSpace sets ids made of the time apart from those made of mailbox numbers.
const idSpace = 1 << 62

// timeIDs is where ids begin that are made of the time, at now: there is room for a million in each millisecond, so that a
// server which starts again does not repeat any.
func timeIDs(now time.Time) uint64 {
	return idSpace | uint64(max(now.UnixMilli(), 0))<<20&(idSpace-1)
}
