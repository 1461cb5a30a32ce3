package mqtt

import (
	"errors"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
	"github.com/holdfast-mqtt/holdfast/broker/topic"
)

// onSubscribe adds subscriptions and answers with one Reason Code for each:
// v5 [MQTT-3.8.4-1], v3.1.1 [MQTT-3.8.4-1].
func (c *conn) onSubscribe(f packet.Frame) error {
	p, err := packet.DecodeSubscribe(f, c.version)
	if err != nil {
		return err
	}
	for _, pf := range p.Filters {
		if err := c.checkFilter("read SUBSCRIBE", pf.TopicFilter); err != nil {
			return err
		}
	}
	done := &subscribing{c: c, filters: make([]string, 0, len(p.Filters))}
	done.answer = packet.SubAck{PacketID: p.PacketID, Reasons: make([]packet.ReasonCode, len(p.Filters))}
	reasons := done.answer.Reasons
	subs := make([]broker.Subscribe, 0, len(p.Filters)) // those whose Reason Code is no failure
	for i, pf := range p.Filters {
		if !c.allowsFilter(pf.TopicFilter, pf.QoS) {
			reasons[i] = c.subscribeCode(errNotAuthorized)
			continue
		}
		reasons[i] = packet.ReasonCode(pf.QoS)
		subs = append(subs, broker.Subscribe{
			TopicFilter: pf.TopicFilter,
			ID:          p.SubscriptionID,
			Options:     topic.NewOptions(uint8(pf.QoS), pf.NoLocal, pf.RetainAsPublished, pf.RetainHandling),
		})
		done.filters = append(done.filters, pf.TopicFilter)
	}
	errs, pending, err := c.session.Subscribe(c.ls.scratch, c.epoch, subs, done)
	if err != nil {
		return nil // taken over; the end is on its way
	}
	for i, code := range reasons {
		if code.Failed() {
			continue
		}
		if errs[0] != nil {
			reasons[i] = c.subscribeCode(errs[0])
		}
		errs = errs[1:]
	}
	if pending && !done.early() {
		return nil
	}
	return done.give()
}

// putAnswer puts out a SUBACK or UNSUBACK, which is empty if it would be larger
// than the client takes. It must not be sent then, v5 [MQTT-3.1.2-24], and the
// client would wait for it: it is let go.
func (c *conn) putAnswer(b []byte) error {
	if len(b) == 0 {
		return refusal(packet.PacketTooLarge, "answer", errAnswerTooLarge)
	}
	c.put(b)
	return nil
}

// subscribeCode is the Reason Code for a subscription that was refused; MQTT 3
// knows only one.
func (c *conn) subscribeCode(err error) packet.ReasonCode {
	switch {
	case c.version != packet.V5:
	case errors.Is(err, errNotAuthorized), errors.Is(err, broker.ErrNotAuthorized):
		return packet.NotAuthorized
	case errors.Is(err, broker.ErrQuotaExceeded):
		return packet.QuotaExceeded
	}
	return packet.UnspecifiedError
}

// checkFilter refuses Topic Filters that are not well formed, or too deep.
func (c *conn) checkFilter(op, filter string) error {
	if err := topic.ValidateFilter(filter); err != nil {
		return refusal(packet.TopicFilterInvalid, op, err)
	}
	if topic.Levels(filter) > c.ls.srv.cfg.MaxTopicLevels {
		return refusal(packet.TopicFilterInvalid, op, errTooManyLevels)
	}
	return nil
}

// onUnsubscribe removes subscriptions: v5 [MQTT-3.10.4-4], v3.1.1 [MQTT-3.10.4-4].
func (c *conn) onUnsubscribe(f packet.Frame) error {
	p, err := packet.DecodeUnsubscribe(f, c.version)
	if err != nil {
		return err
	}
	for _, filter := range p.Filters {
		if err := c.checkFilter("read UNSUBSCRIBE", filter); err != nil {
			return err
		}
	}
	done := &subscribing{c: c}
	existed, pending, err := c.session.Unsubscribe(c.ls.scratch, c.epoch, p.Filters, done)
	if err != nil {
		return nil // taken over; the end is on its way
	}
	done.answer = packet.SubAck{PacketID: p.PacketID, Reasons: make([]packet.ReasonCode, len(existed))}
	for i, was := range existed {
		if !was {
			done.answer.Reasons[i] = packet.NoSubscriptionExisted
		}
	}
	if pending && !done.early() {
		return nil
	}
	return done.give()
}

// onDisconnect lets the client go.
func (c *conn) onDisconnect(f packet.Frame) error {
	if err := c.takeLeave(f); err != nil {
		return err
	}
	c.close(errDisconnect, 0)
	return nil
}

// takeLeave notes what DISCONNECT says of the connection's end, whatever ends it then.
func (c *conn) takeLeave(f packet.Frame) error {
	p, err := packet.DecodeDisconnect(f, c.version)
	if err != nil {
		return err
	}
	if p.HasSessionExpiry {
		if !c.hadExpiry && p.SessionExpiry != 0 { // v5 3.14.2.2.2
			return protocolError("read DISCONNECT", errSessionExpiry)
		}
		c.newExpiry, c.expiry = true, p.SessionExpiry
	}
	if p.Reason == packet.NormalDisconnection { // any other leaves the Will in place: v5 [MQTT-3.14.4-3]
		c.graceful = true
	}
	return nil
}
