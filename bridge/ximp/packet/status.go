package packet

// The states of UserStatus.
const (
	StatusUnknown     int32 = 0 // no such user
	StatusUnreachable int32 = 1 // off line, and cannot be reached
	StatusReachable   int32 = 2 // off line, and gets what is sent later
	StatusOnline      int32 = 3
)

// StatusRequest asks who is on line.
type StatusRequest struct {
	Users []UserQuery
}

func (r *StatusRequest) fields(c *codec) { subs(c, 1, &r.Users) }

// UserQuery names a user.
type UserQuery struct {
	UserID []byte
	// UserType is jid, qid, phone or email.
	UserType []byte
	App      Opt[uint32]
}

func (u *UserQuery) fields(c *codec) {
	c.text(1, &u.UserID, required)
	c.text(2, &u.UserType, required)
	maybe(c, 3, &u.App)
}

// StatusResponse answers for each user.
type StatusResponse struct {
	Users []UserStatus
}

func (r *StatusResponse) fields(c *codec) { subs(c, 1, &r.Users) }

// UserStatus tells where a user is. Some clients drop those without JID.
type UserStatus struct {
	UserID, UserType     []byte
	Status               int32
	JID                  []byte
	App                  Opt[uint32]
	Platform, MobileType []byte
	ClientVersion        Opt[uint32]
}

func (u *UserStatus) fields(c *codec) {
	c.text(1, &u.UserID, required)
	c.text(2, &u.UserType, required)
	number(c, 3, &u.Status)
	c.text(4, &u.JID, optional)
	maybe(c, 5, &u.App)
	c.text(6, &u.Platform, optional)
	c.text(7, &u.MobileType, optional)
	maybe(c, 8, &u.ClientVersion)
}
