package ximp

import (
	"strconv"

	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/topic"
)

// room is one that a connection is in, or listens to.
type room struct {
	joined  bool
	listens bool
	shared  *sharedRoom // what all connections in it have in common
}

// Results of requests that the broker or its rules refuse.
const (
	resultDenied int32 = 1
	resultFull   int32 = 2
)

// onRoom serves a request to the room service.
func (c *conn) onRoom(sn uint64, raw []byte, size int) {
	var p packet.RoomPacket
	if err := packet.Decode(raw, &p); err != nil || !isRoomID(p.RoomID) || p.Up == nil {
		c.refuse(sn, packet.CodeParameter, packet.CodeParameter.String())
		return
	}
	up, id := p.Up, p.RoomID
	switch {
	case up.Payload == packet.RoomJoin && up.Join != nil && len(up.Join.RoomID) > 0:
		c.joinRoom(sn, id, up.Join)
	case up.Payload == packet.RoomQuit && up.Quit != nil && len(up.Quit.RoomID) > 0:
		c.quitRoom(string(id))
		c.putRoom(sn, id, &packet.RoomDown{Quit: &packet.RoomAnswer{Room: &packet.Room{RoomID: id}}, Payload: up.Payload})
	case up.Payload == packet.RoomQuery && up.Query != nil && len(up.Query.RoomID) > 0:
		c.queryRoom(sn, id)
	case up.Payload == packet.RoomSubscribe && up.Subscribe != nil && isRoomID(up.Subscribe.RoomID):
		c.subscribeRoom(sn, id, up.Subscribe)
	case up.Payload == packet.RoomSend && up.Send != nil && len(up.Send.RoomID) > 0:
		c.sendRoom(sn, string(id), up.Send, size)
	default:
		c.refuse(sn, packet.CodeParameter, packet.CodeParameter.String())
	}
}

// isRoomID tells whether a room may have that id: it must not be empty, and is kept for as long as somebody listens.
func isRoomID(id []byte) bool { return len(id) > 0 && len(id) <= maxName }

// putRoom answers a request about a room.
func (c *conn) putRoom(sn uint64, id []byte, d *packet.RoomDown) {
	p := packet.RoomPacket{RoomID: id, Down: d, App: packet.Some(uint32(c.app))}
	c.put(answer(packet.IDService, sn, &packet.Response{
		Service: &packet.ServiceResponse{ServiceID: packet.ServiceRoom, Response: packet.Append(nil, &p)},
	}))
}

// mayListen returns 0 if the room's messages may come, or why they must not.
func (c *conn) mayListen(t string) int32 {
	r := c.room(t)
	switch {
	case r != nil && r.listens:
	case !c.allows(broker.ActionSubscribe, t, 0):
		return resultDenied
	case r == nil && c.rare != nil && len(c.rare.rooms) >= c.ls.srv.cfg.MaxRooms:
		return resultFull
	}
	return 0
}

// listen has the room's messages come. It returns 0, or why they do not.
func (c *conn) listen(name string) int32 {
	t := roomTopic(name)
	r := c.room(t)
	if r != nil && r.listens {
		return 0
	}
	if result := c.mayListen(t); result != 0 {
		return result
	}
	sub := broker.Subscribe{TopicFilter: t, Options: topic.NewOptions(0, false, false, 2), Fleeting: true}
	errs, _, err := c.session.Subscribe(c.ls.scratch, c.epoch, []broker.Subscribe{sub}, nil)
	if err != nil || errs[0] != nil {
		return resultFull
	}
	if r == nil {
		r = &room{shared: c.ls.srv.rooms.hold(c.roomKey(name))}
		m := c.more()
		if m.rooms == nil {
			m.rooms = make(map[string]*room)
		}
		m.rooms[t] = r
	}
	r.listens = true
	return 0
}

// ignore has the room's messages come no more.
func (c *conn) ignore(name string) {
	t := roomTopic(name)
	if r := c.room(t); r != nil && r.listens {
		r.listens = false
		_, _, _ = c.session.Unsubscribe(c.ls.scratch, c.epoch, []string{t}, nil)
	}
}

// quitRoom ends a membership, if there is one.
func (c *conn) quitRoom(name string) {
	c.dropJoins(name)
	c.ignore(name)
	t := roomTopic(name)
	if r := c.room(t); r != nil && r.joined {
		c.leaveRoom(r)
	}
	c.forgetRoom(t)
}

func (c *conn) forgetRoom(t string) {
	if r := c.room(t); r != nil {
		c.ls.srv.rooms.release(r.shared)
		delete(c.rare.rooms, t)
		c.relax()
	}
}

// leaveRooms ends all memberships. The subscriptions end with the connection.
func (c *conn) leaveRooms() {
	if c.rare == nil {
		return
	}
	for _, r := range c.rare.rooms {
		if r.joined {
			c.leaveRoom(r)
		}
		c.ls.srv.rooms.release(r.shared)
	}
	for _, call := range c.rare.joins {
		call.dropped.Store(true)
	}
	c.rare.rooms, c.rare.joins = nil, nil
}

// leaveRoom takes note that a member is one no more.
func (c *conn) leaveRoom(r *room) {
	c.ls.srv.rooms.enter(r.shared, -1, -c.registered())
	if d := c.ls.srv.desk; d != nil {
		d.leave(roomUserKey{r.shared.key, c.user})
	}
}

// queryRoom tells how many are in a room.
func (c *conn) queryRoom(sn uint64, id []byte) {
	members, registered, newest := c.ls.srv.rooms.count(c.roomKey(string(id)))
	if members == 0 {
		c.refuse(sn, packet.CodeRefused, "no such room")
		return
	}
	c.putRoom(sn, id, &packet.RoomDown{Payload: packet.RoomQuery, Query: &packet.RoomAnswer{Room: &packet.Room{
		RoomID: id, MaxID: packet.Some(uint64(newest)), Properties: memberCounts(registered, members),
	}}})
}

// subscribeRoom switches delivery on or off. The client need not be a member, unless there is somebody who decides about that.
func (c *conn) subscribeRoom(sn uint64, outer []byte, s *packet.RoomSubscription) {
	d := &packet.RoomDown{Payload: packet.RoomSubscribe, Subscribe: s}
	name := string(s.RoomID)
	switch r := c.room(roomTopic(name)); {
	case s.On.Value && c.ls.srv.cfg.RoomAdmitter != nil && (r == nil || !r.joined):
		d.Result = resultDenied
	case s.On.Value:
		d.Result = c.listen(name)
	default:
		c.ignore(name)
		if r != nil && !r.joined {
			c.forgetRoom(roomTopic(name))
		}
	}
	c.putRoom(sn, outer, d)
}

func memberCounts(registered, members int) []packet.RoomPair {
	return []packet.RoomPair{
		{Key: []byte(packet.RoomRegisteredCount), Value: strconv.AppendInt(nil, int64(registered), 10)},
		{Key: []byte(packet.RoomMemberCount), Value: strconv.AppendInt(nil, int64(members), 10)},
	}
}

// registered is 1 for a registered user, 0 for a guest.
func (c *conn) registered() int {
	if isRegistered(c.user) {
		return 1
	}
	return 0
}

func (c *conn) roomKey(name string) roomKey { return roomKey{c.session.App(), roomTopic(name)} }
