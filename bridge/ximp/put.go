package ximp

import (
	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
)

// maxScratch bounds what a loop keeps of memory in which packets are made, in bytes.
const maxScratch = 64 << 10

// put sends m under the key that is in force. Only for use on the loop, which keeps the key and the packets in step.
func (c *conn) put(m *packet.Message) {
	b := c.encode(m)
	if c.inText() {
		c.nc.WriteText(c.ls.loop, b)
	} else {
		c.nc.Write(c.ls.loop, b)
	}
	c.answered = true
	c.ls.keep(b)
}

// offer is put for what may be dropped: it returns false if the connection takes no more at present.
func (c *conn) offer(m *packet.Message) bool {
	b := c.encode(m)
	ok := false
	if c.inText() {
		ok = c.nc.OfferText(c.ls.loop, b)
	} else if dst, room := c.nc.Begin(len(b)); room {
		c.nc.End(c.ls.loop, append(dst, b...))
		ok = true
	}
	c.answered = c.answered || ok
	c.ls.keep(b)
	return ok
}

// keep has the memory of b used again, if it is not too much.
func (ls *loopState) keep(b []byte) {
	if cap(b) <= maxScratch {
		ls.out = b[:0]
	}
}

// encode returns m as a packet, in memory that the loop uses again.
func (c *conn) encode(m *packet.Message) []byte {
	b := c.frame(m)
	if c.web && len(b) < minWebPacket {
		c.lengthen(m)
		b = c.frame(m)
	}
	return b
}

func (c *conn) frame(m *packet.Message) []byte {
	dst := c.ls.out[:0]
	switch {
	case c.inText():
		return packet.AppendText(dst, m, c.key, false)
	case !c.answered:
		return packet.AppendFirstAnswer(dst, c.version, m, c.key)
	}
	return packet.AppendPacket(dst, m, c.key)
}

// inText tells whether the client is answered in the text form.
func (c *conn) inText() bool { return c.text && c.from.rules().TextAnswers }
