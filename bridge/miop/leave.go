package miop

import (
	"errors"

	"github.com/holdfast-mqtt/holdfast/bridge/miop/packet"
	"github.com/holdfast-mqtt/holdfast/broker"
)

// onUnbind ends the Session of the user that is named, or all.
func (c *conn) onUnbind(f *packet.Frame) {
	u, named := f.Props.Get("u")
	if !named {
		c.wonder(uncertainUnbindAll)
		for len(c.binds) > 0 {
			c.unbind(c.binds[0], f.Version)
		}
		c.closeUnbound()
		return
	}
	user, appID, err := packet.ParseUser(u)
	b := c.find(appID)
	if err != nil || b == nil || b.user != string(user) {
		c.putUnbindAck(f.Version, appID, packet.AnswerUnknown)
		return
	}
	c.unbind(b, f.Version)
	c.closeUnbound()
}

// unbind ends the Session of a bind, and says so.
func (c *conn) unbind(b *bind, v packet.Version) {
	c.drop(b)
	ended := uint32(0)
	b.session.Detach(c.ls.scratch, b.epoch, broker.Leave{Graceful: true, Expiry: &ended, Reason: errUnbound})
	c.putUnbindAck(v, b.appID, packet.AnswerOK)
}

func (c *conn) putUnbindAck(v packet.Version, appID uint32, r uint64) {
	c.put(v, packet.UnbindAck, packet.Props(nil).WithUint("id", uint64(appID)).WithUint("r", r))
}

// closeUnbound closes a connection without binds, unless it is young.
func (c *conn) closeUnbound() {
	if len(c.binds) == 0 && c.nc.Now() >= c.opened+c.ls.srv.cfg.BindTimeout {
		c.close(errUnbound)
		return
	}
	c.armTimer()
}

// detachAll tells the Sessions that the connection has ended. Only the first call has an effect.
func (c *conn) detachAll(reason error) {
	binds := c.binds
	c.binds = nil
	for _, b := range binds {
		b.gone = true
		c.ls.srv.cfg.Logger.Debug("disconnected", "client_id", b.session.ClientID(), "reason", reason)
		b.session.Detach(c.ls.scratch, b.epoch, broker.Leave{Reason: reason})
	}
}

// kick ends the connection because the broker has ended one of its binds.
func (c *conn) kick(b *bind, reason error) {
	switch {
	case c.state == closed, b.gone, b.replaced:
		return
	case b.session == nil: // it has not been answered yet
		b.ended = reason
		return
	}
	c.detachAll(reason)
	r := 0
	switch {
	case errors.Is(reason, broker.ErrTakenOver):
		r = packet.KickTakenOver
	case errors.Is(reason, broker.ErrKicked):
		r = packet.KickByOperator
	case errors.Is(reason, broker.ErrClosed):
		c.putMigrate(b)
	}
	if r != 0 {
		p := packet.Props(nil).WithUint("id", uint64(b.appID))
		c.put(b.version, packet.Kick, p.With("u", b.u()).WithUint("r", uint64(r)))
	}
	c.close(reason)
}

// move tells clients that they shall go elsewhere, if it is known where.
func (c *conn) move() {
	binds := c.binds
	c.detachAll(broker.ErrClosed) // nobody delivers any more
	for _, b := range binds {
		c.putMigrate(b)
	}
}

func (c *conn) putMigrate(b *bind) {
	if to := c.ls.srv.cfg.MoveTo; to != "" {
		c.put(b.version, packet.Migrate, packet.Props(nil).WithUint("id", uint64(b.appID)).With("addr", to))
	}
}

var errUnbound = errors.New("client has unbound")
