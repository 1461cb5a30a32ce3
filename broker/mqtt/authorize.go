package mqtt

import (
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
	"github.com/holdfast-mqtt/holdfast/broker/topic"
)

// rights are what is known of a client whose doing is checked. A client has
// none if nobody is to be asked.
type rights struct {
	access      broker.Access      // what all requests of the client have in common
	permissions broker.Permissions // of the client alone; nil if it has none
	expires     time.Duration      // on the loop's clock, when it must have authenticated anew; 0 is never
}

// newRights returns those of a client, or nil.
func (srv *Server) newRights(a broker.Access, id *broker.Identity, now time.Duration) *rights {
	r := &rights{access: a, permissions: id.Permissions}
	if !id.Expires.IsZero() {
		r.expires = max(now+id.Expires.Sub(srv.broker.Clock().Now()), 1)
	}
	if srv.cfg.Authorizer == nil && r.permissions == nil && r.expires == 0 {
		return nil
	}
	return r
}

// allows asks the client's Permissions, then the Authorizer, and counts what is
// denied. What neither decides is allowed.
func (c *conn) allows(action broker.Action, name string, qos packet.QoS, retain bool) bool {
	if c.rights() == nil {
		return true
	}
	a := c.rights().access
	a.Action, a.Topic, a.QoS, a.Retain = action, name, broker.QoS(qos), retain
	if c.ls.srv.decide(c.rights(), &a) != broker.Deny {
		return true
	}
	count(&c.ls.srv.stats.denied)
	return false
}

// decide asks those who may. One that panics denies.
func (srv *Server) decide(r *rights, a *broker.Access) (d broker.Decision) {
	defer func() {
		if v := recover(); v != nil {
			srv.hookPanicked("check access", v)
			d = broker.Deny
		}
	}()
	if r.permissions != nil {
		d = r.permissions.Check(a)
	}
	if d == broker.Ignore && srv.cfg.Authorizer != nil {
		d = srv.cfg.Authorizer.OnACLCheck(a)
	}
	return d
}

// hookPanicked notes that a hook has panicked.
func (srv *Server) hookPanicked(doing string, v any) {
	count(&srv.stats.panics)
	srv.cfg.Logger.Error("hook_panicked", "doing", doing, "panic", v)
}

// allowsFilter is allows for a Topic Filter that has been validated.
func (c *conn) allowsFilter(filter string, qos packet.QoS) bool {
	_, rest, _, err := topic.ParseShared(filter)
	return err == nil && c.allows(broker.ActionSubscribe, rest, qos, false)
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
