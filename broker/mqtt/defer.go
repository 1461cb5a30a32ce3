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
	bytes   int // of the messages that wait
}

func (q *ackQueue) push(a ack) uint64 {
	q.acks = append(q.acks, a)
	return q.base + uint64(len(q.acks)-q.head) - 1
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
// subscribers before the client is not read from any more. A few, so that a
// client which publishes to one slow subscriber is still heard when it
// acknowledges what others have sent it; not many, because each costs memory.
const maxDeferred = 32

// deferred is a publish whose result comes later. It is both the broker's
// Completion and the task that brings the result to the connection's loop.
type deferred struct {
	c      *conn
	number uint64 // in the ackQueue
	size   int
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
	d := &deferred{c: c, number: c.acks.push(a), size: len(p.Payload) + len(p.Topic)}
	c.acks.unready++
	c.acks.bytes += d.size
	if c.acks.unready >= maxDeferred || c.acks.bytes > c.ls.srv.cfg.MaxDeferredBytes {
		c.nc.PauseRead()
	}
	return d
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
	if q == nil || c.state == closed {
		return
	}
	q.unready--
	q.bytes -= d.size
	a := &q.acks[q.head+int(d.number-q.base)]
	if !d.result.OK() && c.version != packet.V5 {
		qos := packet.AtLeastOnce
		if a.typ == packet.TypePubRec {
			qos = packet.ExactlyOnce
		}
		c.refusePublish(a.id, qos)
		return // and so nothing behind it is answered
	}
	a.ready, a.code = true, reasonOf(d.result)
	if a.typ == packet.TypePubRec && a.code.Failed() {
		c.forget(a.id)
	}
	c.putReady()
	if c.nc.Paused() && (c.acks == nil || c.acks.unready <= maxDeferred/2 &&
		c.acks.bytes <= c.ls.srv.cfg.MaxDeferredBytes/2) {
		c.heard = c.nc.Now()
		c.nc.ResumeRead()
	}
}

// putReady gives the answers at the head of the queue that are ready.
func (c *conn) putReady() {
	q := c.acks
	for q.head < len(q.acks) && q.acks[q.head].ready {
		a := q.acks[q.head]
		q.head++
		q.base++
		c.putAck(a.typ, a.id, a.code)
	}
	switch {
	case q.head == len(q.acks):
		c.acks = nil
	case q.head > 64 && q.head > len(q.acks)/2:
		q.acks = append([]ack(nil), q.acks[q.head:]...)
		q.head = 0
	}
}
