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
	if p.QoS == packet.ExactlyOnce {
		isNew, err := c.session.Receive(c.epoch, broker.PacketID(p.PacketID))
		if err != nil {
			return nil // taken over; the end is on its way
		}
		if !isNew { // v5 [MQTT-4.3.3-10], v3.1.1 [MQTT-4.3.3-2]: not published again
			c.answerAgain(p.PacketID)
			return nil
		}
		c.qos2++
	}
	m := c.message(p, name)
	ls := c.ls
	ls.pub = broker.Publish{App: ls.srv.app, Message: m, Session: c.session, Epoch: c.epoch}
	if p.QoS > 0 {
		ls.pub.Deferrer = c
	}
	r := ls.srv.broker.Publish(ls.scratch, &ls.pub)
	switch {
	case r == broker.Pending || r == broker.Stale:
	case p.QoS > 0:
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
		if c.aliasesIn == nil {
			c.aliasesIn = make(map[uint16]string)
		}
		c.aliasesIn[alias] = strings.Clone(name)
	}
	if name[0] == '$' && strings.HasPrefix(name, "$SYS/") {
		return "", refusal(packet.NotAuthorized, "read PUBLISH", errSystemTopic)
	}
	if len(name) > c.ls.srv.cfg.MaxTopicLevels && topic.Levels(name) > c.ls.srv.cfg.MaxTopicLevels {
		return "", refusal(packet.TopicNameInvalid, "read PUBLISH", errTooManyLevels)
	}
	return name, nil
}

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
		m.Expires = time.Now().Add(time.Duration(p.Properties.MessageExpiry) * time.Second)
	}
	m.Borrow()
	return m
}

// unanswered is how many QoS 1 and 2 publishes of the client are not finished.
func (c *conn) unanswered() int {
	n := int(c.qos2)
	if c.acks != nil {
		n += c.acks.unready
	}
	return n
}

// answer acknowledges a publish, after those before it, or refuses it.
func (c *conn) answer(id packet.PacketID, qos packet.QoS, r broker.Result) {
	if !r.OK() && c.version != packet.V5 {
		c.refusePublish(id, qos)
		return
	}
	a := ack{id: id, typ: packet.TypePubAck, ready: true, code: reasonOf(r)}
	if qos == packet.ExactlyOnce {
		a.typ = packet.TypePubRec
		if a.code.Failed() { // v5 4.3.3: the exchange ends here
			c.forget(id)
		}
	}
	if c.acks != nil {
		c.acks.push(a)
		return
	}
	c.putAck(a.typ, a.id, a.code)
}

// forget ends a QoS 2 publish of the client.
func (c *conn) forget(id packet.PacketID) bool {
	known := c.session.Forget(c.epoch, broker.PacketID(id))
	if known && c.qos2 > 0 {
		c.qos2--
	}
	return known
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
func (c *conn) refusePublish(id packet.PacketID, qos packet.QoS) {
	if qos == packet.ExactlyOnce {
		c.forget(id)
	}
	if c.state == connected {
		c.state = refused
		c.nc.SetTimer(c.ls.srv.cfg.RefusePause)
	}
}

// answerAgain repeats PUBREC, unless the first one is not out yet.
func (c *conn) answerAgain(id packet.PacketID) {
	if c.acks != nil && c.acks.holds(id) {
		return
	}
	c.putAck(packet.TypePubRec, id, packet.Success)
}
