package ximp

import (
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// rights are what is known of a client whose doing is checked.
type rights struct {
	access      broker.Access      // what all requests of the client have in common
	permissions broker.Permissions // of the client alone; nil if it has none
	expires     time.Duration      // on the loop's clock, when the connection is closed; 0 is never
}

// newRights returns those of a client; nil if nobody is to be asked.
func (c *conn) newRights(a broker.Access, id *broker.Identity) *rights {
	r := &rights{access: a, permissions: id.Permissions, expires: id.Deadline(c.nc.Now(), c.ls.srv.broker.Clock().Now())}
	if r.permissions == nil && r.expires == 0 && c.ls.srv.cfg.Authorizer == nil {
		return nil
	}
	return r
}

// allows asks the client's Permissions, then the Authorizer, and counts what is denied. What neither decides is allowed.
func (c *conn) allows(action broker.Action, name string, qos broker.QoS) bool {
	if c.rights == nil {
		return true
	}
	a := c.rights.access
	a.Action, a.Topic, a.QoS = action, name, qos
	if c.ls.srv.broker.Authorize(c.rights.permissions, c.ls.srv.cfg.Authorizer, &a) != broker.Deny {
		return true
	}
	count(&c.ls.srv.stats.denied)
	return false
}
