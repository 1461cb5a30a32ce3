package mqtt

import (
	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

// A client for whose publishes too many Sessions have no room is held: its
// further publishes are parked, undecoded, until some are answered. What it acknowledges
// meanwhile is heard at once. Otherwise clients that publish to each other,
// each with acknowledgements behind its publishes, would hold each other up
// for good.

// Bounds of the bytes that are parked for one client before it is not read from
// any more; one packet may go beyond. A client that has deliveries to
// acknowledge may do so behind all the publishes that its Receive Maximum
// allows, and is listened to for longer.
const (
	maxParked      = 64 << 10
	maxParkedOwing = 4 << 20
)

// overtakes tells whether packets of type t need not wait behind publishes.
func overtakes(t packet.Type) bool {
	switch t {
	case packet.TypePubAck, packet.TypePubRec, packet.TypePubRel, packet.TypePubComp, packet.TypePingReq:
		return true
	}
	return false
}

// held tells whether the client's publishes are to be parked.
func (c *conn) held() bool { return c.acks != nil && c.acks.holding }

// hold has the client's further publishes parked if too much waits.
func (c *conn) hold() {
	if c.tooMuchWaits() {
		c.acks.holding = true
	}
}

// park keeps a packet for later. Behind DISCONNECT nothing comes; not reading
// on keeps the end of the stream from overtaking it. The Will is dropped at once, v5 [MQTT-3.14.4-3], v3.1.1
// [MQTT-3.14.4-3]: another connection may take the Session over before the rest is dealt with.
func (c *conn) park(f packet.Frame, raw []byte) {
	q := c.acks
	if q.parkedAt > 0 && len(q.parked)+len(raw) > cap(q.parked) {
		q.parked = q.parked[:copy(q.parked, q.parked[q.parkedAt:])]
		q.parkedAt = 0
	}
	q.parked = append(q.parked, raw...)
	q.final = f.Type == packet.TypeDisconnect
	if q.final && c.takeLeave(f) == nil && c.graceful { // if it is malformed, that is found again in its turn
		c.session.DropWill(c.epoch)
	}
	most, owing := c.parkedBounds()
	if n := len(q.parked) - q.parkedAt; q.final || n > owing || n > most && c.owesNothing() {
		c.nc.PauseRead()
	}
}

// owesNothing tells whether the client has nothing to acknowledge. If so, the
// next delivery has it heard again. Deliveries are made with the Session's lock
// held, so that either the delivery finds deaf set or is counted here.
func (c *conn) owesNothing() bool {
	c.deaf.Store(true)
	if c.session.Unacknowledged() == 0 {
		return true
	}
	c.deaf.Store(false)
	return false
}

// hearTask has a client read from that was deaf when a delivery was made to it.
type hearTask conn

func (t *hearTask) Run(*netloop.Loop) {
	c := (*conn)(t)
	_, owing := c.parkedBounds()
	if q := c.acks; c.state == connected && q != nil && !q.final && len(q.parked)-q.parkedAt <= owing {
		c.hear()
	}
}

// hear reads from the client again.
func (c *conn) hear() {
	c.deaf.Store(false)
	if c.nc.Paused() {
		c.heard = c.nc.Now()
		c.nc.ResumeRead()
	}
}

// release has parked packets dealt with in the loop's next turn, if little
// waits: until then all that has become due is answered, and what has been put
// out is written, so that most of what is parked need not wait again.
func (c *conn) release() {
	if q := c.acks; q != nil && q.holding && !q.releasing && !c.slowed() && c.littleWaits() {
		q.releasing = true
		c.nc.Loop().Post((*unparkTask)(c))
	}
}

type unparkTask conn

func (t *unparkTask) Run(*netloop.Loop) { (*conn)(t).unpark() }

// unpark deals with parked packets until too much waits again, and reads on
// when there is room to park more.
func (c *conn) unpark() {
	q := c.acks
	if q == nil || c.state != connected {
		return
	}
	q.releasing = false
	q.holding = false
	var share netloop.Share
	for q.parkedAt < len(q.parked) && !q.holding && c.state == connected {
		f, n, err := packet.ReadFrame(q.parked[q.parkedAt:], 0)
		if err == nil {
			q.parkedAt += n
			err = c.handle(f)
		}
		if err != nil {
			c.fail(err)
			return
		}
		c.ls.loop.FlushUrgent()
		if !q.holding && share.Used(c.nc) {
			q.holding = true
			c.release()
			return
		}
	}
	if c.state != connected {
		return
	}
	if q.parkedAt == len(q.parked) {
		q.parked, q.parkedAt = q.parked[:0], 0
		if cap(q.parked) > 2*maxParked {
			q.parked = nil
		}
		if q.len() == 0 && !q.holding {
			c.acks = nil
		}
	}
	if most, _ := c.parkedBounds(); !q.final && len(q.parked)-q.parkedAt <= most/2 {
		c.hear()
	}
}

// OnPeerEnd implements netloop.EndKeeper: what is parked comes before the end, and so does what a client has sent behind
// CONNECT, for which it need not wait for CONNACK: v5 3.1.4, v3.1.1 3.1.4. One that has sent no more has given up.
func (c *conn) OnPeerEnd(*netloop.Conn) (keep bool) {
	switch q := c.acks; c.state {
	case connecting:
		l := c.login()
		return c.behind && (l == nil || !l.awaits)
	case connected:
		return q != nil && q.parkedAt < len(q.parked)
	}
	return false
}
