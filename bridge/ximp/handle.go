package ximp

import (
	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
)

// handle deals with one message. Checks are made in this order: the state, the sender, and whether the request is there.
func (c *conn) handle(m *packet.Message, size int) {
	code := c.admits(m.ID)
	switch {
	case code != 0:
	case c.state != awaitInit && len(m.Sender) > 0 && string(m.Sender) != c.user:
		c.refuse(m.SN, packet.CodeSender, "sender is another one")
		return
	case m.Request != nil:
	case c.state < loggedIn:
		code = packet.CodeOrder
	default:
		code = packet.CodeParameter
	}
	if code != 0 {
		c.refuse(m.SN, code, code.String())
		return
	}
	if !c.dispatch(m, m.Request, size) {
		c.refuse(m.SN, packet.CodeParameter, "request is missing")
	}
}

// admits tells why a message with this id may not come in this state; 0 is no reason.
func (c *conn) admits(id packet.ID) packet.Code {
	switch c.state {
	case awaitInit:
		if id == packet.IDInitLogin {
			return 0
		}
	case awaitLogin:
		if id == packet.IDLogin {
			return 0
		}
	case loggedIn, moving:
		switch id {
		case packet.IDInitLogin, packet.IDLogin:
			return packet.CodeOrder
		case packet.IDGetInfo, packet.IDGetMultiInfos, packet.IDService, packet.IDLogout, packet.IDChat, packet.IDQueryStatus:
			return 0
		}
		return packet.CodeParameter
	}
	return packet.CodeOrder
}

// dispatch hands the request on. It returns false if the one that the id names is not there.
func (c *conn) dispatch(m *packet.Message, r *packet.Request, size int) bool {
	switch {
	case m.ID == packet.IDInitLogin && r.InitLogin != nil:
		c.onInitLogin(m, r.InitLogin)
	case m.ID == packet.IDLogin && r.Login != nil:
		c.onLogin(m, r.Login)
	case m.ID == packet.IDGetInfo && r.GetInfo != nil:
		c.onGetInfo(m.SN, r.GetInfo)
	case m.ID == packet.IDGetMultiInfos && r.GetMultiInfos != nil:
		c.onGetMultiInfos(m.SN, r.GetMultiInfos)
	case m.ID == packet.IDService && r.Service != nil:
		c.onService(m.SN, r.Service, size)
	case m.ID == packet.IDLogout && r.Logout != nil:
		c.onLogout(m.SN)
	case m.ID == packet.IDChat && r.Chat != nil:
		c.onChat(m, r.Chat, size)
	case m.ID == packet.IDQueryStatus && r.QueryStatus != nil:
		c.onQueryStatus(m.SN, r.QueryStatus)
	default:
		return false
	}
	return true
}

// answer is the response to the request sn with this id.
func answer(id packet.ID, sn uint64, r *packet.Response) *packet.Message {
	return &packet.Message{ID: id.Response(), SN: sn, Response: r}
}
