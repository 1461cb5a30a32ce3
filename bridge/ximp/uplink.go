package ximp

import (
	"strconv"
	"sync/atomic"
	"time"

	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
	"github.com/holdfast-mqtt/holdfast/broker"
	mqtt "github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

// Topics of what clients send, if it goes to the product's server.
const (
	chatTopic = "up/chat"
	talkTopic = "up/room"
)

// uplink is a message of a client that is being published. It is the broker's Deferrer and Completion, and the task that brings
// the result to the connection's loop.
type uplink struct {
	c       *conn
	answer  func(ok bool)
	size    int // of the packet in bytes
	pending bool
	result  atomic.Uint32
}

// Defer implements broker.Deferrer.
func (u *uplink) Defer() broker.Completion {
	u.pending = true
	u.c.uplinks++
	u.c.upBytes += int32(u.size)
	return u
}

// Published implements broker.Completion.
func (u *uplink) Published(r broker.Result) {
	u.result.Store(uint32(r))
	u.c.nc.Loop().Post(u)
}

// Run implements netloop.Task.
func (u *uplink) Run(*netloop.Loop) {
	u.c.uplinks--
	u.c.upBytes -= int32(u.size)
	u.tell(broker.Result(u.result.Load()))
}

// tell answers the client.
func (u *uplink) tell(r broker.Result) {
	st := &u.c.ls.srv.stats
	if r.OK() {
		count(&st.uplinks)
	} else {
		count(&st.uplinksRefused)
	}
	if u.c.state == loggedIn || u.c.state == moving {
		u.answer(r.OK())
	}
}

// publish publishes a message of the client's with QoS 1 and calls done, now or later, when it is accepted or refused. payload is
// valid during the call; size is that of the packet in bytes.
func (c *conn) publish(name string, payload []byte, props *mqtt.MessageProperties, life time.Duration, size int, done func(ok bool)) {
	u := &uplink{c: c, answer: done, size: size}
	defer c.measure(size)
	if !c.hasRoom(size) {
		u.tell(broker.QuotaExceeded)
		return
	}
	if !c.allows(broker.ActionPublish, name, 1) {
		u.tell(broker.Rejected)
		return
	}
	ls := c.ls
	ls.props = props.Append(ls.props[:0])
	ls.msg = broker.Message{TopicName: name, Payload: payload, QoS: 1, Properties: ls.props}
	if life > 0 {
		ls.msg.Expires = ls.srv.broker.Clock().Now().Add(life)
	}
	ls.msg.Borrow()
	ls.pub = broker.Publish{App: c.session.App(), Message: &ls.msg, Session: c.session, Epoch: c.epoch, Deferrer: u}
	switch r := ls.srv.broker.Publish(ls.scratch, &ls.pub); r {
	case broker.Pending:
	case broker.Stale: // taken over; the end is on its way
	default:
		u.tell(r)
	}
}

// maxUplinkBytes bounds the packets of a client that wait for their answer together; a single one may be larger.
const maxUplinkBytes = 256 << 10

// hasRoom tells whether a packet of that many bytes may wait beside those that do.
func (c *conn) hasRoom(size int) bool {
	return c.uplinks == 0 || int(c.uplinks) < c.ls.srv.cfg.MaxUplinks && int(c.upBytes)+size <= maxUplinkBytes
}

// measure has the client not read from for a while if it publishes faster than it may.
func (c *conn) measure(size int) {
	if c.rare == nil {
		return
	}
	if c.rare.meter != nil { // that bounds it
		c.uncount()
	}
	now := c.nc.Now()
	if wait := c.rare.meter.Publish(now, size); wait > 0 && c.state == loggedIn {
		c.rare.paused = now + wait
		c.nc.PauseRead()
		c.arm()
	}
}

// endPause has a client read from again that has published too fast.
func (c *conn) endPause() {
	if c.rare != nil && c.rare.paused != 0 {
		c.rare.paused = 0
		c.nc.ResumeRead()
	}
}

// onChat publishes a chat message.
func (c *conn) onChat(m *packet.Message, r *packet.ChatRequest, size int) {
	if len(m.Receiver) > maxName { // nobody has logged in under such an id
		c.refuse(m.SN, packet.CodeReceiver, packet.CodeReceiver.String())
		return
	}
	name := chatTopic
	if c.from.rules().Direct && len(m.Receiver) > 0 {
		name = userTopic(string(m.Receiver))
	}
	var p properties
	p.add(propFrom, c.user)
	p.add("to", string(m.Receiver))
	p.add("to-type", string(m.ReceiverType))
	p.add("body-type", strconv.FormatUint(uint64(r.BodyType), 10))
	p.add("sn", strconv.FormatUint(m.SN, 10))
	if r.BodyID.Set {
		p.add("body-id", strconv.FormatUint(uint64(r.BodyID.Value), 10))
	}
	if r.More.Set {
		p.add("more", strconv.FormatUint(uint64(r.More.Value), 10))
	}
	if r.ExpireTime.Value > 0 {
		p.add("expire", strconv.FormatUint(uint64(r.ExpireTime.Value), 10))
	}
	if c.from.rules().Direct {
		p.add(propBox, packet.BoxIM)
	}
	sn, id := m.SN, r.BodyID
	c.publish(name, r.Body, &p.m, time.Duration(r.ExpireTime.Value)*time.Second, size, func(ok bool) {
		out := &packet.ChatResponse{BodyID: id}
		if !ok {
			out.Result = 1
		}
		c.put(answer(packet.IDChat, sn, &packet.Response{Chat: out}))
	})
}

// sendRoom publishes a message to a room.
func (c *conn) sendRoom(sn uint64, room string, r *packet.RoomSendRequest, size int) {
	name := talkTopic
	if c.from.rules().Direct {
		name = roomTopic(room)
	}
	var p properties
	p.add(propFrom, c.user)
	p.add("room", room)
	p.add("sn", strconv.FormatUint(sn, 10))
	p.add("room-msg-type", strconv.FormatInt(int64(r.Type), 10))
	c.publish(name, r.Content, &p.m, 0, size, func(ok bool) {
		d := &packet.RoomDown{Payload: packet.RoomSend, Send: &packet.RoomSendAnswer{}}
		if !ok {
			d.Result, d.Reason = resultDenied, []byte("not accepted")
		}
		c.putRoom(sn, []byte(room), d)
	})
}

// properties gathers User Properties, leaving out what is empty, no text, or longer than any name.
type properties struct{ m mqtt.MessageProperties }

func (p *properties) add(key, value string) {
	if value != "" && len(value) <= maxName && isText(value) {
		p.m.User = append(p.m.User, mqtt.UserProperty{Key: key, Value: value})
	}
}
