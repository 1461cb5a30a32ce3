package packet

// The payload types of rooms. An answer has its request's.
const (
	RoomQuery      uint32 = 101
	RoomJoin       uint32 = 102
	RoomQuit       uint32 = 103
	RoomSubscribe  uint32 = 109
	RoomSend       uint32 = 300
	RoomNewMessage uint32 = 1000
	RoomJoined     uint32 = 1001
	RoomLeft       uint32 = 1002
	RoomBundle     uint32 = 1003
)

// RoomPacket is a packet of the room service, either way.
type RoomPacket struct {
	// RoomID must not be empty.
	RoomID []byte
	Up     *RoomUp
	Down   *RoomDown
	// UUID, ClientSN and App come from clients and mean nothing; a server sets App.
	UUID     []byte
	ClientSN Opt[uint64]
	App      Opt[uint32]
}

func (p *RoomPacket) fields(c *codec) {
	c.text(1, &p.RoomID, required)
	sub(c, 2, &p.Up, optional)
	sub(c, 3, &p.Down, optional)
	c.text(4, &p.UUID, optional)
	maybe(c, 5, &p.ClientSN)
	maybe(c, 6, &p.App)
}

// RoomUp is a request. The one that Payload names is set.
type RoomUp struct {
	Payload   uint32
	Query     *RoomQueryRequest
	Join      *RoomJoinRequest
	Quit      *RoomQuitRequest
	Send      *RoomSendRequest
	Subscribe *RoomSubscription
}

func (u *RoomUp) fields(c *codec) {
	number(c, 1, &u.Payload)
	sub(c, 3, &u.Query, optional)
	sub(c, 4, &u.Join, optional)
	sub(c, 5, &u.Quit, optional)
	sub(c, 11, &u.Send, optional)
	sub(c, 14, &u.Subscribe, optional)
}

// RoomDown is an answer, or what happened in the room. The one that Payload names
// is set.
type RoomDown struct {
	// Result is 0 for success; others are the product's.
	Result    int32
	Payload   uint32
	Query     *RoomAnswer
	Join      *RoomJoinAnswer
	Quit      *RoomAnswer
	Send      *RoomSendAnswer
	New       *RoomMessage
	Joined    *RoomChange
	Left      *RoomChange
	Subscribe *RoomSubscription
	// Reason is for people.
	Reason []byte
	// Bundle has several messages at once.
	Bundle []RoomBundled
}

func (d *RoomDown) fields(c *codec) {
	number(c, 1, &d.Result)
	number(c, 2, &d.Payload)
	sub(c, 4, &d.Query, optional)
	sub(c, 5, &d.Join, optional)
	sub(c, 6, &d.Quit, optional)
	sub(c, 12, &d.Send, optional)
	sub(c, 13, &d.New, optional)
	sub(c, 16, &d.Joined, optional)
	sub(c, 17, &d.Left, optional)
	sub(c, 18, &d.Subscribe, optional)
	c.text(100, &d.Reason, optional)
	subs(c, 200, &d.Bundle)
}

// RoomQueryRequest asks about a room.
type RoomQueryRequest struct {
	RoomID []byte
	// Index and Offset page through the members; servers ignore them.
	Index, Offset Opt[int32]
}

func (r *RoomQueryRequest) fields(c *codec) {
	c.text(1, &r.RoomID, required)
	maybe(c, 2, &r.Index)
	maybe(c, 3, &r.Offset)
}

// RoomJoinRequest joins a room.
type RoomJoinRequest struct {
	RoomID []byte
	// Room.Properties are the arguments.
	Room       *Room
	UserIDType Opt[int32]
	UserData   []byte
	NoUserList Opt[bool]
}

func (r *RoomJoinRequest) fields(c *codec) {
	c.text(1, &r.RoomID, required)
	sub(c, 2, &r.Room, optional)
	maybe(c, 3, &r.UserIDType)
	c.text(4, &r.UserData, optional)
	c.flag(5, &r.NoUserList)
}

// RoomJoinAnswer describes the room joined.
type RoomJoinAnswer struct {
	Room *Room
	// PullLost tells that the client may fetch messages it has missed; absent
	// means that it may.
	PullLost Opt[bool]
}

func (r *RoomJoinAnswer) fields(c *codec) {
	sub(c, 1, &r.Room, optional)
	c.flag(2, &r.PullLost)
}

// RoomQuitRequest leaves a room.
type RoomQuitRequest struct {
	RoomID []byte
	Room   *Room
}

