package miop

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/holdfast-mqtt/holdfast/bridge/miop/packet"
)

// fault is a way in which a client breaks the protocol that the codec does not see. It is an error.
type fault uint8

const (
	faultOrder     fault = iota // a frame that does not belong here
	faultDirection              // a frame that only servers send
	faultVersion                // a change between versions with and without opcodes
	faultLegacy                 // versions 0-4, which are not let in
	faultAck                    // an upload's ack that leaves no room in the answer
	faultSize                   // too large a frame before there is a bind
	faultBinds                  // bind after bind
	faults
)

var faultTexts = [faults]struct{ name, text string }{
	faultOrder:     {"order", "frame does not belong here"},
	faultDirection: {"direction", "only servers send this frame"},
	faultVersion:   {"version_change", "version changes on the connection"},
	faultLegacy:    {"legacy", "versions 0 to 4 are not let in"},
	faultAck:       {"ack_size", "ack is too long to be answered"},
	faultSize:      {"size", "frame is too large without a bind"},
	faultBinds:     {"binds", "too many binds on one connection"},
}

// Error returns what is wrong, in words.
func (f fault) Error() string { return faultTexts[f].text }

// uncertain is something of which nobody knows for sure what it means, or whether any client sends it.
type uncertain uint8

const (
	uncertainC          uncertain = iota // prop c of a bind
	uncertainAuthType                    // prop authtype
	uncertainRebind                      // Rebind
	uncertainHandshake                   // Handshake
	uncertainUpload                      // UploadData
	uncertainUploadUser                  // UploadData without u
	uncertainLegacy                      // a bind of versions 0-4
	uncertainUnbindAll                   // Unbind without u
	uncertainAckNone                     // MsgAck without a number, or with 0
	uncertainAckUnknown                  // MsgAck of what is not in flight
	uncertains
)

var uncertainNames = [uncertains]string{
	uncertainC: "bind_c", uncertainAuthType: "bind_authtype", uncertainRebind: "rebind", uncertainHandshake: "handshake",
	uncertainUpload: "upload", uncertainUploadUser: "upload_without_user", uncertainLegacy: "bind_legacy",
	uncertainUnbindAll: "unbind_all", uncertainAckNone: "ack_none", uncertainAckUnknown: "ack_unknown",
}

type serverStats struct {
	binds           atomic.Uint64
	refused         atomic.Uint64
	unauthenticated atomic.Uint64
	tooManyApps     atomic.Uint64
	overloaded      atomic.Uint64
	timeouts        atomic.Uint64
	unacknowledged  atomic.Uint64
	denied          atomic.Uint64
	uploads         atomic.Uint64
	uploadsRefused  atomic.Uint64
	authTime        atomic.Uint64
	codecFaults     [packet.Faults]atomic.Uint64
	faults          [faults]atomic.Uint64
	uncertain       [uncertains]atomic.Uint64
}

// Stats are counters of a Server since its start.
type Stats struct {
	Binds           uint64 // accepted, Rebinds included
	Refused         uint64 // answered with another r than 0
	Unauthenticated uint64 // of these, clients that are not who they say
	TooManyApps     uint64 // likewise, clients of appids for which no further App may be made
	Overloaded      uint64 // connections closed without an answer to a bind, because of load or a fault of the node
	Timeouts        uint64 // connections closed because too little came
	Unacknowledged  uint64 // connections closed because nothing was acknowledged
	Denied          uint64 // uploads that clients may not make
	Uploads         uint64 // accepted
	UploadsRefused  uint64 // answered with r:1

	AuthTime  time.Duration          // that authentication has taken, of all clients together
	Frames    [packet.Opcodes]uint64 // received, by packet.Frame.Kind
	Malformed map[string]uint64      // connections closed because the client broke the protocol, by how
	Uncertain map[string]uint64      // what is not known for sure, by what it is
}

// Stats returns the server's counters.
func (srv *Server) Stats() Stats {
	s := &srv.stats
	st := Stats{
		Binds: s.binds.Load(), Refused: s.refused.Load(), Unauthenticated: s.unauthenticated.Load(),
		TooManyApps: s.tooManyApps.Load(), Overloaded: s.overloaded.Load(), Timeouts: s.timeouts.Load(), Unacknowledged: s.unacknowledged.Load(),
		Denied: s.denied.Load(), Uploads: s.uploads.Load(), UploadsRefused: s.uploadsRefused.Load(),
		AuthTime:  time.Duration(s.authTime.Load()),
		Malformed: make(map[string]uint64), Uncertain: make(map[string]uint64),
	}
	for f := range s.codecFaults {
		st.Malformed[packet.Fault(f).Name()] = s.codecFaults[f].Load()
	}
	for f := range s.faults {
		st.Malformed[faultTexts[f].name] = s.faults[f].Load()
	}
	for u := range s.uncertain {
		st.Uncertain[uncertainNames[u]] = s.uncertain[u].Load()
	}
	for _, ls := range srv.loops {
		for k := range ls.frames {
			st.Frames[k] += ls.frames[k].Load()
		}
	}
	return st
}

func count(n *atomic.Uint64) { n.Add(1) }

// wonder counts and logs something uncertain.
func (c *conn) wonder(u uncertain) {
	count(&c.ls.srv.stats.uncertain[u])
	log := c.ls.srv.cfg.Logger
	if !log.Enabled(context.Background(), slog.LevelDebug) { // some of it comes with each message
		return
	}
	log.Debug("miop_uncertain", "what", uncertainNames[u], "remote", c.nc.RemoteAddr())
}
