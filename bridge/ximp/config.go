package ximp

import (
	"log/slog"
	"time"

	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/login"
)

// Config holds the settings of a Server. Zero fields take the default.
type Config struct {
	// Broker is where Sessions live. Required.
	Broker *broker.Broker
	// Logger gets what operators must know. nil discards.
	Logger *slog.Logger
	// Authenticator decides who may log in: the user is the sender of InitLogin, the password the product's signature or
	// a guest's verification code. nil lets everybody in that the Rules do.
	Authenticator broker.Authenticator
	// Logins asks the Authenticator, and is the caller's to stop. nil has the Server make one of its own if it needs one.
	Logins *login.Pool
	// Authorizer decides what clients may publish to and which rooms they may join, unless their own Permissions do. nil
	// allows everything.
	Authorizer broker.Authorizer
	// MaxApps bounds the Apps that are named after the numbers which clients come with, because nothing is configured for these. An
	// App is never given up. Default 1,000.
	MaxApps int
	// FirstTimeout is how long a client may take to send its first packet. Default 10 s.
	FirstTimeout time.Duration
	// LoginTimeout is how long it may take between packets until it has logged in. Default 30 s.
	LoginTimeout time.Duration
	// SessionExpiry is how long the Session of a device is kept after its connection. Default 7 days.
	SessionExpiry time.Duration
	// Window is how many messages a connection's inboxes hold, and should be no less than the mailbox's bound. Default 1,000.
	Window int
	// WindowBytes bounds the same in bytes. Default 1 MiB.
	WindowBytes int
	// RingRepeat is how long a doorbell may go unanswered until it is rung again. Default 30 s.
	RingRepeat time.Duration
	// RingSpread is over how long the doorbells of one broadcast are spread. Default 1 s; negative is not at all.
	RingSpread time.Duration
	// MaxUplinks is how many publishes of one client may wait for their answer; further ones are refused. Default 32.
	MaxUplinks int
	// MaxRooms is how many rooms a connection may be in. Default 64.
	MaxRooms int
	// MaxMultiInfos is how many ids of GetMultiInfos are answered, the last ones. Default 100; negative answers none.
	MaxMultiInfos int
	// KeptMessages is how many messages of a room are kept for GetMultiInfos, of those that have a number. Default 200; negative
	// keeps none.
	KeptMessages int
	// KeptRoomBytes bounds those of one room, and KeptBytes those of all, in bytes. Default 1 MiB and 16 MiB.
	KeptRoomBytes, KeptBytes int
	// KeptFor is how long a message is kept, and a room is known after the last member has left. Default 5 minutes.
	KeptFor time.Duration
	// RoomAdmitter decides who may join rooms, after the Authorizer. nil has everybody join.
	RoomAdmitter RoomAdmitter
	// RoomQuitObserver is told who has left them. It may be nil.
	RoomQuitObserver RoomQuitObserver
	// RoomTimeout is how long a join may take to be decided, and a hook to be told of a quit. Default 900 ms: pages wait for 1 s.
	RoomTimeout time.Duration
	// RoomWorkers is how many calls of these hooks are made at a time. Default 16.
	RoomWorkers int
	// MaxRoomJoins bounds the joins that wait to be decided; further ones are refused. Default 1,024.
	MaxRoomJoins int
	// MaxRoomQuits bounds the quits that wait to be told; further ones are not told, and counted. Default 65,536.
	MaxRoomQuits int
	// MaxRoomQueue bounds the room messages that wait for one connection; further ones are dropped. Default 500.
	MaxRoomQueue int
	// DrainWait is how long clients have to leave that have been asked to connect elsewhere. Default 5 s.
	DrainWait time.Duration
	// Elsewhere are the addresses that they are told, without port. It may be empty.
	Elsewhere []string
	// ElsewherePort is the port of these; 0 tells none.
	ElsewherePort uint16
}

func (c Config) withDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	span := func(p *time.Duration, d time.Duration) {
		if *p == 0 {
			*p = d
		}
	}
	count := func(p *int, n int) {
		if *p == 0 {
			*p = n
		}
	}
	span(&c.FirstTimeout, 10*time.Second)
	span(&c.LoginTimeout, 30*time.Second)
	span(&c.SessionExpiry, 7*24*time.Hour)
	span(&c.RingRepeat, 30*time.Second)
	span(&c.RingSpread, time.Second)
	span(&c.DrainWait, 5*time.Second)
	span(&c.RoomTimeout, 900*time.Millisecond)
	count(&c.MaxApps, 1000)
	span(&c.KeptFor, 5*time.Minute)
	count(&c.Window, 1000)
	c.Window = min(c.Window, 65535)
	count(&c.WindowBytes, 1<<20)
	count(&c.MaxUplinks, 32)
	count(&c.MaxRooms, 64)
	count(&c.MaxMultiInfos, 100)
	count(&c.MaxRoomQueue, 500)
	count(&c.KeptMessages, 200)
	count(&c.KeptRoomBytes, 1<<20)
	count(&c.KeptBytes, 16<<20)
	count(&c.RoomWorkers, 16)
	count(&c.MaxRoomJoins, 1024)
	count(&c.MaxRoomQuits, 1<<16)
	return c
}

