package miop

import (
	"strings"

	"github.com/holdfast-mqtt/holdfast/bridge/miop/packet"
	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

// byReference is the payload size in bytes from which a payload is written from where it lies instead of being copied
// into each connection's output.
const byReference = 4 << 10

// flight is a delivery to the client that is not settled.
type flight struct {
	ack  uint64 // its number on the connection; 0 if the client will not acknowledge it
	bind *bind
	id   broker.PacketID
	qos  broker.QoS
}

// wantsAck tells whether the client is to acknowledge the delivery.
func (b *bind) wantsAck(d *broker.Delivery) bool {
	return d.QoS > 0 && b.version.Acks() && !isGroup(d.Message.TopicName)
}

// isGroup tells whether a topic is a room's: what is sent there is not acknowledged.
func isGroup(name string) bool { return name[0] == 'g' && strings.HasPrefix(name, "group/") }

// Deliver implements broker.Link: Msg.
func (b *bind) Deliver(d *broker.Delivery) broker.Verdict {
	c, m := b.c, d.Message
	out := packet.Message{Version: b.version, Layout: b.layout, ID: b.messageID(d), AppID: b.appID, Length: len(m.Payload)}
	wants := b.wantsAck(d)
	c.mu.Lock()
	defer c.mu.Unlock()
	if wants {
		out.Ack = c.lastAck + 1
	}
	size := out.Size()
	if size == 0 {
		return broker.Oversized
	}
	payload := m.Payload
	if len(payload) >= byReference {
		payload = m.Keep().Payload
		size -= len(payload)
	}
	dst, ok := c.nc.Begin(size)
	if !ok {
		return broker.Full
	}
	loop, _ := d.Via.(*netloop.Loop)
	if dst = out.AppendHeader(dst); len(payload) >= byReference {
		c.nc.EndRef(loop, dst, payload)
	} else {
		c.nc.End(loop, append(dst, payload...))
	}
	c.note(flight{ack: out.Ack, bind: b, id: d.PacketID, qos: d.QoS})
	return broker.Sent
}

// note remembers what has been sent until it is settled.
func (c *conn) note(f flight) {
	switch b := f.bind; {
	case f.qos == 0:
	case b.dropped: // its number is used up all the same: the client may acknowledge it
		c.lastAck = max(c.lastAck, f.ack)
	case f.ack == 0: // the Session's lock is held: it is told in a turn of the loop
		if c.settling = append(c.settling, f); len(c.settling) == 1 {
			c.nc.Loop().Post((*settleTask)(c))
		}
	default:
		c.lastAck = f.ack
		c.flights = append(c.flights, f)
		if b.inFlight++; b.inFlight >= int(b.window) && !b.watched {
			b.watched = true
			c.nc.Loop().Post((*watchTask)(b))
		}
	}
}

// watchTask watches a bind whose window is full.
type watchTask bind

// Run implements netloop.Task.
func (t *watchTask) Run(*netloop.Loop) {
	b := (*bind)(t)
	if c := b.c; c.state != closed && !b.gone {
		b.watching, b.acked = true, c.nc.Now()
		c.armTimer()
	}
}

// settleTask settles what the client will not acknowledge.
type settleTask conn

// Run implements netloop.Task.
func (t *settleTask) Run(*netloop.Loop) {
	c := (*conn)(t)
	c.mu.Lock()
	done := c.settling
	c.settling = nil
	c.mu.Unlock()
	for _, f := range done {
		c.settle(f)
	}
}

// onMsgAck settles a delivery.
func (c *conn) onMsgAck(f *packet.Frame) {
	n, ok := f.Props.Uint("ack")
	if !ok || n == 0 {
		c.wonder(uncertainAckNone)
		return
	}
	fl, ok := c.land(n)
	if !ok {
		c.wonder(uncertainAckUnknown)
		return
	}
	fl.bind.acked = c.nc.Loop().Now()
	c.settle(fl)
}

// land takes number n out of what is in flight.
func (c *conn) land(n uint64) (f flight, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.flights {
		if f = c.flights[i]; f.ack == n {
			f.bind.inFlight--
			c.flights = append(c.flights[:i], c.flights[i+1:]...)
			return f, true
		}
	}
	return flight{}, false
}

// settle tells the Session that the client has a message.
func (c *conn) settle(f flight) {
	b := f.bind
	switch {
	case b.gone || b.session == nil:
	case f.qos == 2: // the client has nothing that would be a receipt: its acknowledgement is the end
		b.session.Received(c.ls.scratch, b.epoch, f.id, false)
	default:
		b.session.Ack(c.ls.scratch, b.epoch, f.id)
	}
}

// Release implements broker.Link. It is called for messages that the client has received over another protocol; there is nothing to
// tell it here.
func (b *bind) Release(id broker.PacketID, _ any) {
	b.c.nc.Loop().PostFunc(func() {
		if !b.gone && b.session != nil {
			b.session.Complete(b.c.ls.scratch, b.epoch, id)
		}
	})
}

// Yield implements broker.Link.
func (b *bind) Yield(any) {
	b.c.nc.Loop().PostFunc(func() {
		if !b.gone && b.session != nil {
			b.session.Resume(b.c.ls.scratch, b.epoch)
		}
	})
}

// Lags implements broker.Lagger.
func (b *bind) Lags() bool { return b.c.nc.Lags() }

// End implements broker.Link.
func (b *bind) End(reason error) {
	b.c.nc.Loop().PostFunc(func() { b.c.kick(b, reason) })
}
