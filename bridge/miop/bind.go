package miop

import (
	"crypto/rand"
	"hash/fnv"
	"io"
	"strings"
	"time"

	"github.com/holdfast-mqtt/holdfast/bridge"
	"github.com/holdfast-mqtt/holdfast/bridge/miop/packet"
	"github.com/holdfast-mqtt/holdfast/broker"
)

// bind is a user of an app on a connection, with a Session of its own. It is the Session's Link.
type bind struct {
	// fixed once messages flow
	c         *conn
	appID     uint32
	keepAlive uint32 // t in seconds
	version   packet.Version
	layout    packet.Layout
	sum       uint16 // of the Client Identifier, for message ids
	window    uint16 // messages that may be on their way and not acknowledged, of the profile or the broker, whichever lets fewer
	user      string // before the @ of u

	// owned by the loop
	watching bool // the window was full of late; see conn.look
	replaced bool // another bind of this connection takes its place
	gone     bool // it is none of the connection's any more
	session  *broker.Session
	epoch    uint64
	rights   *rights       // nil if nobody is asked what the client may do
	acked    time.Duration // loop time of the last acknowledgement, while watching
	meter    *broker.Meter // how fast the client publishes, once metered; nil if it has no limit
	metered  bool
	ended    error // why the broker has ended it, before the client knows that it is bound

	// guarded by conn.mu
	inFlight int  // Msgs that are not acknowledged: 0 <= inFlight <= window
	watched  bool // the loop knows that the window was full
	dropped  bool // what it is still given is not remembered: the Session is about to be told that it is gone
}

// u is what names the bind: user@appid.
func (b *bind) u() string { return string(packet.AppendUser(nil, b.user, b.appID)) }

// find returns the bind of an appid, or nil.
func (c *conn) find(appID uint32) *bind {
	for _, b := range c.binds {
		if b.appID == appID {
			return b
		}
	}
	return nil
}

// drop takes a bind out of the connection's, with what it has in flight.
func (c *conn) drop(b *bind) {
	b.gone = true
	kept := make([]*bind, 0, len(c.binds))
	for _, o := range c.binds {
		if o != b {
			kept = append(kept, o)
		}
	}
	c.binds = kept
	c.mu.Lock()
	defer c.mu.Unlock()
	b.dropped = true
	flights := c.flights[:0]
	for _, f := range c.flights {
		if f.bind != b {
			flights = append(flights, f)
		}
	}
	clear(c.flights[len(flights):])
	c.flights = flights
}

// clientIDOf is the Client Identifier of a user.
func clientIDOf(user string) string { return "m:" + bridge.Escape(user) }

// besideID is a Client Identifier that nobody else has, for a Session beside that of clientID.
func besideID(clientID string) string { return clientID + ":" + strings.ToLower(rand.Text()) }

// sumOf tells Client Identifiers apart in message ids.
func sumOf(clientID string) uint16 {
	h := fnv.New32a()
	_, _ = io.WriteString(h, clientID)
	s := h.Sum32()
	return uint16(s ^ s>>16)
}

// messageID is the id of a delivery: unique in the App, and the same when it is repeated.
func (b *bind) messageID(d *broker.Delivery) uint64 {
	if d.Seq != 0 {
		return d.Seq<<16 | uint64(b.sum)
	}
	return lastID.Add(1)
}