// GuestRule says what becomes of users without a signature.
type GuestRule uint8

// Rules for guests.
const (
	// GuestsAsk has the Authenticator decide, as about others.
	GuestsAsk GuestRule = iota
	// GuestsCheck lets those in whose verification code fits the app's salt.
	GuestsCheck
	// GuestsAccept lets them in.
	GuestsAccept
	// GuestsRefuse refuses them.
	GuestsRefuse
)

// SecretRule says what becomes of the secret_ram of users with a signature.
type SecretRule uint8

// Rules for secret_ram.
const (
	// SecretCheck refuses users whose secret_ram was not made with their token, if one is known.
	SecretCheck SecretRule = iota
	// SecretRequire also refuses those of whom no token is known.
	SecretRequire
	// SecretIgnore lets everything pass that is not empty.
	SecretIgnore
)

// Rules are what applies to the clients of a listener. The zero value takes plaintext only. They must not change once
// there are connections, and their functions are called on loops, by several at once, and must not block.
type Rules struct {
	// Apps are the names of Apps by their native number; one that is not here is ximp-NUMBER. A listener with an App puts
	// all clients into that.
	Apps map[uint16]string
	// OnlyApps refuses those that are not in Apps.
	OnlyApps bool
	// DefaultKey returns what packets are encrypted with until the login is done; false refuses the client, and an empty key is
	// plaintext. nil takes plaintext only, of all.
	DefaultKey func(app, clientVersion uint16) (packet.Key, bool)
	// Salt returns what the verification codes of an app's guests are made with; an empty one fits none.
	Salt func(app uint16) string
	// Guests is what becomes of users without a signature.
	Guests GuestRule
	// RegisteredGuests lets guests have the ids of registered users: integers of at most 12 characters. Otherwise these need a
	// signature, so that not anybody can be any user.
	RegisteredGuests bool
	// Token returns what a signed user shares with the product, if the Authenticator gives no Token; empty is none. nil knows none.
	Token func(app uint16, user, signature string) packet.Key
	// SecretRAM says how the secret_ram of signed users is checked, which they make with the token.
	SecretRAM SecretRule
	// TokenKey has LoginResp to a signed user encrypted with the token, if one is known, instead of the default key.
	TokenKey bool
	// Plaintext leaves what follows the login plain if the client offers that, as all do.
	Plaintext bool
	// PlaintextTypes does the same for clients of these mobile types, such as pc. Clients in WebSocket or TLS always have it.
	PlaintextTypes []string
	// Presence has it published when a client is lost; see bridge.Presence.
	Presence bool
	// PresenceDelay is how long it may take to come back before that. 0 is a second.
	PresenceDelay time.Duration
	// PacketsPerMinute is how many packets a client may send at once, and then a minute. Of more the last one is answered with error
	// 1004, and the connection is closed. Heartbeats count; a pull that gives or acknowledges something does not, nor does
	// what is published by clients whose rate of publishing is limited. Default 1,200; negative is any number.
	PacketsPerMinute int
	// Text is what the first packet of the text form stands for. Zero is packet.TextHeader.
	Text packet.Header
	// TextAnswers answers the text form in text instead of binary.
	TextAnswers bool
	// Direct has clients reach each other: a chat message goes to user/RECEIVER, a room's to group/ROOM, rather than to up/chat
	// and up/room, where the product's server gets them.
	Direct bool
}

// Listener is where connections come in, and what applies to them. It must not change once there are any.
type Listener struct {
	login.Listener
	// Rules may be nil, which is their zero value.
	Rules *Rules
}

var noRules = new(Rules)

func (l *Listener) rules() *Rules {
	if l == nil || l.Rules == nil {
		return noRules
	}
	return l.Rules
}

// about is the part of it that all fronts have; nil if there is none.
func (l *Listener) about() *login.Listener {
	if l == nil {
		return nil
	}
	return &l.Listener
}

// text is what the first packet of the text form stands for.
func (r *Rules) text() packet.Header {
	if r.Text == (packet.Header{}) {
		return packet.TextHeader
	}
	return r.Text
}
