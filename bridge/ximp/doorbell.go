package ximp

import (
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
)

// queryAfter is over how many seconds the pulls of a broadcast should be spread. Clients that are known do not care, so that
// Config.RingSpread does it too.
const queryAfter = 60

// bellDue is when the doorbell of k is to be rung; 0 is not. One that is unanswered is rung again after a while, and stands for all
// that has come since. mu is held.
func (c *conn) bellDue(k kind) time.Duration {
	b := &c.boxes.box[k]
	l := &b.bell
	switch {
	case b.lastShown() < 0, c.web && k == public:
		return 0
	case l.rung != 0:
		return l.at + c.ls.srv.cfg.RingRepeat
	case b.entries[b.lastShown()].id <= l.told:
		return 0
	case k == public && l.at == 0:
		l.at = c.nc.Now() + c.spread()
	}
	at := max(l.at, 1)
	if !c.pulled.has(k) {
		at = max(at, c.quiet)
	}
	return at
}

// ring rings the doorbells that are due.
func (c *conn) ring() {
	now := c.nc.Now()
	for k := range kinds {
		c.mu.Lock()
		var rung entry
		if c.boxes != nil {
			if at := c.bellDue(k); at != 0 && at <= now {
				rung = c.toRing(k)
			}
		}
		c.mu.Unlock()
		if rung.msg != nil {
			c.announce(k, &rung)
		}
	}
}

// toRing is the message for which the doorbell is to be rung: the newest, or for a web client the next one. There is one that is shown.
// mu is held.
func (c *conn) toRing(k kind) entry {
	b := &c.boxes.box[k]
	l := &b.bell
	last := b.lastShown()
	e := b.entries[last]
	if c.web {
		at := b.shownFrom(b.from(l.told + 1))
		if l.rung != 0 { // again
			at = b.shownFrom(b.from(l.rung))
		}
		e = b.entries[min(at, last)]
	}
	l.rung, l.at = e.id, c.nc.Now()
	l.told = max(l.told, e.id)
	return e
}

// announce sends the doorbell of e.
func (c *conn) announce(k kind, e *entry) {
	count(&c.ls.srv.stats.rings)
	n := &packet.NewMessage{InfoType: []byte(boxNames[k]), ID: packet.Some(e.id)}
	receiver := c.user
	if k == public {
		receiver = ""
		n.QueryAfter = packet.Some(rand.Uint32N(queryAfter))
	} else {
		n.Content = append(strconv.AppendInt([]byte(`{"cmd":"push","data":{"msg_id":`), e.id, 10), `,"pushtype":100}}`...)
		n.QueryAfter = packet.Some(uint32(0))
	}
	c.notify(property(e.msg, propFrom), receiver, &packet.Notify{NewMessage: n}, packet.IDNewMessage)
}

// notify sends what the client has not asked for, whose number is random.
func (c *conn) notify(sender, receiver string, n *packet.Notify, id packet.ID) {
	c.put(notification(sender, receiver, n, id))
}

func notification(sender, receiver string, n *packet.Notify, id packet.ID) *packet.Message {
	return &packet.Message{ID: id, SN: uint64(rand.Int64()), Sender: []byte(sender), Receiver: []byte(receiver), Notify: n}
}

// answered notes that the client has pulled the box, and got these messages. It knows of all that is there then; a web client
// only of what it was given.
func (b *box) answered(es []entry, web bool) {
	b.bell.rung, b.bell.at = 0, 0
	if !web {
		b.bell.told = max(b.bell.told, b.newest())
		return
	}
	for i := range es {
		b.bell.told = max(b.bell.told, es[i].id)
	}
}
