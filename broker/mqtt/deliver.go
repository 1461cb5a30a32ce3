package mqtt

import (
	"errors"
	"strings"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

// byReference is the payload size in bytes from which a payload is written
// from where it lies instead of being copied into each connection's output.
const byReference = 4 << 10

// Deliver implements broker.Link.
func (c *conn) Deliver(d *broker.Delivery) broker.Verdict {
	m := d.Message
	out := packet.PublishOut{
		Dup:      d.Dup,
		Retain:   d.Retain,
		QoS:      packet.QoS(d.QoS),
		PacketID: packet.PacketID(d.PacketID),
		Topic:    m.TopicName,
		Payload:  m.Payload,
	}
	var alias aliasUse
	if c.version == packet.V5 {
		out.Forward = m.Properties
		out.SubscriptionIDs = d.SubscriptionIDs
		if !m.Expires.IsZero() {
			out.HasMessageExpiry = true // v5 [MQTT-3.3.2-6]: what is left of it
			out.MessageExpiry = uint32(max(m.Expires.Sub(c.ls.srv.broker.Clock().Now())+time.Second-1, 0) / time.Second)
		}
		alias = c.aliasesOut.use(&out)
	}
	size := packet.PublishSize(c.version, &out)
	if c.maxPacket != 0 && size > int(c.maxPacket) && alias.alias != 0 {
		out.TopicAlias, alias = 0, aliasUse{} // without setting an alias it may fit
		size = packet.PublishSize(c.version, &out)
	}
	if size == 0 || c.maxPacket != 0 && size > int(c.maxPacket) {
		return broker.Oversized // v5 [MQTT-3.1.2-24]
	}
	if len(out.Payload) >= byReference {
		out.Payload = m.Keep().Payload
		size -= len(out.Payload)
	}
	dst, ok := c.nc.Begin(size)
	if !ok {
		return broker.Full
	}
	loop, _ := d.Via.(*netloop.Loop)
	if len(out.Payload) >= byReference {
		c.nc.EndRef(loop, packet.AppendPublishHeader(dst, c.version, &out), out.Payload)
	} else {
		c.nc.End(loop, packet.AppendPublish(dst, c.version, &out))
	}
	c.aliasesOut.commit(alias)
	if d.QoS > 0 && c.deaf.Load() {
		c.deaf.Store(false)
		c.nc.Loop().Post((*hearTask)(c))
	}
	return broker.Sent
}

// Release implements broker.Link: PUBREL.
func (c *conn) Release(id broker.PacketID, via any) {
	loop, _ := via.(*netloop.Loop)
	if dst, ok := c.nc.BeginControl(8); ok {
		c.nc.End(loop, packet.AppendAck(dst, packet.TypePubRel, c.version, packet.PacketID(id), packet.Success))
	}
}

// Yield implements broker.Link.
func (c *conn) Yield(any) {
	c.nc.Loop().PostFunc(func() {
		if c.state == connected {
			c.session.Resume(c.ls.scratch, c.epoch)
		}
	})
}

// Lags implements broker.Lagger.
func (c *conn) Lags() bool { return c.nc.Lags() }

// End implements broker.Link.
func (c *conn) End(reason error) {
	c.nc.Loop().PostFunc(func() {
		if c.state == connecting {
			c.refuse(packet.ServerUnavailable)
		}
		c.close(reason, endCode(reason))
	})
}

func endCode(reason error) packet.ReasonCode {
	switch {
	case errors.Is(reason, broker.ErrTakenOver):
		return packet.SessionTakenOver // v5 [MQTT-3.1.4-3]
	case errors.Is(reason, broker.ErrSlowConsumer), errors.Is(reason, broker.ErrFruitless), errors.Is(reason, broker.ErrQuotaExceeded):
		return packet.QuotaExceeded
	case errors.Is(reason, broker.ErrKicked):
		return packet.AdministrativeAction
	case errors.Is(reason, broker.ErrClosed):
		return packet.ServerShuttingDown
	}
	return packet.UnspecifiedError
}

// Bounds of the Topic Aliases that the server sets per client: their number,
// and the length in bytes of a Topic Name that is worth one and not too long
// to be kept.
const (
	maxAliasesOut = 32
	minAliased    = 4
	maxAliased    = 256
)

// aliasesOut are the Topic Aliases set towards an MQTT 5 client: the first
// Topic Names get one. nil is for clients that take none.
type aliasesOut struct {
	max   uint16
	alias map[string]uint16
}

// aliasUse is an alias that a packet is about to set.
type aliasUse struct {
	name  string
	alias uint16
}

func newAliasesOut(most int) *aliasesOut {
	if most == 0 {
		return nil
	}
	return &aliasesOut{max: uint16(min(most, maxAliasesOut))}
}

// use has out carry an alias, if it may. A new one counts once it is committed.
func (a *aliasesOut) use(out *packet.PublishOut) aliasUse {
	if a == nil || len(out.Topic) < minAliased || len(out.Topic) > maxAliased {
		return aliasUse{}
	}
	if n, ok := a.alias[out.Topic]; ok {
		out.Topic, out.TopicAlias = "", n
		return aliasUse{}
	}
	if len(a.alias) >= int(a.max) {
		return aliasUse{}
	}
	out.TopicAlias = uint16(len(a.alias)) + 1
	return aliasUse{out.Topic, out.TopicAlias}
}

func (a *aliasesOut) commit(u aliasUse) {
	if u.alias == 0 {
		return
	}
	if a.alias == nil {
		a.alias = make(map[string]uint16)
	}
	a.alias[strings.Clone(u.name)] = u.alias
}
