package mqtt

import (
	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

// ack is an answer to a publish.
type ack struct {
	id    packet.PacketID
	typ   packet.Type // PUBACK or PUBREC
	ready bool
	code  packet.ReasonCode
}

// ackQueue holds answers back until those before them can be given. It exists
// while a publish waits.
type ackQueue struct {
	acks    []ack
	head    int
	base    uint64 // number of acks[head], counted from the queue's beginning
	unready int
	pubAcks int // answers to QoS 1
	bytes   int // of the messages that wait

	holding   bool   // further publishes are parked
	releasing bool   // an unparkTask is posted
	parked    []byte // packets; those before parkedAt are dealt with
	parkedAt  int
	final     bool // the last parked packet is DISCONNECT
}

func (q *ackQueue) len() int { return len(q.acks) - q.head }

func (q *ackQueue) push(a ack) uint64 {
	q.acks = append(q.acks, a)
	if a.typ == packet.TypePubAck {
		q.pubAcks++
	}
	return q.base + uint64(q.len()) - 1
}

// pop takes the first answer out.
func (q *ackQueue) pop() ack {
	a := q.acks[q.head]
	q.head++
	q.base++
	if a.typ == packet.TypePubAck {
		q.pubAcks--
	}
	return a
}

// holds tells whether an answer for id waits.
func (q *ackQueue) holds(id packet.PacketID) bool {
	for _, a := range q.acks[q.head:] {
		if a.id == id {
			return true
		}
	}
	return false
}

// maxDeferred is how many publishes of one client may wait for slow
// subscribers before further ones are parked: each that waits costs objects.
const maxDeferred = 32

// deferred is a publish whose result comes later. It is both the broker's
// Completion and the task that brings the result to the connection's loop.
type deferred struct {
	c      *conn
	number uint64 // in the ackQueue
	size   int
	qos2   packet.PacketID // of a QoS 2 publish; 0 at QoS 1
	result broker.Result
}

// Defer implements broker.Deferrer. It is called during onPublish.
func (c *conn) Defer() broker.Completion {
	if c.acks == nil {
		c.acks = new(ackQueue)
	}
	p := &c.ls.in
	a := ack{id: p.PacketID, typ: packet.TypePubAck}
	if p.QoS == packet.ExactlyOnce {
		a.typ = packet.TypePubRec
	}
	d := &deferred{c: c, number: c.acks.push(a), size: len(p.Payload) + len(p.Topic) + len(p.Properties.Forward)}
	if p.QoS == packet.ExactlyOnce {
		d.qos2 = p.PacketID
	}
	c.acks.unready++
	c.acks.bytes += d.size
	c.hold()
	return d
}

// tooMuchWaits tells whether the client is to be held: for the
// publishes that wait, or for the answers behind them. MQTT 5 clients are held
// to their Receive Maximum, MQTT 3 clients know none.
func (c *conn) tooMuchWaits() bool {
	q, cfg := c.acks, &c.ls.srv.cfg
	return q.unready >= maxDeferred || q.bytes > cfg.MaxDeferredBytes ||
		c.version != packet.V5 && q.len() >= cfg.ReceiveMaximum
}

// littleWaits tells whether it may go on.
func (c *conn) littleWaits() bool {
	q, cfg := c.acks, &c.ls.srv.cfg
	return q == nil || q.unready <= maxDeferred/2 && q.bytes <= cfg.MaxDeferredBytes/2 &&
		(c.version == packet.V5 || q.len() <= cfg.ReceiveMaximum/2)
}

// Published implements broker.Completion.
func (d *deferred) Published(r broker.Result) {
	d.result = r
	d.c.nc.Loop().Post(d)
}

// Run implements netloop.Task: it gives the answer, and all behind it that
// were waiting for it.
func (d *deferred) Run(*netloop.Loop) {
	c, q := d.c, d.c.acks
	if d.qos2 != 0 {
		if other := c.session.Conclude(broker.PacketID(d.qos2), d.result); other != nil {
			other.Published(d.result)
		}
	}
	if q == nil || c.state == closed {
		return
	}
	q.unready--
	q.bytes -= d.size
	if d.result == broker.Rejected && c.ls.srv.cfg.DisconnectForbidden {
		c.close(errNotAuthorized, packet.NotAuthorized)
		return
	}
	if !d.result.OK() && d.result != broker.Rejected && c.version != packet.V5 {
		c.refusePublish()
		return // and so nothing behind it is answered
	}
	a := &q.acks[q.head+int(d.number-q.base)]
	a.ready, a.code = true, reasonOf(d.result)
	if d.result == broker.Rejected && c.version != packet.V5 {
		a.code = packet.Success // as denyPublish
	}
	if d.qos2 != 0 && a.code.Failed() {
		c.endQoS2()
	}
	c.putReady()
	c.release()
}

// putReady gives the answers at the head of the queue that are ready.
func (c *conn) putReady() {
	q := c.acks
	for q.head < len(q.acks) && q.acks[q.head].ready {
		a := q.pop()
		c.putAck(a.typ, a.id, a.code)
	}
	switch {
	case q.head == len(q.acks) && q.holding: // an unparkTask follows
		q.acks, q.head = q.acks[:0], 0
	case q.head == len(q.acks):
		c.acks = nil
	case q.head > 64 && q.head > len(q.acks)/2:
		q.acks = append([]ack(nil), q.acks[q.head:]...)
		q.head = 0
	}
}
