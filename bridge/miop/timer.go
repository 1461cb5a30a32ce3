package miop

import (
	"errors"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

// signOfLife is how many bytes of one frame count as much as a whole frame; see broker/mqtt, which has the same.
const signOfLife = 1 << 10

// noteLife notes when the client has sent a whole frame, or enough of one.
func (c *conn) noteLife(consumed, rest int) {
	if consumed > 0 || rest >= int(c.unfinished)+signOfLife {
		c.heard, c.unfinished = c.nc.Loop().Now(), uint32(rest)
	}
}

// patience is how long a client that has named t may be silent: half as long again and some. t is in seconds.
func patience(t uint32) time.Duration {
	t = min(max(t, keepAliveMin), keepAliveMax)
	return time.Duration(t)*time.Second*3/2 + keepAliveReserve
}

// silence is how long the connection may be silent: by the most patient of its binds. 0 is as long as it likes, for
// another bound holds.
func (c *conn) silence() time.Duration {
	most := time.Duration(0)
	for _, b := range c.binds {
		most = max(most, patience(b.keepAlive))
	}
	return most
}

// due returns what of the connection is due first, as loop time, and the error with which it is closed then; nil is no end.
func (c *conn) due() (at time.Duration, err error) {
	sooner := func(t time.Duration, why error) {
		if at == 0 || t < at {
			at, err = t, why
		}
	}
	cfg := &c.ls.srv.cfg
	if c.state == awaitFrame {
		sooner(c.opened+cfg.FrameTimeout, errFrameTimeout)
	}
	if len(c.binds) == 0 {
		sooner(c.opened+cfg.BindTimeout, errBindTimeout)
	} else {
		sooner(c.heard+c.silence(), errKeepAlive)
	}
	if c.slowedUntil != 0 {
		sooner(c.slowedUntil, nil)
	}
	for _, b := range c.binds {
		if b.watching {
			sooner(b.acked+cfg.AckTimeout, errUnacknowledged)
		}
		if b.rights != nil && b.rights.expires != 0 {
			sooner(b.rights.expires, errExpired)
		}
	}
	return at, err
}

// armTimer has OnTimer called when the first of what may be due is.
func (c *conn) armTimer() {
	at, _ := c.due()
	c.nc.SetTimer(max(at-c.nc.Now(), 1))
}

// OnTimer implements netloop.Handler.
func (c *conn) OnTimer(nc *netloop.Conn) {
	if c.state == closed {
		return
	}
	now := nc.Now()
	if nc.Paused() { // it is we who do not listen
		c.heard = now
		for _, b := range c.binds {
			b.acked = now
		}
	}
	if c.slowedUntil != 0 && c.slowedUntil <= now {
		c.goOn()
	}
	c.look(now)
	at, err := c.due()
	if at > now {
		c.armTimer()
		return
	}
	st := &c.ls.srv.stats
	switch {
	case errors.Is(err, errUnacknowledged):
		count(&st.unacknowledged)
	case !errors.Is(err, errExpired):
		count(&st.timeouts)
	}
	c.close(err)
}

// look stops watching the binds whose windows are not full any more, and frees what an idle connection need not have.
func (c *conn) look(now time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, b := range c.binds {
		if (b.watched || b.watching) && b.inFlight < int(b.window) { // the watchTask may have come late
			b.watched, b.watching = false, false
		}
	}
	if len(c.flights) == 0 {
		c.flights = nil
	}
	if len(c.settling) == 0 {
		c.settling = nil
	}
}

var (
	errFrameTimeout   = errors.New("no frame has come")
	errBindTimeout    = errors.New("nothing is bound")
	errKeepAlive      = errors.New("client is silent")
	errUnacknowledged = errors.New("client acknowledges nothing")
	errExpired        = errors.New("authentication has expired")
)