func (r *RoomQuitRequest) fields(c *codec) {
	c.text(1, &r.RoomID, required)
	sub(c, 2, &r.Room, optional)
}

// RoomAnswer answers a query or a quit.
type RoomAnswer struct {
	Room *Room
}

func (r *RoomAnswer) fields(c *codec) { sub(c, 1, &r.Room, optional) }

// RoomSubscription switches a room's messages on or off for this connection. The
// answer is the same.
type RoomSubscription struct {
	RoomID []byte
	On     Opt[bool]
}

func (r *RoomSubscription) fields(c *codec) {
	c.text(1, &r.RoomID, required)
	c.flag(2, &r.On)
}

// RoomSendRequest sends a message to a room.
type RoomSendRequest struct {
	Sender  *RoomUser
	RoomID  []byte
	Type    int32
	Content []byte
}

func (r *RoomSendRequest) fields(c *codec) {
	sub(c, 1, &r.Sender, optional)
	c.text(2, &r.RoomID, required)
	number(c, 3, &r.Type)
	c.text(4, &r.Content, optional)
}

// RoomSendAnswer has the message's number in the room, if it has one.
type RoomSendAnswer struct {
	ID Opt[uint64]
}

func (r *RoomSendAnswer) fields(c *codec) { maybe(c, 1, &r.ID) }

// RoomMessage is a message to a room.
type RoomMessage struct {
	RoomID  []byte
	Sender  *RoomUser
	Type    Opt[int32]
	Content []byte
	// Registered and Members count the registered members and all.
	Registered, Members Opt[int32]
	// ID is the message's number in the room and MaxID the newest one; absent where
	// the room does not number.
	ID, MaxID Opt[uint32]
	// Timestamp is in milliseconds since 1970.
	Timestamp Opt[uint64]
}

func (m *RoomMessage) fields(c *codec) {
	c.text(1, &m.RoomID, required)
	sub(c, 2, &m.Sender, optional)
	maybe(c, 3, &m.Type)
	c.text(4, &m.Content, optional)
	maybe(c, 5, &m.Registered)
	maybe(c, 6, &m.Members)
	maybe(c, 7, &m.ID)
	maybe(c, 8, &m.MaxID)
	maybe(c, 9, &m.Timestamp)
}

// RoomBundled is one message of a bundle.
type RoomBundled struct {
	// Type is RoomNewMessage, RoomJoined or RoomLeft.
	Type int32
	// Data is a gzip member of a RoomMessage or a RoomChange; see Gzip and Inflate.
	Data                []byte
	Registered, Members Opt[int32]
}

func (b *RoomBundled) fields(c *codec) {
	number(c, 1, &b.Type)
	c.text(2, &b.Data, required)
	maybe(c, 3, &b.Registered)
	maybe(c, 4, &b.Members)
}

// RoomChange tells who has joined or left, in Room.Members.
type RoomChange struct {
	Room *Room
}

func (r *RoomChange) fields(c *codec) { sub(c, 1, &r.Room, required) }

// Room describes a room.
type Room struct {
	RoomID  []byte
	Name    []byte
	Version Opt[uint64]
	MaxID   Opt[uint64]
	Type    []byte
	// Properties has memcount and regmemcount in decimal, in answers.
	Properties []RoomPair
	Members    []RoomUser
	// PartnerData is the product's for who joins.
	PartnerData []byte
}

func (r *Room) fields(c *codec) {
	c.text(1, &r.RoomID, required)
	c.text(3, &r.Name, optional)
	maybe(c, 4, &r.Version)
	maybe(c, 5, &r.MaxID)
	c.text(7, &r.Type, optional)
	subs(c, 8, &r.Properties)
	subs(c, 9, &r.Members)
	c.text(13, &r.PartnerData, optional)
}

// The keys of Room.Properties that servers set.
const (
	RoomMemberCount     = "memcount"
	RoomRegisteredCount = "regmemcount"
)

// RoomPair is a property.
type RoomPair struct {
	Key, Value []byte
}

func (p *RoomPair) fields(c *codec) {
	c.text(1, &p.Key, required)
	c.text(2, &p.Value, optional)
}

// RoomUser is a member of a room.
type RoomUser struct {
	UserID, Name []byte
	Status       Opt[int32]
	UserData     []byte
}

func (u *RoomUser) fields(c *codec) {
	c.text(1, &u.UserID, optional)
	c.text(2, &u.Name, optional)
	maybe(c, 5, &u.Status)
	c.text(6, &u.UserData, optional)
}
