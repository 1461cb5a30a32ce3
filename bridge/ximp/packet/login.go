package packet

import (
	"crypto/md5"
	"encoding/hex"
)

// InitLoginRequest is a client's first message. Message.Sender is the user.
type InitLoginRequest struct {
	// ClientRAM is random: 8 to 10 printable characters.
	ClientRAM []byte
	// Sig is the product's signature. Its presence makes the user a signed-in one,
	// and its absence a guest.
	Sig []byte
}

func (r *InitLoginRequest) fields(c *codec) {
	c.text(1, &r.ClientRAM, required)
	c.text(2, &r.Sig, optional)
}

// InitLoginResponse has the client's random characters and the server's.
type InitLoginResponse struct {
	ClientRAM, ServerRAM []byte
}

func (r *InitLoginResponse) fields(c *codec) {
	c.text(1, &r.ClientRAM, required)
	c.text(2, &r.ServerRAM, required)
}

// The networks of LoginRequest.NetType.
const (
	NetUnknown uint32 = 0
	Net2G      uint32 = 1
	Net3G      uint32 = 2
	NetWiFi    uint32 = 3
	NetWired   uint32 = 4
	Net4G      uint32 = 5
)

// LoginRequest is a client's second message.
type LoginRequest struct {
	// MobileType is android, ios or pc.
	MobileType []byte
	NetType    uint32
	// ServerRAM is that of InitLoginResponse.
	ServerRAM []byte
	// SecretRAM shows that the client has the password; see SecretRAM, the function.
	SecretRAM []byte
	// App must equal the header's if it is present.
	App Opt[uint32]
	// HeartFeq is the period of the client's heartbeats in seconds; absent means
	// DefaultHeartFeq, 0 means that it tells none.
	HeartFeq Opt[uint32]
	// DeviceID tells several devices of one user apart.
	DeviceID []byte
	// Platform is web, pc or mobile.
	Platform []byte
	// VerfCode is a guest's verification code; see VerfCode, the function.
	VerfCode []byte
	// NotEncrypt offers plaintext after LoginResp.
	NotEncrypt Opt[bool]
}

// DefaultHeartFeq is the period of heartbeats in seconds of a client that names none.
const DefaultHeartFeq = 300

func (r *LoginRequest) fields(c *codec) {
	c.text(1, &r.MobileType, required)
	number(c, 2, &r.NetType)
	c.text(3, &r.ServerRAM, required)
	c.text(4, &r.SecretRAM, optional)
	maybe(c, 5, &r.App)
	maybe(c, 6, &r.HeartFeq)
	c.text(7, &r.DeviceID, optional)
	c.text(8, &r.Platform, optional)
	c.text(9, &r.VerfCode, optional)
	c.flag(10, &r.NotEncrypt)
}

// LoginResponse ends the login. What follows it, both ways, has SessionKey.
type LoginResponse struct {
	// Timestamp is the server's time in seconds since 1970.
	Timestamp uint32
	SessionID []byte
	// SessionKey is the new key. Empty means plaintext.
	SessionKey []byte
	// ClientIP and ServerIP are addresses as the server sees them.
	ClientIP, ServerIP []byte
}

func (r *LoginResponse) fields(c *codec) {
	number(c, 1, &r.Timestamp)
	c.text(2, &r.SessionID, required)
	c.text(3, &r.SessionKey, required)
	c.text(4, &r.ClientIP, optional)
	c.text(5, &r.ServerIP, optional)
}

// LogoutRequest ends the session at the server.
type LogoutRequest struct {
	Reason []byte
}

func (r *LogoutRequest) fields(c *codec) { c.text(1, &r.Reason, optional) }

// LogoutResponse answers it, with 0.
type LogoutResponse struct {
	Result uint32
}

func (r *LogoutResponse) fields(c *codec) { number(c, 1, &r.Result) }

// ReLogin tells a client that somebody else has logged in with its key.
type ReLogin struct {
	NewIP []byte
}

func (n *ReLogin) fields(c *codec) { c.text(1, &n.NewIP, optional) }

// ReConnect asks a client to connect elsewhere.
type ReConnect struct {
	IP      []byte
	Port    Opt[uint32]
	MoreIPs [][]byte
}

func (n *ReConnect) fields(c *codec) {
	c.text(1, &n.IP, optional)
	maybe(c, 2, &n.Port)
	c.texts(3, &n.MoreIPs)
}

// SecretRAM returns LoginRequest.SecretRAM: the server's random characters and some
// of the client's own, 8 as a rule, encrypted with its password.
func SecretRAM(password Key, serverRAM, own []byte) []byte {
	b := append(append([]byte{}, serverRAM...), own...)
	password.Crypt(b, b)
	return b
}

// VerfCode returns the verification code of a guest: 8 characters of a hash over the
// user id and a salt that servers and clients of an app share.
func VerfCode(user, salt string) string {
	sum := md5.Sum([]byte(user + salt))
	return hex.EncodeToString(sum[12:])
}
