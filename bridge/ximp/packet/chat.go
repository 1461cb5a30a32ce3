package packet

// ChatRequest sends a message to Message.Receiver.
type ChatRequest struct {
	Body []byte
	// BodyID numbers the parts of a message from 1; More is 1 if more follow.
	BodyID, More Opt[uint32]
	// BodyType is 0 for text, 1 audio, 2 the URL of a picture, 3 both; products
	// have others.
	BodyType uint32
	// Store asks to keep the message for an absent receiver, which is the default.
	Store Opt[bool]
	// MParameter is the client's own, SParameter the service's.
	MParameter []byte
	ServiceID  Opt[uint32]
	SParameter []byte
	// ExpireTime is how many seconds the message has to live.
	ExpireTime Opt[uint32]
}

func (r *ChatRequest) fields(c *codec) {
	c.text(1, &r.Body, required)
	maybe(c, 2, &r.BodyID)
	maybe(c, 3, &r.More)
	number(c, 4, &r.BodyType)
	c.flag(5, &r.Store)
	c.text(6, &r.MParameter, optional)
	maybe(c, 7, &r.ServiceID)
	c.text(8, &r.SParameter, optional)
	maybe(c, 12, &r.ExpireTime)
}

// ChatResponse has 0 if the message was accepted, 1 if not.
type ChatResponse struct {
	Result uint32
	BodyID Opt[uint32]
}

func (r *ChatResponse) fields(c *codec) {
	number(c, 1, &r.Result)
	maybe(c, 2, &r.BodyID)
}

// The services of ServiceRequest.
const (
	ServiceRoom  uint32 = 10000006
	ServiceGroup uint32 = 10000001
)

// ServiceRequest carries a packet to a service: RoomPacket or GroupUp.
type ServiceRequest struct {
	ServiceID uint32
	Request   []byte
}

func (r *ServiceRequest) fields(c *codec) {
	number(c, 1, &r.ServiceID)
	c.text(2, &r.Request, required)
}

// ServiceResponse carries its answer: RoomPacket or GroupDown.
type ServiceResponse struct {
	ServiceID uint32
	Response  []byte
}

func (r *ServiceResponse) fields(c *codec) {
	number(c, 1, &r.ServiceID)
	c.text(2, &r.Response, required)
}
