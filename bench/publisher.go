package bench

import (
	"fmt"
	"math"

	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

// batchBytes is how much output is asked for at a time: one chunk of netloop.
const batchBytes = 4 << 10

// publisher is the role of a client that publishes. It belongs to its client's
// loop. next <= until holds, and at QoS 1 no more messages than the window wait
// for their PUBACK.
type publisher struct {
	// static
	c       *client
	m       *meter
	tmpl    template
	sampled int  // times every n-th message, n >= 1
	paced   bool // publishes when told, and not when there is room

	// owned by the loop
	running bool
	next    uint32 // sequence number of the next message
	until   uint32 // sequence number that may not be published yet
	sample  int    // messages until the next timed one
	acked   *bitmap
	stuck   uint32 // until, when last looked at by unstall

	// QoS 1: free Packet Identifiers in a ring, so that none is used again soon
	free     []uint16
	freeHead int
	freeLen  int
	seqOf    []uint32 // by Packet Identifier: sequence number + 1, 0 while free
	stamps   []int64  // by Packet Identifier: when it was published, 0 if not timed; nil: PUBACKs are not timed
}

func newPublisher(c *client, index uint32, topic string) *publisher {
	o := c.fleet.opts
	p := &publisher{
		c: c, m: c.meter, until: math.MaxUint32, sampled: o.SampleEvery,
		tmpl: newTemplate(o.Version, o.QoS, topic, index, o.Payload),
	}
	if o.QoS > packet.AtMostOnce {
		p.setWindow(o.Window)
	}
	c.role = p
	return p
}

func (p *publisher) setWindow(n int) {
	p.free, p.seqOf = make([]uint16, n), make([]uint32, n+1)
	for i := range p.free {
		p.free[i] = uint16(i + 1)
	}
	p.freeHead, p.freeLen = 0, n
}

// timeAcks has the time from PUBLISH to PUBACK recorded. It comes before the first
// message.
func (p *publisher) timeAcks() { p.stamps = make([]int64, len(p.seqOf)) }

// limit obeys the broker's Receive Maximum, v5 [MQTT-3.3.4-7]. It comes before
// the first message.
func (p *publisher) limit(receiveMaximum int) {
	if p.seqOf == nil || receiveMaximum >= len(p.free) {
		return
	}
	p.setWindow(receiveMaximum)
	if p.stamps != nil {
		p.timeAcks()
	}
}

// room is the number of messages that may be published now.
func (p *publisher) room() int {
	if !p.running || p.m.stopped {
		return 0
	}
	n := int(p.until - p.next)
	if p.seqOf != nil {
		n = min(n, p.freeLen)
	}
	return n
}

// Run starts or continues publishing: netloop.Task.
func (p *publisher) Run(*netloop.Loop) {
	p.running = true
	p.m.now = 0
	p.pump()
}

// pump publishes as much as the window allows.
func (p *publisher) pump() {
	if p.c.stage != ready {
		return
	}
	for n := p.room(); n > 0; n = p.room() {
		n = min(n, max(1, batchBytes/len(p.tmpl.head)))
		if !p.put(n) {
			return // OnWritable follows
		}
	}
}

// put publishes n messages in one piece. It returns false when the connection
// takes no more.
func (p *publisher) put(n int) bool {
	conn := p.c.conn
	if p.tmpl.rest != nil {
		n = 1
	}
	buf, ok := conn.Begin(n * len(p.tmpl.head))
	if !ok {
		return false
	}
	for range n {
		var id uint16
		if p.seqOf != nil {
			id = p.free[p.freeHead]
			if p.freeHead++; p.freeHead == len(p.free) {
				p.freeHead = 0
			}
			p.freeLen--
			p.seqOf[id] = p.next + 1
		}
		var stamp int64
		if p.sample--; p.sample < 0 {
			p.sample = p.sampled - 1
			stamp = p.m.clock()
		}
		if p.stamps != nil {
			p.stamps[id] = stamp
		}
		buf = p.tmpl.append(buf, packet.PacketID(id), stamp, p.next)
		p.next++
	}
	p.m.published += uint64(n)
	if p.tmpl.rest != nil {
		conn.EndRef(p.m.loop, buf, p.tmpl.rest)
		return true
	}
	conn.End(p.m.loop, buf)
	return true
}

func (p *publisher) ack(id packet.PacketID, rc packet.ReasonCode) error {
	if int(id) >= len(p.seqOf) || p.seqOf[id] == 0 {
		return fmt.Errorf("%w: PUBACK for Packet Identifier %d, which is not in use", ErrUnexpected, id)
	}
	seq := p.seqOf[id] - 1
	p.seqOf[id] = 0
	tail := p.freeHead + p.freeLen
	if tail >= len(p.free) {
		tail -= len(p.free)
	}
	p.free[tail] = uint16(id)
	p.freeLen++
	if p.stamps != nil && p.stamps[id] != 0 && p.m.recording {
		record(p.m.ack, p.m.time()-p.stamps[id])
	}
	if rc.Failed() {
		p.m.refused++
		return nil
	}
	p.m.acked++
	if p.acked != nil {
		p.acked.set(seq)
	}
	return nil
}

// message is never called: a publisher subscribes to nothing.
func (p *publisher) message(mark) error { return errForeign }

func (p *publisher) turn() {
	if p.running && !p.paced {
		p.pump()
	}
}
