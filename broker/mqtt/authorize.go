package mqtt

import (
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
	"github.com/holdfast-mqtt/holdfast/broker/topic"
)

// rights are what is known of a client whose doing is checked. A client has
// none if nobody is to be asked.
type rights struct {
	access      broker.Access      // what all requests of the client have in common
	permissions broker.Permissions // of the client alone; nil if it has none
	expires     time.Duration      // on the loop's clock, when it must have authenticated anew; 0 is never
	number      uint64             // among those of its loop
	stable      bool               // answers may be kept
}

// newRights returns those of a client, or nil.
func (ls *loopState) newRights(a broker.Access, id *broker.Identity, now time.Duration) *rights {
	all := ls.srv.cfg.Authorizer
	r := &rights{access: a, permissions: id.Permissions, stable: isStable(id.Permissions) && isStable(all)}
	r.expires = id.Deadline(now, ls.srv.broker.Clock().Now())
	if all == nil && r.permissions == nil && r.expires == 0 {
		return nil
	}
	ls.decisions.granted++
	r.number = ls.decisions.granted
	return r
}

// allows asks the client's Permissions, then the Authorizer, and counts what is
// denied. What neither decides is allowed. A client whose authentication has
// expired may do nothing, though its connection may have a moment to live.
func (c *conn) allows(action broker.Action, name string, qos packet.QoS, retain bool) bool {
	r := c.rights()
	if r == nil {
		return true
	}
	a := r.access
	a.Action, a.Topic, a.QoS, a.Retain = action, name, broker.QoS(qos), retain
	if (r.expires == 0 || r.expires > c.nc.Now()) && c.ls.decide(r, &a) != broker.Deny {
		return true
	}
	count(&c.ls.srv.stats.denied)
	return false
}

// allowsFilter is allows for a Topic Filter that has been validated.
func (c *conn) allowsFilter(filter string, qos packet.QoS) bool {
	_, rest, _, err := topic.ParseShared(filter)
	return err == nil && c.allows(broker.ActionSubscribe, rest, qos, false)
}

// forbid deals with a message that the client may not publish.
func (c *conn) forbid(id packet.PacketID, qos packet.QoS) {
	if c.ls.srv.cfg.DisconnectForbidden {
		c.close(errNotAuthorized, packet.NotAuthorized)
		return
	}
	c.denyPublish(id, qos)
}

// denyPublish answers a message that the client may not publish. For MQTT 5 a
// QoS 2 exchange is over with 0x87: v5 4.3.3. For MQTT 3 it is acknowledged,
// v3.1.1 [MQTT-3.3.5-2], and not remembered: repeating it has the same answer. If it was
// accepted before, PUBREL ends that.
func (c *conn) denyPublish(id packet.PacketID, qos packet.QoS) {
	a := ack{id: id, typ: packet.TypePubAck, ready: true, code: packet.Success}
	if c.version == packet.V5 {
		a.code = packet.NotAuthorized
	}
	switch qos {
	case packet.AtMostOnce:
		return
	case packet.ExactlyOnce:
		a.typ = packet.TypePubRec
		if c.version == packet.V5 && c.forget(a) {
			return
		}
	}
	c.putInOrder(a)
}

// forget has the Session forget the QoS 2 publish that a answers, which may have been allowed at first: the client is
// free to use the Packet Identifier for something new then. It returns true if a is given when that is on disk.
func (c *conn) forget(a ack) (later bool) {
	f := &forgetting{c: c}
	switch c.session.Forget(c.epoch, broker.PacketID(a.id), f) {
	case broker.Pending:
		if f.early() {
			if f.err != nil {
				c.close(f.err, packet.UnspecifiedError)
				return true
			}
			c.endQoS2()
			return false
		}
		if c.acks == nil {
			c.acks = new(ackQueue)
		}
		a.ready = false
		f.number = c.acks.push(a)
		c.acks.unready++
		c.hold()
		return true
	case broker.Accepted:
		c.endQoS2()
	}
	return false
}

// forgetting is a QoS 2 PUBLISH whose denial is answered when it is on disk. It is both the Store's
// Commit and the task that brings the result to the connection's loop.
type forgetting struct {
	committing
	c      *conn
	number uint64 // in the ackQueue
	err    error
}

// Committed implements broker.Commit.
func (f *forgetting) Committed(err error) {
	if f.err = err; f.late() {
		f.c.nc.Loop().Post(f)
	}
}

// Run implements netloop.Task. What the Store has failed to note is not answered, as with releasing.
func (f *forgetting) Run(*netloop.Loop) {
	c, q := f.c, f.c.acks
	if q == nil || c.state == closed {
		return
	}
	q.unready--
	if f.err != nil {
		c.close(f.err, packet.UnspecifiedError)
		return
	}
	q.acks[q.head+int(f.number-q.base)].ready = true
	c.endQoS2()
	c.putReady()
	c.release()
}
