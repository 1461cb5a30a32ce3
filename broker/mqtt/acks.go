package mqtt

import (
	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

// onPubAck settles a QoS 1 delivery.
func (c *conn) onPubAck(f packet.Frame) error {
	a, err := packet.DecodeAck(f, c.version)
	if err != nil {
		return err
	}
	if c.session.Ack(c.ls.scratch, c.epoch, broker.PacketID(a.PacketID)) == broker.OutOfStep {
		return protocolError("read PUBACK", errAckOutOfStep)
	}
	return nil
}

// onPubRec takes the first answer to a QoS 2 delivery: v5 [MQTT-4.3.3-4],
// v3.1.1 [MQTT-4.3.3-1].
func (c *conn) onPubRec(f packet.Frame) error {
	a, err := packet.DecodeAck(f, c.version)
	if err != nil {
		return err
	}
	ok := !a.Reason.Failed()
	switch c.session.Received(c.ls.scratch, c.epoch, broker.PacketID(a.PacketID), ok) {
	case broker.OutOfStep:
		return protocolError("read PUBREC", errAckOutOfStep)
	case broker.Settled:
		if ok {
			c.putAck(packet.TypePubRel, a.PacketID, packet.Success)
		}
	case broker.Deferred: // Release is called when it is on disk
	case broker.Unknown:
		if ok { // MQTT 3 has no way to say so; a PUBREL ends the exchange there too
			c.putAck(packet.TypePubRel, a.PacketID, packet.PacketIdentifierNotFound)
		}
	}
	return nil
}

// onPubRel ends a QoS 2 publish of the client: v5 [MQTT-4.3.3-11], v3.1.1 [MQTT-4.3.3-2].
func (c *conn) onPubRel(f packet.Frame) error {
	a, err := packet.DecodeAck(f, c.version)
	if err != nil {
		return err
	}
	code := packet.Success
	done := &releasing{c: c, id: a.PacketID}
	switch c.session.Release(c.epoch, broker.PacketID(a.PacketID), done) {
	case broker.Pending:
		if !done.early() {
			return nil
		}
		c.endQoS2()
	case broker.Accepted:
		c.endQoS2()
	case broker.Stale: // taken over; the end is on its way
		return nil
	default:
		code = packet.PacketIdentifierNotFound
	}
	c.putAck(packet.TypePubComp, a.PacketID, code)
	return nil
}

// releasing is a PUBREL that is answered when it is on disk. It is both the Store's
// Commit and the task that brings the result to the connection's loop.
type releasing struct {
	committing
	c   *conn
	id  packet.PacketID
	err error
}

// Committed implements broker.Commit.
func (r *releasing) Committed(err error) {
	if r.err = err; r.late() {
		r.c.nc.Loop().Post(r)
	}
}

// Run implements netloop.Task. What the Store has failed to note is not
// answered: the client would use the Packet Identifier again, and what it published would be taken for a
// repetition. It will say so again when it is back.
func (r *releasing) Run(*netloop.Loop) {
	c := r.c
	switch {
	case c.state != connected:
	case r.err != nil:
		c.close(r.err, packet.UnspecifiedError)
	default:
		c.endQoS2()
		c.putAck(packet.TypePubComp, r.id, packet.Success)
	}
}

// onPubComp settles a QoS 2 delivery.
func (c *conn) onPubComp(f packet.Frame) error {
	a, err := packet.DecodeAck(f, c.version)
	if err != nil {
		return err
	}
	if c.session.Complete(c.ls.scratch, c.epoch, broker.PacketID(a.PacketID)) == broker.OutOfStep {
		return protocolError("read PUBCOMP", errAckOutOfStep)
	}
	return nil
}
