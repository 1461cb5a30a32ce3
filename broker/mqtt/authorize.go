package mqtt

import (
	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
	"github.com/holdfast-mqtt/holdfast/broker/topic"
)

// Authorizer decides what clients may do. What it denies is told to MQTT 5 clients as
// 0x87 Not authorized. MQTT 3 has a return code for CONNECT and SUBSCRIBE only:
// a message that is denied is acknowledged there and goes nowhere, for a
// client that were let go instead would send it again for ever.
type Authorizer interface {
	// Authorize tells whether a client may do what a says. It is called on the
	// connection's loop, by many loops at once, and must not block. Strings in a
	// are valid during the call only.
	Authorize(a Access) bool
}

// Action is what a client wants to do with a topic.
type Action uint8

// Actions.
const (
	// Publish sends a message. A Will is asked about at CONNECT, and not again when it is
	// published.
	Publish Action = iota + 1
	// Subscribe is asked about once for each Topic Filter of a SUBSCRIBE.
	Subscribe
)

// Access is what an Authorizer is asked about.
type Access struct {
	App      string // the client's product; broker.DefaultApp where nothing tells another
	ClientID string // assigned by the server if the client has named none
	User     string // User Name of CONNECT, which nobody has verified; empty if there is none
	Action   Action
	// Topic is the Topic Name to Publish to, by whatever alias it was named. To
	// Subscribe it is the Topic Filter, without the $share/ShareName/ of a Shared
	// Subscription, which opens no other messages to the client.
	Topic  string
	QoS    packet.QoS // of the message, or the most that is asked for
	Retain bool       // the message is to be retained; false for Subscribe
}

// accessOf is what all requests of a client have in common, nil if nobody is to
// be asked. Idle connections need not keep it then.
func (srv *Server) accessOf(p *packet.Connect, clientID string) *Access {
	if srv.cfg.Authorizer == nil {
		return nil
	}
	return &Access{App: broker.DefaultApp, ClientID: clientID, User: p.Username}
}

// allows asks the Authorizer, and counts what is denied.
func (c *conn) allows(action Action, name string, qos packet.QoS, retain bool) bool {
	if c.access == nil {
		return true
	}
	a := *c.access
	a.Action, a.Topic, a.QoS, a.Retain = action, name, qos, retain
	if c.ls.srv.cfg.Authorizer.Authorize(a) {
		return true
	}
	count(&c.ls.srv.stats.denied)
	return false
}

// allowsFilter is allows for a Topic Filter that has been validated.
func (c *conn) allowsFilter(filter string, qos packet.QoS) bool {
	_, rest, _, err := topic.ParseShared(filter)
	return err == nil && c.allows(Subscribe, rest, qos, false)
}

// denyPublish answers a message that the client may not publish. For MQTT 5 a
// QoS 2 exchange is over with 0x87: v5 4.3.3. For MQTT 3 it is acknowledged,
// v3.1.1 [MQTT-3.3.5-2], and not remembered: repeating it has the same answer.
func (c *conn) denyPublish(id packet.PacketID, qos packet.QoS) {
	if qos == packet.AtMostOnce {
		return
	}
	a := ack{id: id, typ: packet.TypePubAck, ready: true, code: packet.Success}
	if qos == packet.ExactlyOnce {
		a.typ = packet.TypePubRec
	}
	if c.version == packet.V5 {
		a.code = packet.NotAuthorized
		// It may have been allowed at first. The client is free to use the Packet
		// Identifier for something new now.
		if qos == packet.ExactlyOnce {
			if r := c.session.Release(c.epoch, broker.PacketID(id), nil); r == broker.Accepted || r == broker.Pending {
				c.endQoS2()
			}
		}
	}
	c.putInOrder(a)
}
