package ximp

import (
	"time"

	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
)

// defaultPackets is how many packets a client may send a minute. Old documents say 200, which no server has ever kept.
const defaultPackets = 1200

// tally keeps count of what a client sends. What the server has caused itself does not count in the end: a pull that gives or
// acknowledges something, and what limits of publishing slow.
type tally struct {
	until time.Duration // loop time at which all packets so far are paid for, each with its part of a minute
	given int64         // the largest id that a pull has given
}

// share is the part of a minute that one packet takes; 0 is none.
func (r *Rules) share() time.Duration {
	switch n := r.PacketsPerMinute; {
	case n < 0:
		return 0
	case n > 0:
		return time.Minute / time.Duration(n)
	}
	return time.Minute / defaultPackets
}

// counts counts a packet. It returns false if that is one too many.
func (c *conn) counts() bool {
	c.tally.until = max(c.tally.until, c.ls.loop.Now()) + c.from.rules().share()
	return c.tally.until <= c.ls.loop.Now()+time.Minute
}

// uncount takes a packet back.
func (c *conn) uncount() { c.tally.until -= c.from.rules().share() }

// uncountPull takes a pull back that has given messages, up to newest, or has acknowledged some.
func (c *conn) uncountPull(newest int64, acknowledged bool) {
	if newest > c.tally.given || acknowledged {
		c.tally.given = max(c.tally.given, newest)
		c.uncount()
	}
}

// tooMany ends the connection of a client that has sent too many packets, of which the last was the request sn.
func (c *conn) tooMany(sn uint64) {
	count(&c.ls.srv.stats.tooMany)
	c.refuse(sn, packet.CodeRate, packet.CodeRate.String())
}
