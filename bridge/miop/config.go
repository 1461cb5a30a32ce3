package miop

import (
	"crypto/rsa"
	"log/slog"
	"math"
	"strconv"
	"time"

	"github.com/holdfast-mqtt/holdfast/bridge/miop/packet"
	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/login"
)

// Config holds the settings of a Server. Zero fields take the default.
type Config struct {
	// Broker is where Sessions live. Required.
	Broker *broker.Broker
	// Logger gets what operators must know. nil discards.
	Logger *slog.Logger
	// Authenticator decides who may bind: it is asked with the user and no password, or in version 6 with the sign as the
	// password, unless the appid's Verify decides. nil lets everybody in whom no Verify keeps out.
	Authenticator broker.Authenticator
	// Logins asks it beside the loops; the connection of a client for whom it has no room is closed. The caller stops
	// it, after the Server. nil is a pool of the Server's own.
	Logins *login.Pool
	// Authorizer decides what clients may publish, unless their own Permissions do. nil allows everything.
	Authorizer broker.Authorizer
	// Profile is for appids that Profiles does not name.
	Profile Profile
	// Profiles are what is particular to an appid.
	Profiles map[uint32]Profile
	// SecretKey opens binds of versions 2 and 4. nil refuses them.
	SecretKey *rsa.PrivateKey
	// MaxApps bounds the Apps that are named after the appids which clients come with, because nothing is configured for these. An
	// App is never given up. Default 1,000.
	MaxApps int
	// FrameTimeout is how long a client may take to send its first frame. Default 10 s.
	FrameTimeout time.Duration
	// BindTimeout is how long a connection may be without any bind, counted from its beginning. Default 30 s.
	BindTimeout time.Duration
	// AckTimeout is how long a bind whose window is full may acknowledge nothing before the connection is
	// closed. Default 120 s.
	AckTimeout time.Duration
	// SessionExpiry is how long the Session of a client is kept that has gone, rounded down to seconds. Default 7 days. The
	// broker's own bound holds too.
	SessionExpiry time.Duration
	// MoveTo is where clients are sent when the server shuts down, as host:port. Empty leaves it to them.
	MoveTo string
}

// Profile is what is configured of an appid. The zero value is usable.
type Profile struct {
	// App is where its Sessions live. Empty is the listener's, and if that names none "miop-" and the appid.
	App string
	// Verify checks the sign of binds of version 6; who passes is not asked about any further. nil leaves it to
	// Config.Authenticator.
	Verify Verifier
	// Unsigned lets in, where there is a Verify and no Authenticator, clients of versions that have no sign.
	Unsigned bool
	// Full tells that clients read all frames from the beginning; see the package comment of packet on dialects.
	Full bool
	// Legacy lets clients of versions 0 to 4 in.
	Legacy bool
	// Entries is the layout in which clients of versions 0 to 4 read messages.
	Entries packet.Layout
	// Window is how many messages may be on their way to a bind and not acknowledged, at most 65,535; the broker's Config.MaxInflight holds
	// too. Default 64: with fewer, a publisher that is quicker than its client's acknowledgements fills the Session's queue.
	Window int
	// Presence has it published when a client is lost; see bridge.Presence.
	Presence bool
	// PresenceDelay is how long it may take to come back before that. 0 is a second.
	PresenceDelay time.Duration
}

// Bounds of a connection. See also Config.
const (
	maxUser          = 256 // bytes of a user's name, as in XIMP
	maxBinds         = 16
	maxTried         = 256       // binds of a connection that come one after the other: each may leave a Session behind
	defaultWindow    = 64        // messages of a bind that are not acknowledged; see Profile.Window
	maxUnbound       = 64 << 10  // bytes of a frame before there is a bind
	maxWaiting       = 64 << 10  // bytes left unread while a bind is being decided
	maxUploads       = 32        // uploads that wait for slow Sessions
	maxUploadBytes   = 256 << 10 // of them together; a single one may be larger
	maxUploadBodies  = 1024      // in one upload
	secretAge        = 10 * time.Minute
	keepAliveMin     = 30
	keepAliveMax     = 1800
	keepAliveReserve = 30 * time.Second
)

func (c Config) withDefaults() Config {
	def := func(p *time.Duration, v time.Duration) {
		if *p <= 0 {
			*p = v
		}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.MaxApps <= 0 {
		c.MaxApps = 1000
	}
	def(&c.FrameTimeout, 10*time.Second)
	def(&c.BindTimeout, 30*time.Second)
	def(&c.AckTimeout, 120*time.Second)
	def(&c.SessionExpiry, 7*24*time.Hour)
	return c
}

// profile is that of an appid.
func (c *Config) profile(appID uint32) *Profile {
	if p, ok := c.Profiles[appID]; ok {
		return &p
	}
	return &c.Profile
}

// legacy tells whether any client of versions 0 to 4 is let in.
func (c *Config) legacy() bool {
	if c.Profile.Legacy {
		return true
	}
	for _, p := range c.Profiles {
		if p.Legacy {
			return true
		}
	}
	return false
}

// window is how many messages may be on their way to a bind.
func (p *Profile) window() uint16 {
	if p.Window <= 0 {
		return defaultWindow
	}
	return uint16(min(p.Window, math.MaxUint16))
}

// app is the name of the App of an appid. ofItsOwn tells that it is made of the appid.
func (p *Profile) app(from *login.Listener, appID uint32) (name string, ofItsOwn bool) {
	if p.App != "" {
		return p.App, false
	}
	if name = from.AppOf(nil, ""); name != "" {
		return name, false
	}
	return "miop-" + strconv.FormatUint(uint64(appID), 10), true
}
