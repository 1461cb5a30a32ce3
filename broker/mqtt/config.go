package mqtt

import (
	"log/slog"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/login"
)

// Config holds the settings of a Server. Zero fields take the default.
type Config struct {
	// Broker is where Sessions live. Required.
	Broker *broker.Broker
	// Logger gets what operators must know. nil discards.
	Logger *slog.Logger
	// Authenticator decides who may connect. nil lets everybody in.
	Authenticator broker.Authenticator
	// Enhanced are the authentication methods of MQTT 5, which clients name in CONNECT.
	Enhanced []broker.EnhancedAuthenticator
	// Logins asks them beside the loops; clients for whom it has no room are told that the server is busy. The
	// caller stops it, after the Server. nil is a pool of the Server's own.
	Logins *login.Pool
	// Authorizer decides what clients may publish and subscribe to, unless their
	// own Permissions do. nil allows everything but writing below $SYS/, which nobody may.
	Authorizer broker.Authorizer
	// DisconnectForbidden has a client disconnected, in MQTT 5 with 0x87, that publishes what it may not. Otherwise
	// the message alone is refused: with 0x87, or in MQTT 3 by an acknowledgement after which nobody gets it.
	DisconnectForbidden bool
	// ConnectTimeout is how long a client may take to send CONNECT. Default 10 s.
	ConnectTimeout time.Duration
	// MaxPacketSize bounds packets from clients, in bytes. Default 1 MiB.
	MaxPacketSize int
	// ReceiveMaximum is how many QoS 1 and 2 publishes of one client may be
	// unanswered: told to MQTT 5 clients, who are held to it. Default 1,024.
	ReceiveMaximum int
	// TopicAliasMaximum is how many Topic Aliases there may be in each direction
	// of a connection. Default 32; negative means none.
	TopicAliasMaximum int
	// MaxKeepAlive bounds the Keep Alive of MQTT 5 clients, who are told. 0 means
	// no bound.
	MaxKeepAlive time.Duration
	// MaxTopicLevels bounds the levels of Topic Names and Topic Filters. Default 256.
	MaxTopicLevels int
	// MaxDeferredBytes bounds the bytes of publishes of one client that wait for
	// slow subscribers; beyond it the client is not read from. Default 256 KiB.
	MaxDeferredBytes int
	// RefusePause is how long the connection of an MQTT 3 publisher rests before
	// it is closed because its message could not be taken. Default 5 s.
	RefusePause time.Duration
	// SysInterval is the time between two updates of the topics below $SYS.
	// Default 10 s; negative means that there are none.
	SysInterval time.Duration
	// Version is shown in $SYS/broker/version.
	Version string
}

func (c Config) withDefaults() Config {
	def := func(p *int, v int) {
		if *p == 0 {
			*p = v
		}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.ConnectTimeout <= 0 {
		c.ConnectTimeout = 10 * time.Second
	}
	def(&c.MaxPacketSize, 1<<20)
	def(&c.ReceiveMaximum, 1024)
	c.ReceiveMaximum = min(c.ReceiveMaximum, 65535)
	def(&c.TopicAliasMaximum, 32)
	c.TopicAliasMaximum = max(c.TopicAliasMaximum, 0)
	def(&c.MaxTopicLevels, 256)
	def(&c.MaxDeferredBytes, 256<<10)
	if c.RefusePause <= 0 {
		c.RefusePause = 5 * time.Second
	}
	if c.SysInterval == 0 {
		c.SysInterval = 10 * time.Second
	}
	return c
}
