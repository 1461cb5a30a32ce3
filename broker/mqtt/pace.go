package mqtt

import (
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

// A client that publishes faster than it may is slowed: it is held, as one whose publishes wait for others is, until
// enough time has passed. Nothing is dropped, and what it acknowledges is heard, as are its signs of life, as long as
// they are not behind more publishes than are parked for it. Then it is not read from, and TCP holds it back.

// Bounds of the bytes that are parked for a client that is slowed; one packet may go beyond. They are smaller than those of
// a client that others hold up, because it is at fault itself, and because there is no waiting in circles: time passes.
const (
	maxParkedSlowed      = 16 << 10
	maxParkedSlowedOwing = 64 << 10
)

// pace is how fast a client publishes that may not do so as fast as it likes.
type pace struct {
	meter *broker.Meter
	until time.Duration // on the loop's clock: it is slowed until then; 0 is not slowed
}

// beginPace measures a client that has just connected, if it has a limit.
func (c *conn) beginPace() {
	if m := c.session.Meter(); m != nil {
		w := c.known()
		w.pace = &pace{meter: m}
		c.setWho(w)
	}
}

// measure counts a PUBLISH of so many bytes, and has those behind it parked for a while if it has come too soon.
func (c *conn) measure(size int) {
	if c.who == nil || c.who.pace == nil {
		return
	}
	p, now := c.who.pace, c.nc.Now()
	wait := p.meter.Publish(now, size)
	if wait <= 0 {
		return
	}
	p.until = now + wait
	if c.acks == nil {
		c.acks = new(ackQueue)
	}
	c.acks.holding = true
	c.armTimer()
}

// slowed tells whether the client is held because it has published too fast.
func (c *conn) slowed() bool { return c.who != nil && c.who.pace != nil && c.who.pace.until != 0 }

// endPause lets a slowed client go on when its time has come.
func (c *conn) endPause(nc *netloop.Conn) {
	if c.slowed() && c.who.pace.until <= nc.Now() {
		c.who.pace.until = 0
		c.release()
	}
}

// parkedBounds are how many bytes are parked for the client, and how many while it has deliveries to acknowledge.
func (c *conn) parkedBounds() (most, owing int) {
	if c.slowed() {
		return maxParkedSlowed, maxParkedSlowedOwing
	}
	return maxParked, maxParkedOwing
}
