package packet

import "strconv"

// ID says what a Message is. The answer to a request has the request's plus 100000.
type ID uint32

// The messages of the protocol. An answer that refuses has IDError.
const (
	IDError              ID = 0
	IDLogin              ID = 100001
	IDChat               ID = 100002
	IDGetInfo            ID = 100004
	IDLogout             ID = 100005
	IDInitLogin          ID = 100009
	IDService            ID = 100011
	IDQueryStatus        ID = 100012
	IDGetMultiInfos      ID = 100100
	IDNewMessage         ID = 300000
	IDReLogin            ID = 300001
	IDReConnect          ID = 300002
	IDAck                ID = 400000
	idResponse           ID = 100000 // added to a request's
	firstRequest, beyond    = 100000, 200000
)

var idNames = map[ID]string{
	IDError: "Error", IDLogin: "LoginReq", IDChat: "ChatReq", IDGetInfo: "GetInfoReq", IDLogout: "LogoutReq",
	IDInitLogin: "InitLoginReq", IDService: "Service_Req", IDQueryStatus: "Ex1QueryUserStatusReq",
	IDGetMultiInfos: "GetMultiInfosReq", IDNewMessage: "NewMessageNotify", IDReLogin: "ReLoginNotify",
	IDReConnect: "ReConnectNotify", IDAck: "Ack",
	IDLogin.Response(): "LoginResp", IDChat.Response(): "ChatResp", IDGetInfo.Response(): "GetInfoResp",
	IDLogout.Response(): "LogoutResp", IDInitLogin.Response(): "InitLoginResp", IDService.Response(): "Service_Resp",
	IDQueryStatus.Response(): "Ex1QueryUserStatusResp", IDGetMultiInfos.Response(): "GetMultiInfosResp",
}

// Request tells whether id is in the range of requests.
func (id ID) Request() bool { return id >= firstRequest && id < beyond }

// Response returns the ID of the answer to a request.
func (id ID) Response() ID { return id + idResponse }

// String returns the message's name in the schema, or the number.
func (id ID) String() string {
	if name, ok := idNames[id]; ok {
		return name
	}
	return strconv.FormatUint(uint64(id), 10)
}
