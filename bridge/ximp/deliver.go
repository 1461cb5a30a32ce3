package ximp

import (
	"math/rand/v2"
	"strings"
	"time"

	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
	"github.com/holdfast-mqtt/holdfast/broker"
	mqtt "github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

// User Properties of messages to XIMP clients.
const (
	propBox    = "x-box"        // im leads to that inbox
	propType   = "x-msg-type"   // the product's type, decimal; default packet.TypePlain
	propFrom   = "from"         // the sender's id
	propRoomID = "x-room-msgid" // the message's number in the room, decimal
	propSN     = "x-msg-sn"     // the publisher's number of the message, decimal

	propRecallSN = "x-recall-sn" // of a recall: that number of the message withdrawn; see recall.go
)

// idEpoch and idsASecond make the ids of Sessions that do not number their messages, on the scale of those that do.
const (
	idEpoch    = 1735689600
	idsASecond = 65535
)

// Deliver implements broker.Link: it puts the message where the client can pull it from, and has the loop ring.
func (c *conn) Deliver(d *broker.Delivery) broker.Verdict {
	m := d.Message
	if d.QoS == 0 && strings.HasPrefix(m.TopicName, roomPrefix) {
		return c.deliverRoom(d)
	}
	if m.Size()+infoOverhead > packet.MaxPage {
		return broker.Oversized
	}
	k := c.kindOf(m)
	sent := m.Published
	if sent == 0 {
		sent = c.ls.srv.broker.Clock().Now().UnixMilli()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return broker.Gone
	}
	id := c.idOf(d)
	if id == 0 || !c.fitsLocked(m.Size(), d.QoS) {
		c.refused = c.refused || d.QoS > 0
		return broker.Full
	}
	if c.boxes == nil {
		c.boxes = new(boxes)
	}
	e := entry{id: id, msg: m.Keep(), sent: sent, packetID: d.PacketID, qos: d.QoS, recall: recallOf(m)}
	if c.boxes.box[k].withdraw(&e) {
		count(&c.ls.srv.stats.withdrawn)
	}
	c.boxes.add(k, e)
	c.newest[k] = max(c.newest[k], id)
	c.wantAttention()
	return broker.Sent
}

// kindOf is the inbox that a message belongs into.
func (c *conn) kindOf(m *broker.Message) kind {
	switch {
	case strings.HasPrefix(m.TopicName, "broadcast/"):
		return public
	case c.clientVersion > lastWithoutIM && property(m, propBox) == packet.BoxIM:
		return im
	}
	return peer
}

// lastWithoutIM is the last version of clients that do not know the inbox im.
const lastWithoutIM = 101

// number takes note of the number that the Session's mailbox has got to.
func (c *conn) number(seq uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lastID = int64(seq)
	if c.transient {
		c.lastID = max(c.ls.srv.broker.Clock().Now().Unix()-idEpoch, 0) * idsASecond
	}
	for k := range c.newest {
		c.newest[k] = max(c.newest[k], c.lastID)
	}
}

// idOf is the id of a message; 0 is none.
func (c *conn) idOf(d *broker.Delivery) int64 {
	if !c.transient {
		return int64(d.Seq)
	}
	c.lastID++
	return c.lastID
}

// fitsLocked tells whether there is room. What has QoS 0 may have half of it.
func (c *conn) fitsLocked(size int, qos broker.QoS) bool {
	if c.boxes == nil {
		return true
	}
	count, bytes := c.ls.srv.cfg.Window, c.ls.srv.cfg.WindowBytes
	if qos == 0 {
		count, bytes = count/2, bytes/2
	}
	return c.boxes.count < count && (c.boxes.count == 0 || c.boxes.bytes+size <= bytes)
}

// Release implements broker.Link. QoS 2 ends with the first acknowledgement here, so this is for messages that the device has received over another
// protocol; there is nothing to tell it.
func (c *conn) Release(id broker.PacketID, _ any) {
	c.nc.Loop().PostFunc(func() {
		if c.state == loggedIn || c.state == moving {
			c.session.Complete(c.ls.scratch, c.epoch, id)
		}
	})
}

// Yield implements broker.Link.
func (c *conn) Yield(any) { c.nc.Loop().PostFunc(c.resume) }

// resume tells the Session that the inboxes take messages.
func (c *conn) resume() {
	if c.state == loggedIn || c.state == moving {
		c.session.Resume(c.ls.scratch, c.epoch)
	}
}

// wantAttention has the loop look after what was delivered. mu is held.
func (c *conn) wantAttention() {
	if !c.posted {
		c.posted = true
		c.nc.Loop().Post((*attention)(c))
	}
}

// attention is a connection that its loop is to look after.
type attention conn

// Run implements netloop.Task.
func (a *attention) Run(*netloop.Loop) {
	c := (*conn)(a)
	c.mu.Lock()
	c.posted = false
	c.mu.Unlock()
	if c.state == loggedIn {
		c.attend()
		c.arm()
	}
}

// attend does what is due: answers pulls that had to wait, rings doorbells and sends what rooms have to say.
func (c *conn) attend() {
	c.retryPulls()
	c.trimPublic()
	c.ring()
	c.speak()
}

// bellsDue is when a doorbell is to be rung; 0 is not.
func (c *conn) bellsDue() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	var at time.Duration
	if c.boxes == nil {
		return 0
	}
	for k := range c.boxes.box {
		if t := c.bellDue(kind(k)); t != 0 && (at == 0 || t < at) {
			at = t
		}
	}
	return at
}

// spread is how long the doorbell of a broadcast is held back.
func (c *conn) spread() time.Duration {
	if most := c.ls.srv.cfg.RingSpread; most > 0 {
		return rand.N(most)
	}
	return 0
}

// property is a User Property of m; empty if it has none of this name.
func property(m *broker.Message, name string) string {
	for k, v := range mqtt.UserProperties(m.Properties) {
		if string(k) == name {
			return string(v)
		}
	}
	return ""
}
