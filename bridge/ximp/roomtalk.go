package ximp

import (
	"strings"

	"github.com/holdfast-mqtt/holdfast/bridge"
	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
	"github.com/holdfast-mqtt/holdfast/broker"
)

// roomMessage is a message of a room for a connection.
type roomMessage struct {
	msg  *broker.Message
	sent int64 // when it came, in ms since 1970
}

// Bundles of room messages: from how many on they are made, and of how many at most.
const (
	bundleFrom = 3
	bundleMost = 10
)

// deliverRoom takes a message of a room, if there is room for it.
func (c *conn) deliverRoom(d *broker.Delivery) broker.Verdict {
	now := c.ls.srv.broker.Clock().Now().UnixMilli()
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.gone:
		return broker.Gone
	case d.Message.Size()+infoOverhead > packet.MaxPage:
		return broker.Oversized
	case c.talk != nil && len(*c.talk) >= c.ls.srv.cfg.MaxRoomQueue:
		count(&c.ls.srv.stats.dropped)
		return broker.Full
	}
	if c.talk == nil {
		c.talk = new([]roomMessage)
	}
	*c.talk = append(*c.talk, roomMessage{d.Message.Keep(), now})
	c.wantAttention()
	return broker.Sent
}

// talking tells whether room messages wait.
func (c *conn) talking() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.talk != nil
}

// speak sends the room messages that wait: the first at once, and those that come soon after it together.
func (c *conn) speak() {
	now := c.nc.Now()
	if !c.web && c.rare != nil && now < c.rare.gather {
		return
	}
	c.mu.Lock()
	waits := c.talk
	c.talk = nil
	c.mu.Unlock()
	if waits == nil {
		return
	}
	talk := *waits
	c.more().gather = now + gatherTime
	for len(talk) > 0 {
		n := 1
		if !c.web && len(talk) >= bundleFrom {
			n = sameRoom(talk)
		}
		if n >= bundleFrom {
			c.putBundle(talk[:n])
		} else {
			for i := range n {
				c.putTalk(&talk[i])
			}
		}
		talk = talk[n:]
	}
}

// sameRoom is how many of the first messages belong into one bundle. Large ones are sent by themselves: they would have to be made a gzip
// member for each member of the room, since these are not kept.
func sameRoom(talk []roomMessage) int {
	n := 0
	for n < min(len(talk), bundleMost) && talk[n].msg.TopicName == talk[0].msg.TopicName && talk[n].msg.Size() <= maxZipKept {
		n++
	}
	return max(n, 1)
}

// putTalk sends one message. It is dropped if the client does not read.
func (c *conn) putTalk(t *roomMessage) {
	m := c.roomMessageOf(t)
	id := int64(0)
	if m.ID.Set {
		id = int64(m.ID.Value)
	}
	sender := ""
	if m.Sender != nil {
		sender = string(m.Sender.UserID)
	}
	c.putRoomNotify(m.RoomID, &packet.RoomDown{Payload: packet.RoomNewMessage, New: m}, sender, id, 1)
}

// putBundle sends several, each as a gzip member of its own.
func (c *conn) putBundle(talk []roomMessage) {
	d := &packet.RoomDown{Payload: packet.RoomBundle}
	for i := range talk {
		d.Bundle = append(d.Bundle, packet.RoomBundled{
			Type: int32(packet.RoomNewMessage), Data: c.ls.zipped.of(talk[i].msg, func() []byte {
				return packet.Gzip(packet.Append(nil, c.roomMessageOf(&talk[i])))
			}),
		})
	}
	c.putRoomNotify([]byte(roomOf(talk[0].msg)), d, "", 0, len(talk))
}

func (c *conn) putRoomNotify(room []byte, d *packet.RoomDown, sender string, id int64, n int) {
	p := packet.RoomPacket{RoomID: room, Down: d, App: packet.Some(uint32(c.app))}
	ok := c.offer(notification(sender, "", &packet.Notify{NewMessage: &packet.NewMessage{
		InfoType: []byte(packet.BoxRoom), Content: packet.Append(nil, &p), ID: packet.Some(id), QueryAfter: packet.Some(uint32(0)),
	}}, packet.IDNewMessage))
	if ok {
		c.ls.srv.stats.roomMessages.Add(uint64(n))
	} else {
		c.ls.srv.stats.dropped.Add(uint64(n))
	}
}

// roomOf is the room that a message was published to.
func roomOf(m *broker.Message) string {
	return bridge.Unescape(strings.TrimPrefix(m.TopicName, roomPrefix))
}

// roomMessageOf is a message as clients read it.
func (c *conn) roomMessageOf(t *roomMessage) *packet.RoomMessage {
	id, newest := roomID(t.msg), uint32(0)
	if id != 0 {
		if r := c.room(t.msg.TopicName); r != nil {
			newest = r.shared.newest.Load()
		}
		if id > newest { // it is not believed
			id = 0
		}
	}
	return newRoomMessage(t.msg, id, newest, t.sent)
}

// newRoomMessage is a message of a room that came at sent, in ms since 1970. id is its number, 0 for none, and newest that of the newest.
func newRoomMessage(msg *broker.Message, id, newest uint32, sent int64) *packet.RoomMessage {
	m := &packet.RoomMessage{
		RoomID: []byte(roomOf(msg)), Type: packet.Some(int32(0)), Content: msg.Payload, Timestamp: packet.Some(uint64(sent)),
	}
	if from := property(msg, propFrom); from != "" {
		m.Sender = &packet.RoomUser{UserID: []byte(from)}
	}
	if id != 0 {
		m.ID, m.MaxID = packet.Some(id), packet.Some(max(id, newest))
	}
	return m
}

// zipCache keeps the latest room messages as gzip members, which all members of a room that live on one loop share. There is place for
// the bundles of several rooms at a time.
type zipCache struct {
	kept [64]struct {
		msg *broker.Message
		zip []byte
	}
	next int
}

// maxZipKept bounds a message in a bundle in bytes.
const maxZipKept = 16 << 10

// of returns that of m, which zip makes if it is not there.
func (z *zipCache) of(m *broker.Message, zip func() []byte) []byte {
	for i := range z.kept {
		if z.kept[i].msg == m {
			return z.kept[i].zip
		}
	}
	k := &z.kept[z.next]
	z.next = (z.next + 1) % len(z.kept)
	k.msg, k.zip = m, zip()
	return k.zip
}
