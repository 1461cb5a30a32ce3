package ximp

import (
	"slices"
	"time"

	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
	"github.com/holdfast-mqtt/holdfast/broker/login"
)

// maxJoining is how many joins of one connection may be being decided, those included that it does not want any more.
const maxJoining = 16

// joinRoom makes the client a member, at once or when that has been decided. Joining twice succeeds.
func (c *conn) joinRoom(sn uint64, id []byte, r *packet.RoomJoinRequest) {
	name, desk := string(id), c.ls.srv.desk
	if result := c.mayListen(roomTopic(name)); result != 0 {
		c.answerJoin(sn, id, RoomAnswer{Result: result, Reason: "not allowed"})
		return
	}
	if desk == nil || desk.admit == nil {
		c.answerJoin(sn, id, c.becomeMember(name))
		return
	}
	if joinSize(r) > maxJoinSize {
		count(&c.ls.srv.stats.joinsRefused)
		c.answerJoin(sn, id, RoomAnswer{Result: resultDenied, Reason: "too many arguments"})
		return
	}
	call := &roomCall{c: c, sn: sn, entry: c.roomEntry(name, r), until: c.nc.Now() + desk.timeout, deadline: time.Now().Add(desk.timeout)}
	if c.rare != nil && c.rare.asked >= maxJoining || !desk.ask(roomUserKey{c.roomKey(name), c.user}, call) {
		count(&c.ls.srv.stats.joinsOverflow)
		c.answerJoin(sn, id, RoomAnswer{Result: resultDenied, Reason: "try again later"})
		return
	}
	m := c.more()
	m.joins = append(m.joins, call)
	m.asked++
	c.arm()
}

// maxJoinSize bounds what a client gives when it joins, in bytes, while that waits to be decided.
const maxJoinSize = 16 << 10

// joinSize is what it takes, about.
func joinSize(r *packet.RoomJoinRequest) int {
	size := len(r.UserData)
	if r.Room != nil {
		for i := range r.Room.Properties {
			size += len(r.Room.Properties[i].Key) + len(r.Room.Properties[i].Value) + 64
		}
	}
	return size
}

// roomEntry is what hooks are told of the client.
func (c *conn) roomEntry(name string, r *packet.RoomJoinRequest) *RoomEntry {
	e := &RoomEntry{
		App: c.session.App().Name(), AppID: c.app, Room: name, User: c.user, ClientID: c.session.ClientID(),
		Remote: login.Remote(c.nc), Audience: !c.web && !r.NoUserList.Value, UserData: slices.Clone(r.UserData),
	}
	if r.Room != nil {
		for i := range r.Room.Properties {
			p := &r.Room.Properties[i]
			e.Arguments = append(e.Arguments, RoomArgument{Key: string(p.Key), Value: slices.Clone(p.Value)})
		}
	}
	return e
}

// onRoomAnswer goes on with a join that has been decided.
func (c *conn) onRoomAnswer(call *roomCall) {
	desk, stats := c.ls.srv.desk, &c.ls.srv.stats
	if c.rare != nil {
		c.rare.asked--
	}
	if !c.takeJoin(call) { // the client has gone, has quit, or has been answered
		desk.settle(call, false)
		c.relax()
		return
	}
	in, name := false, call.entry.Room
	switch {
	case call.failed:
		count(&stats.joinsFailed)
	case call.answer.Result != 0:
		count(&stats.joinsRefused)
	default:
		count(&stats.joinsAdmitted)
		r := c.room(roomTopic(name))
		was := r != nil && r.joined
		if a := c.addMember(name); a.Result != 0 {
			call.answer = a
		} else {
			in = !was
		}
	}
	desk.settle(call, in)
	c.answerJoin(call.sn, []byte(name), call.answer)
	c.relax()
	c.arm()
}

// takeJoin takes a join from those that are being decided. It returns false if it is not among them.
func (c *conn) takeJoin(call *roomCall) bool {
	if c.rare == nil || c.state != loggedIn && c.state != moving {
		return false
	}
	i := slices.Index(c.rare.joins, call)
	if i < 0 {
		return false
	}
	if c.rare.joins = slices.Delete(c.rare.joins, i, i+1); len(c.rare.joins) == 0 {
		c.rare.joins = nil
	}
	return true
}

// expireJoins answers the joins that have not been decided in time.
func (c *conn) expireJoins(now time.Duration) {
	for c.rare != nil && len(c.rare.joins) > 0 && c.rare.joins[0].until <= now {
		call := c.rare.joins[0]
		c.takeJoin(call)
		count(&c.ls.srv.stats.joinsFailed)
		c.answerJoin(call.sn, []byte(call.entry.Room), RoomAnswer{Result: resultDenied, Reason: "try again later"})
	}
}

// dropJoins answers the joins of a room that the client does not want any more.
func (c *conn) dropJoins(name string) {
	if c.rare == nil {
		return
	}
	for _, call := range slices.Clone(c.rare.joins) {
		if call.entry.Room == name {
			c.takeJoin(call)
			call.dropped.Store(true)
			c.answerJoin(call.sn, []byte(name), RoomAnswer{Result: resultFull, Reason: "quit"})
		}
	}
}

// becomeMember makes the client a member of a room about which nobody is asked.
func (c *conn) becomeMember(name string) RoomAnswer {
	r := c.room(roomTopic(name))
	was := r != nil && r.joined
	a := c.addMember(name)
	if d := c.ls.srv.desk; d != nil && a.Result == 0 && !was {
		d.enter(roomUserKey{c.roomKey(name), c.user}, c.roomEntry(name, new(packet.RoomJoinRequest)))
	}
	return a
}

// addMember has the room's messages come, and counts the client.
func (c *conn) addMember(name string) RoomAnswer {
	if result := c.listen(name); result != 0 {
		return RoomAnswer{Result: result, Reason: "not allowed"}
	}
	if r := c.room(roomTopic(name)); !r.joined {
		r.joined = true
		c.ls.srv.rooms.enter(r.shared, 1, c.registered())
	}
	return RoomAnswer{}
}

// answerJoin tells the client what has become of its join.
func (c *conn) answerJoin(sn uint64, id []byte, a RoomAnswer) {
	d := &packet.RoomDown{
		Payload: packet.RoomJoin, Result: a.Result, Join: &packet.RoomJoinAnswer{Room: &packet.Room{RoomID: id}, PullLost: packet.Some(true)},
	}
	if a.Reason != "" {
		d.Reason = []byte(a.Reason)
	}
	if a.Result == 0 {
		d.Join.Room = &packet.Room{
			RoomID: id, Version: packet.Some(uint64(0)), MaxID: packet.Some(uint64(0)), Type: []byte{},
			Properties: memberCounts(0, 0), Members: []packet.RoomUser{{UserID: []byte(c.user)}}, PartnerData: a.PartnerData,
		}
	}
	c.putRoom(sn, id, d)
}
