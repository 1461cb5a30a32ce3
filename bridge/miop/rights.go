package miop

import (
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// rights are what is known of a client whose doing is checked.
type rights struct {
	access      broker.Access      // what all requests of the client have in common
	permissions broker.Permissions // of the client alone; nil if it has none
	expires     time.Duration      // on the loop's clock, when it must have authenticated anew; 0 is never
}

// newRights returns those of a client, or nil if nobody is to be asked.
func (c *conn) newRights(a broker.Access, id *broker.Identity) *rights {
	srv := c.ls.srv
	r := &rights{access: a, permissions: id.Permissions, expires: id.Deadline(c.nc.Now(), srv.broker.Clock().Now())}
	if srv.cfg.Authorizer == nil && r.permissions == nil && r.expires == 0 {
		return nil
	}
	return r
}

// allows asks whether the client may publish to a topic. What nobody decides is allowed.
func (r *rights) allows(c *conn, name string) bool {
	a := r.access
	a.Action, a.Topic, a.QoS = broker.ActionPublish, name, 1
	srv := c.ls.srv
	return (r.expires == 0 || r.expires > c.nc.Now()) && srv.broker.Authorize(r.permissions, srv.cfg.Authorizer, &a) != broker.Deny
}
