package mqtt

import (
	"strings"
	"time"
	"unsafe"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
	"github.com/holdfast-mqtt/holdfast/broker/topic"
)

// onPublish takes an Application Message from the client.
func (c *conn) onPublish(f packet.Frame) error {
	p := &c.ls.in
	if err := p.Decode(f, c.version); err != nil {
		return err
	}
	name, err := c.topicName(p)
	if err != nil {
		return err
	}
	if p.QoS > 0 && c.unanswered() >= c.ls.srv.cfg.ReceiveMaximum && c.version == packet.V5 {
		return refusal(packet.ReceiveMaximumExceeded, "read PUBLISH", errReceiveMaximum) // v5 [MQTT-3.3.4-9]
	}
	if p.QoS == packet.ExactlyOnce && c.acks != nil && c.acks.holds(p.PacketID) {
		return nil // repeated before its answer was due
	}
	if !c.allows(broker.ActionPublish, name, p.QoS, p.Retain) {
		c.forbid(p.PacketID, p.QoS)
		return nil
	}
	m := c.message(p, name)
	ls := c.ls
	ls.pub = broker.Publish{App: c.session.App(), Message: m, Session: c.session, Epoch: c.epoch}
	if p.QoS > 0 {
		ls.pub.Deferrer = c
	}
	if p.QoS == packet.ExactlyOnce {
		ls.pub.PacketID = broker.PacketID(p.PacketID)
		ls.pub.Dup = p.Dup
	}
	r := ls.srv.broker.Publish(ls.scratch, &ls.pub)
	if p.QoS == packet.ExactlyOnce && r != broker.Stale && r != broker.Repeated && r != broker.Rejected {
		c.qos2++
	}
	switch {
	case r == broker.Rejected:
		c.forbid(p.PacketID, p.QoS)
	case p.QoS == packet.AtMostOnce, r == broker.Pending:
	case r == broker.Stale: // taken over; the end is on its way
	case r == broker.Repeated: // v5 [MQTT-4.3.3-10], v3.1.1 [MQTT-4.3.3-2]: not published again
		c.putAck(packet.TypePubRec, p.PacketID, packet.Success)
	default:
		c.answer(p.PacketID, p.QoS, r)
	}
	return nil
}

// topicName returns the Topic Name, which may be named by an alias.
func (c *conn) topicName(p *packet.Publish) (string, error) {
	name := unsafe.String(unsafe.SliceData(p.Topic), len(p.Topic)) // lives as long as p.Topic: see message
	if alias := p.Properties.TopicAlias; alias != 0 {
		if int(alias) > c.ls.srv.cfg.TopicAliasMaximum { // v5 [MQTT-3.3.2-9]
			return "", refusal(packet.TopicAliasInvalid, "read PUBLISH", errTopicAlias)
		}
		if name == "" {
			known, ok := c.aliasesIn[alias]
			if !ok {
				return "", protocolError("read PUBLISH", errTopicAlias)
			}
			return known, nil
		}
		if err := c.setAlias(alias, name); err != nil {
			return "", err
		}
	}
	if isSystemTopic(name) {
		return "", refusal(packet.NotAuthorized, "read PUBLISH", errSystemTopic)
	}
	if len(name) > c.ls.srv.cfg.MaxTopicLevels && topic.Levels(name) > c.ls.srv.cfg.MaxTopicLevels {
		return "", refusal(packet.TopicNameInvalid, "read PUBLISH", errTooManyLevels)
	}
	return name, nil
}

// maxAliasBytes bounds the Topic Names that a client has given aliases, in
// bytes together. One may have 65,535.
const maxAliasBytes = 128 << 10

func (c *conn) setAlias(alias uint16, name string) error {
	if c.aliasesIn == nil {
		c.aliasesIn = make(map[uint16]string)
	}
	delete(c.aliasesIn, alias)
	n := len(name)
	for _, known := range c.aliasesIn {
		n += len(known)
	}
	if n > maxAliasBytes {
		return refusal(packet.QuotaExceeded, "read PUBLISH", errAliasBytes)
	}
	c.aliasesIn[alias] = strings.Clone(name)
	return nil
}

// isSystemTopic tells whether only the server publishes to name.
func isSystemTopic(name string) bool { return name[0] == '$' && strings.HasPrefix(name, "$SYS/") }

// message makes the loop's one message of p. It is borrowed: its bytes are in
// the read buffer.
func (c *conn) message(p *packet.Publish, name string) *broker.Message {
	m := &c.ls.msg
	*m = broker.Message{
		TopicName:  name,
		Payload:    p.Payload,
		QoS:        broker.QoS(p.QoS),
		Retain:     p.Retain,
		Properties: p.Properties.Forward,
	}
	if p.Properties.HasMessageExpiry {
		m.Expires = c.ls.srv.broker.Clock().Now().Add(time.Duration(p.Properties.MessageExpiry) * time.Second)
	}
	m.Borrow()
	return m
}

// unanswered is how many QoS 1 and 2 publishes of the client are not finished:
// those of QoS 2 until PUBREL, whether or not PUBREC is still to come.
func (c *conn) unanswered() int {
	n := int(c.qos2)
	if c.acks != nil {
		n += c.acks.pubAcks
	}
	return n
}

// answer acknowledges a publish, after those before it, or refuses it.
func (c *conn) answer(id packet.PacketID, qos packet.QoS, r broker.Result) {
	if !r.OK() && c.version != packet.V5 {
		c.refusePublish()
		return
	}
	a := ack{id: id, typ: packet.TypePubAck, ready: true, code: reasonOf(r)}
	if qos == packet.ExactlyOnce {
		a.typ = packet.TypePubRec
		if a.code.Failed() { // v5 4.3.3: the exchange ends here
			c.endQoS2()
		}
	}
	c.putInOrder(a)
}

// putInOrder gives an answer, after those to the publishes before.
func (c *conn) putInOrder(a ack) {
	if c.acks != nil && c.acks.len() > 0 { // behind one that waits
		c.acks.push(a)
		c.hold()
		return
	}
	c.putAck(a.typ, a.id, a.code)
}

// endQoS2 notes that one QoS 2 publish of the client is finished.
func (c *conn) endQoS2() {
	if c.qos2 > 0 {
		c.qos2--
	}
}

// reasonOf is the Reason Code for a publish's result.
func reasonOf(r broker.Result) packet.ReasonCode {
	switch r {
	case broker.Accepted:
		return packet.Success
	case broker.NoSubscribers:
		return packet.NoMatchingSubscribers
	case broker.QuotaExceeded:
		return packet.QuotaExceeded
	case broker.Rejected:
		return packet.NotAuthorized
	}
	return packet.UnspecifiedError
}

func (c *conn) putAck(t packet.Type, id packet.PacketID, code packet.ReasonCode) {
	if dst, ok := c.nc.BeginControl(8); ok {
		c.nc.End(c.ls.loop, packet.AppendAck(dst, t, c.version, id, code))
	}
}

// refusePublish deals with a message of an MQTT 3 client that cannot be taken.
// There is no answer to say so: nothing is acknowledged, the connection rests
// for a while and is then closed, and the client will send it again.
func (c *conn) refusePublish() {
	if c.state == connected {
		c.state = refused
		c.nc.SetTimer(c.ls.srv.cfg.RefusePause)
	}
}
