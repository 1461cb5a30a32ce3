package mqtt

import (
	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
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
	if c.session.Release(c.epoch, broker.PacketID(a.PacketID)) {
		c.endQoS2()
	} else {
		code = packet.PacketIdentifierNotFound
	}
	c.putAck(packet.TypePubComp, a.PacketID, code)
	return nil
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
