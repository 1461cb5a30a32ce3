package crash

import (
	"errors"
	"fmt"

	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
)

// packet handles one packet of the server. An error ends the connection; a fault has been noted by then.
func (v *visit) packet(f packet.Frame) error {
	var err error
	switch f.Type {
	case packet.TypePublish:
		err = v.publishFromServer(f)
	case packet.TypePubAck, packet.TypePubRec, packet.TypePubRel, packet.TypePubComp:
		err = v.ack(f)
	case packet.TypeSubAck:
		err = v.subAck(f)
	case packet.TypePingResp:
		if v.pinging {
			v.ponged()
			return nil
		}
		err = errors.New("PINGRESP without PINGREQ")
	case packet.TypeDisconnect:
		return v.disconnect(f)
	default:
		err = fmt.Errorf("unexpected %s", f.Type)
	}
	if err != nil && !errors.Is(err, errBroken) {
		v.fault(nil, "%v", err)
	}
	return err
}

// publishFromServer takes an Application Message.
func (v *visit) publishFromServer(f packet.Frame) error {
	c := v.client
	var p packet.Publish
	if err := p.DecodeFromServer(f, c.version); err != nil {
		return err
	}
	k, err := readPayload(p.Payload)
	if err != nil {
		return fmt.Errorf("PUBLISH %d on %q with %d bytes: %w", p.PacketID, p.Topic, len(p.Payload), err)
	}
	if int(k.topic) >= len(c.ledger.topics) || c.ledger.topics[k.topic].name != string(p.Topic) {
		return fmt.Errorf("%s came on topic %q", k, p.Topic)
	}
	if p.QoS == packet.AtMostOnce {
		return fmt.Errorf("%s came with QoS 0", k)
	}
	if v.inFlight[p.PacketID] && p.QoS == packet.AtLeastOnce {
		v.fault(&k, "%s came with Packet Identifier %d, which is in flight", k, p.PacketID)
	}
	v.inFlight[p.PacketID] = true
	if most := c.receiveMaximum; most > 0 && len(v.inFlight) > int(most) { // v5 [MQTT-3.3.4-9]
		v.fault(&k, "%d messages in flight, Receive Maximum is %d", len(v.inFlight), most)
	}
	e, typ := event{kind: received, id: p.PacketID, dup: p.Dup}, packet.TypePubAck
	if p.QoS == packet.ExactlyOnce {
		typ = packet.TypePubRec
		isNew, err := c.session.arrive(p.PacketID, k, p.Dup)
		if err != nil {
			v.fault(&k, "%v", err)
		}
		if !isNew {
			e.kind = repeated
		}
	}
	v.note(k, e)
	v.owed = append(v.owed, owedAck{typ, p.PacketID, k})
	return nil
}

// ack takes PUBACK, PUBREC, PUBREL and PUBCOMP.
func (v *visit) ack(f packet.Frame) error {
	c := v.client
	a, err := packet.DecodeAck(f, c.version)
	if err != nil {
		return err
	}
	var o *outgoing
	switch f.Type {
	case packet.TypePubRel:
		return v.released(a.PacketID)
	case packet.TypePubAck:
		o, err = c.session.pubAck(a.PacketID)
	case packet.TypePubRec:
		o, err = c.session.pubRec(a.PacketID, a.Reason.Failed())
	case packet.TypePubComp: // v5: 0x92 after a crash, when the server had done with it before
		o, err = c.session.pubComp(a.PacketID)
		if err == nil {
			v.note(o.key, event{kind: completed, id: o.id})
		}
		return err
	}
	if err != nil {
		return err
	}
	e := event{kind: acked, id: o.id}
	if a.Reason.Failed() {
		e.kind = refused
	}
	v.note(o.key, e)
	if f.Type == packet.TypePubRec && e.kind == acked {
		return v.conn.write(packet.AppendAck(nil, packet.TypePubRel, c.version, o.id, packet.Success))
	}
	return nil
}

// released takes a PUBREL.
func (v *visit) released(id packet.PacketID) error {
	reason := packet.Success
	if !v.client.session.release(id) {
		reason = packet.PacketIdentifierNotFound // the PUBCOMP of an earlier connection was lost
	}
	delete(v.inFlight, id)
	return v.conn.write(packet.AppendAck(nil, packet.TypePubComp, v.client.version, id, reason))
}

func (v *visit) subAck(f packet.Frame) error {
	c := v.client
	a, err := packet.DecodeSubAck(f, c.version)
	switch {
	case err != nil:
		return err
	case !v.asking || a.PacketID != subscribeID || len(a.Reasons) != 1:
		return errors.New("SUBACK for another SUBSCRIBE")
	}
	w := c.wishes[c.subscribed]
	if a.Reasons[0] != packet.ReasonCode(w.qos) {
		return fmt.Errorf("SUBSCRIBE of %q with QoS %d: %s", w.filter, w.qos, a.Reasons[0])
	}
	c.ledger.subscribed(c.index, w.filter, w.qos)
	c.subscribed++
	c.lasting, v.asking = true, false
	return nil
}

// disconnect takes a DISCONNECT of the server.
func (v *visit) disconnect(f packet.Frame) error {
	d, err := packet.DecodeDisconnectFromServer(f, v.client.version)
	if err == nil {
		err = fmt.Errorf("the server sent DISCONNECT: %s", d.Reason)
	}
	v.fault(nil, "%v", err)
	return err
}
