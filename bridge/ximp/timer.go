package ximp

import (
	"time"

	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

const (
	// logoutWait is how long a client that has logged out has to close the connection.
	logoutWait = 10 * time.Second
	// quietTime is how long after the login no doorbell is rung for an inbox that has not been pulled: clients ask by themselves.
	quietTime = 2 * time.Second
	// gatherTime is how long room messages are gathered.
	gatherTime = 100 * time.Millisecond
	// retryTime is how long until it is looked again whether the Session has all its messages.
	retryTime = 50 * time.Millisecond
)

// arm has OnTimer called when the first thing is due.
func (c *conn) arm() {
	at := c.heard + c.patience
	earlier := func(t time.Duration) {
		if t > 0 && t < at {
			at = t
		}
	}
	switch c.state {
	case closed:
		return
	case deciding:
		at = 0
		if n := c.newcomer; n != nil && n.until > 0 {
			at = n.until
		}
	case loggedIn:
		earlier(c.bellsDue())
		if r := c.rare; r != nil {
			earlier(r.paused)
			if len(r.waiting) > 0 {
				earlier(c.nc.Now() + retryTime)
			}
			if c.talking() {
				earlier(r.gather)
			}
			if len(r.joins) > 0 {
				earlier(r.joins[0].until)
			}
		}
		if c.rights != nil {
			earlier(c.rights.expires)
		}
	}
	if at == c.armed {
		return
	}
	c.armed = at
	if at == 0 {
		c.nc.SetTimer(0)
		return
	}
	c.nc.SetTimer(max(at-c.nc.Now(), 1))
}

// OnTimer implements netloop.Handler.
func (c *conn) OnTimer(nc *netloop.Conn) {
	c.armed = 0
	now := nc.Now()
	switch c.state {
	case deciding:
		if n := c.newcomer; n != nil && n.until > 0 && n.until <= now {
			c.enter()
		}
		c.arm()
		return
	case loggedIn:
		if c.rights != nil && c.rights.expires != 0 && c.rights.expires <= now {
			c.close(errExpired)
			return
		}
		if r := c.rare; r != nil && r.paused != 0 && r.paused <= now {
			c.heard = now
			c.endPause()
		}
	}
	if nc.Paused() { // it is we who do not listen
		c.heard = now
	}
	if c.heard+c.patience <= now {
		count(&c.ls.srv.stats.timeouts)
		c.close(c.silenceError())
		return
	}
	if c.state == loggedIn {
		c.expireJoins(now)
		c.attend()
	}
	c.arm()
}

// silenceError is why a connection is closed on which nothing was heard.
func (c *conn) silenceError() error {
	switch c.state {
	case awaitInit, awaitLogin:
		return errLoginTimeout
	case loggedOut, moving:
		return errLoggedOut
	}
	return errSilent
}
