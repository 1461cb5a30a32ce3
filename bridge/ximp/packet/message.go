package packet

// Message is what every packet holds.
type Message struct {
	ID ID
	// SN is the sender's number for a request. Its answer has the same.
	SN uint64
	// Sender and Receiver are user ids. Sender is needed in InitLoginReq; later it
	// must match if it is present.
	Sender, Receiver []byte
	// ReceiverType is jid, phone or qid, and null in requests to a service.
	ReceiverType []byte
	// One of these four is set.
	Request  *Request
	Response *Response
	Notify   *Notify
	Ack      *Ack
	// ClientData is the client's own.
	ClientData Opt[uint64]
	// SenderType is jid.
	SenderType []byte
	// SenderJID is user#... inside stored messages between users.
	SenderJID []byte
}

func (m *Message) fields(c *codec) {
	number(c, 1, &m.ID)
	number(c, 2, &m.SN)
	c.text(3, &m.Sender, optional)
	c.text(4, &m.Receiver, optional)
	c.text(5, &m.ReceiverType, optional)
	sub(c, 6, &m.Request, optional)
	sub(c, 7, &m.Response, optional)
	sub(c, 8, &m.Notify, optional)
	sub(c, 9, &m.Ack, optional)
	// 10 is between servers.
	maybe(c, 11, &m.ClientData)
	c.text(12, &m.SenderType, optional)
	c.text(13, &m.SenderJID, optional)
}

// Request is the body of a request. The one that Message.ID names is set.
type Request struct {
	Login         *LoginRequest
	Chat          *ChatRequest
	GetInfo       *GetInfoRequest
	Logout        *LogoutRequest
	InitLogin     *InitLoginRequest
	Service       *ServiceRequest
	QueryStatus   *StatusRequest
	GetMultiInfos *GetMultiInfosRequest
}

func (r *Request) fields(c *codec) {
	sub(c, 2, &r.Login, optional)
	sub(c, 3, &r.Chat, optional)
	sub(c, 5, &r.GetInfo, optional)
	sub(c, 6, &r.Logout, optional)
	sub(c, 9, &r.InitLogin, optional)
	sub(c, 11, &r.Service, optional)
	sub(c, 12, &r.QueryStatus, optional)
	sub(c, 100, &r.GetMultiInfos, optional)
}

// Response is the body of an answer: Error alone, or the one that Message.ID names.
type Response struct {
	Error         *Error
	Login         *LoginResponse
	Chat          *ChatResponse
	GetInfo       *GetInfoResponse
	Logout        *LogoutResponse
	InitLogin     *InitLoginResponse
	Service       *ServiceResponse
	QueryStatus   *StatusResponse
	GetMultiInfos *GetMultiInfosResponse
}

func (r *Response) fields(c *codec) {
	sub(c, 1, &r.Error, optional)
	sub(c, 3, &r.Login, optional)
	sub(c, 4, &r.Chat, optional)
	sub(c, 6, &r.GetInfo, optional)
	sub(c, 7, &r.Logout, optional)
	sub(c, 10, &r.InitLogin, optional)
	sub(c, 12, &r.Service, optional)
	sub(c, 13, &r.QueryStatus, optional)
	sub(c, 100, &r.GetMultiInfos, optional)
}

// Notify is the body of what a server sends unasked.
type Notify struct {
	NewMessage *NewMessage
	ReLogin    *ReLogin
	ReConnect  *ReConnect
}

func (n *Notify) fields(c *codec) {
	sub(c, 1, &n.NewMessage, optional)
	sub(c, 2, &n.ReLogin, optional)
	sub(c, 3, &n.ReConnect, optional)
}

// Ack is part of the schema. Nobody sends it.
type Ack struct {
	Result uint32
}

func (a *Ack) fields(c *codec) { number(c, 1, &a.Result) }
