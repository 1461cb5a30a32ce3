package ximp

import (
	"sync/atomic"

	"github.com/holdfast-mqtt/holdfast/bridge"
	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/login"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

// Server makes handlers for Network Connections that speak XIMP.
type Server struct {
	cfg       Config
	broker    *broker.Broker
	loops     []*loopState
	logins    *login.Pool  // of its own; nil if it has none
	apps      *bridge.Apps // that are named after their number
	takeovers takeovers
	rooms     *roomBook
	desk      *roomDesk // nil without hooks of rooms
	stats     serverStats
}

type serverStats struct {
	logins, refused, malformed, timeouts, denied, unauthenticated, turnedAway atomic.Uint64
	pulls, rings, uplinks, uplinksRefused, roomMessages, dropped              atomic.Uint64
	joinsAdmitted, joinsRefused, joinsFailed, joinsOverflow                   atomic.Uint64
	quitsTold, quitsFailed, quitsLost                                         atomic.Uint64
	tooManyApps, tooMany                                                      atomic.Uint64
	kept, keptEvicted, keptTooLarge, keptFound, keptGone, withdrawn           atomic.Uint64
	numberJumped, publicDropped                                               atomic.Uint64
}

// Stats are counters of a Server since its start.
type Stats struct {
	Logins          uint64 // LoginReq accepted
	Refused         uint64 // errors that closed a connection
	Malformed       uint64 // connections closed because of what cannot be read
	Timeouts        uint64 // connections closed because nothing was heard
	TooMany         uint64 // connections closed because of too many packets a minute; they are in Refused, too
	Denied          uint64 // messages and rooms that the Authorizer has denied
	Unauthenticated uint64 // clients that are not who they say
	Overloaded      uint64 // clients that were told to log in later, since there is too much to do
	TooManyApps     uint64 // clients of numbers for which no further App may be made
	Pulls           uint64 // GetInfo answered
	Rings           uint64 // doorbells
	Uplinks         uint64 // messages published
	UplinksRefused  uint64 // messages that could not be published
	RoomMessages    uint64 // messages of rooms that were sent to clients
	Dropped         uint64 // messages of rooms for which a connection had no room
	JoinsAdmitted   uint64 // joins that the RoomAdmitter has allowed
	JoinsRefused    uint64 // that it has refused
	JoinsFailed     uint64 // about which it has said nothing, or nothing in time
	JoinsOverflow   uint64 // about which it was not asked, since too many waited
	QuitsTold       uint64 // of which the RoomQuitObserver was told
	QuitsFailed     uint64 // of which it could not be told
	QuitsLost       uint64 // of which it was not told, since too many waited or the Server has ended
	Kept            uint64 // messages of rooms that were kept
	KeptEvicted     uint64 // that had to make room for others
	KeptTooLarge    uint64 // messages with a number that were not kept, since they are too large or none are
	KeptFound       uint64 // messages of rooms that clients asked for and got
	KeptGone        uint64 // that they asked for and that were not there
	NumberJumped    uint64 // messages that were taken without their number, which was too far ahead
	KeptBytes       int    // what is kept, now
	PublicDropped   uint64 // messages of public that web clients have not asked for and that had to make room for others
	Withdrawn       uint64 // messages in inboxes that a recall has hidden
}

// loopState is what the connections of one loop share.
type loopState struct {
	srv     *Server
	loop    *netloop.Loop
	scratch *broker.Scratch
	out     []byte // a packet that is being made
	props   []byte // properties of msg
	msg     broker.Message
	pub     broker.Publish
	zipped  zipCache
}

// NewServer returns a server whose connections run on the loops of e. Stop ends it.
func NewServer(cfg Config, e *netloop.Engine) *Server {
	srv := &Server{cfg: cfg.withDefaults(), broker: cfg.Broker}
	srv.apps = bridge.NewApps(srv.cfg.MaxApps)
	for _, l := range e.Loops() {
		srv.loops = append(srv.loops, &loopState{srv: srv, loop: l, scratch: srv.broker.NewScratch(l)})
	}
	if srv.cfg.Logins == nil && srv.cfg.Authenticator != nil {
		srv.logins = login.NewPool(login.Config{})
		srv.cfg.Logins = srv.logins
	}
	srv.rooms, srv.desk = newRoomBook(srv), newRoomDesk(srv)
	return srv
}

// Stop has nobody log in any more. Connections are the engine's: see netloop.Engine.Shutdown.
func (srv *Server) Stop() {
	if srv.logins != nil {
		srv.logins.Stop()
	}
}

// Close ends what the server does by itself, once its connections have ended. It blocks for a moment while hooks are told of them.
func (srv *Server) Close() {
	srv.desk.close()
	srv.rooms.stop()
}

// HandlerOf returns a function that makes the handlers of a listener's connections. from may be nil.
func (srv *Server) HandlerOf(from *Listener) func(*netloop.Conn) netloop.Handler {
	return func(nc *netloop.Conn) netloop.Handler {
		return &conn{nc: nc, ls: srv.loops[nc.Loop().Index()], from: from}
	}
}

// Match is what XIMP makes of a connection's first bytes, in its binary form. It fits netloop.Protocol.
func Match(prefix []byte) netloop.Match {
	yes, more := packet.Match(prefix)
	switch {
	case yes:
		return netloop.MatchYes
	case more:
		return netloop.MatchMore
	}
	return netloop.MatchNo
}

// MatchText is Match for the text form, which there is in WebSocket only.
func MatchText(prefix []byte) netloop.Match {
	yes, more := packet.MatchText(prefix)
	switch {
	case yes:
		return netloop.MatchYes
	case more:
		return netloop.MatchMore
	}
	return netloop.MatchNo
}

// Stats returns the server's counters.
func (srv *Server) Stats() Stats {
	st := &srv.stats
	return Stats{
		Logins: st.logins.Load(), Refused: st.refused.Load(), Malformed: st.malformed.Load(), Timeouts: st.timeouts.Load(), TooMany: st.tooMany.Load(),
		Denied: st.denied.Load(), Unauthenticated: st.unauthenticated.Load(), Overloaded: st.turnedAway.Load(),
		TooManyApps: st.tooManyApps.Load(), Pulls: st.pulls.Load(), Rings: st.rings.Load(),
		Uplinks: st.uplinks.Load(), UplinksRefused: st.uplinksRefused.Load(), RoomMessages: st.roomMessages.Load(),
		Dropped: st.dropped.Load(), JoinsAdmitted: st.joinsAdmitted.Load(), JoinsRefused: st.joinsRefused.Load(),
		JoinsFailed: st.joinsFailed.Load(), JoinsOverflow: st.joinsOverflow.Load(), QuitsTold: st.quitsTold.Load(),
		QuitsFailed: st.quitsFailed.Load(), QuitsLost: st.quitsLost.Load(), Kept: st.kept.Load(), KeptEvicted: st.keptEvicted.Load(),
		KeptTooLarge: st.keptTooLarge.Load(), KeptFound: st.keptFound.Load(), KeptGone: st.keptGone.Load(), KeptBytes: srv.rooms.size(),
		Withdrawn: st.withdrawn.Load(), NumberJumped: st.numberJumped.Load(), PublicDropped: st.publicDropped.Load(),
	}
}

func count(n *atomic.Uint64) { n.Add(1) }
