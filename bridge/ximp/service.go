package ximp

import (
	"strings"
	"unicode/utf8"

	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
)

// onService serves the services there are.
func (c *conn) onService(sn uint64, r *packet.ServiceRequest, size int) {
	switch r.ServiceID {
	case packet.ServiceRoom:
		c.onRoom(sn, r.Request, size)
	case packet.ServiceGroup:
		c.onGroup(sn, r.Request)
	default:
		c.refuse(sn, packet.CodeParameter, "no such service")
	}
}

// onGroup refuses a request to the group service, which there is not, in its own words: after an error clients would connect anew,
// or wait.
func (c *conn) onGroup(sn uint64, raw []byte) {
	var up packet.GroupUp
	if packet.Decode(raw, &up) != nil {
		c.refuse(sn, packet.CodeParameter, packet.CodeParameter.String())
		return
	}
	down := packet.GroupDown{Result: 1, Payload: up.Payload, Reason: []byte("there are no groups")}
	c.put(answer(packet.IDService, sn, &packet.Response{
		Service: &packet.ServiceResponse{ServiceID: packet.ServiceGroup, Response: packet.Append(nil, &down)},
	}))
}

// maxStatus is how many users a client may ask about at once.
const maxStatus = 100

// onQueryStatus tells who is on line: who has a Session that is subscribed to the user's topic, whatever protocol it speaks.
func (c *conn) onQueryStatus(sn uint64, r *packet.StatusRequest) {
	if len(r.Users) > maxStatus {
		c.refuse(sn, packet.CodeQuery, "too many users")
		return
	}
	out := new(packet.StatusResponse)
	for i := range r.Users {
		q := &r.Users[i]
		if max(len(q.UserID), len(q.UserType)) > maxName { // nobody is it, and the answer has both
			c.refuse(sn, packet.CodeQuery, "user id is too long")
			return
		}
		s := packet.UserStatus{UserID: q.UserID, UserType: q.UserType, JID: q.UserID, App: q.App, Status: packet.StatusUnknown}
		if !q.App.Set || q.App.Value == uint32(c.app) {
			s.Status = c.statusOf(string(q.UserID))
		}
		out.Users = append(out.Users, s)
	}
	c.put(answer(packet.IDQueryStatus, sn, &packet.Response{QueryStatus: out}))
}

func (c *conn) statusOf(user string) int32 {
	connected, away := c.session.App().Audience(c.ls.scratch, userTopic(user))
	switch {
	case connected > 0:
		return packet.StatusOnline
	case away > 0:
		return packet.StatusReachable
	}
	return packet.StatusUnknown
}

// isText tells whether s may be in a User Property: UTF-8 without NUL (v5 1.5.4).
func isText(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }
