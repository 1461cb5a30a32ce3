package broker

import (
	"log/slog"
	"math"
	"time"
)

// Config holds the settings of a Broker. Zero fields take the default.
type Config struct {
	// Store keeps persistent Sessions and retained messages. Required.
	Store Store
	// Logger gets what operators must know. nil discards.
	Logger *slog.Logger
	// Clock is the time that everything goes by. nil means the machine's.
	Clock Clock
	// MaxInflight bounds the deliveries to one client that are sent and not
	// acknowledged, below the client's own Receive Maximum. Default 32,768: a transient
	// Session keeps one byte for each.
	MaxInflight int
	// MaxQueuedMessages bounds what one Session keeps beyond its window, in
	// messages. Default 1,000.
	MaxQueuedMessages int
	// MaxQueuedBytes bounds the same in bytes. Default 1 MiB.
	MaxQueuedBytes int
	// MaxWaitingMessages bounds the publishes that wait for one Session to take
	// them, in messages. Each client has few of them, so that only very many
	// publishers get there, or such that come back without waiting for an answer: then more are
	// refused. Publishes for which nobody waits, such as Wills, count against
	// MaxQueuedMessages. Default 65,536.
	MaxWaitingMessages int
	// MaxWaitingBytes bounds the same in bytes. Default 64 MiB.
	MaxWaitingBytes int
	// MaxSessionExpiry bounds the Session Expiry Interval that clients may ask
	// for. Default 7 days. Negative means no bound.
	MaxSessionExpiry time.Duration
	// MaxRetained bounds the number of retained messages of an App. Default 1,000,000.
	MaxRetained int
	// MaxSubscriptions bounds the subscriptions of one Session. Default 1,000.
	MaxSubscriptions int
	// DropOldest has the oldest messages leave a queue or mailbox that is full,
	// those excepted that are in flight, or that the client may have begun to receive with
	// QoS 2. Otherwise new ones wait, or are refused.
	DropOldest bool
	// FlashTimeout is how long a lasting Session that has lost its connection keeps what it has in
	// RAM, so that a client which is soon back needs nothing from the Store. Default 30 s; negative
	// means not at all.
	FlashTimeout time.Duration
	// FlashSessions bounds the number of such Sessions. Default 100,000.
	FlashSessions int
	// FlashBytes bounds the memory of all of them together. Default 64 MiB.
	FlashBytes int
	// InboxExpiry is how long messages to "inbox/{ClientID}" are kept for a device
	// that has no Session. Default 7 days.
	InboxExpiry time.Duration
	// AutoSubscribe are subscriptions that every client has from when it connects.
	AutoSubscribe []AutoSubscription
	// SlowConsumerTimeout is how long a client may hold up publishers without
	// taking anything before its connection is ended. Default 20 s.
	SlowConsumerTimeout time.Duration
	// AppLimits returns the bounds of an App, which is made: it is called once for each, with a lock held, and must not block.
	// nil is none. Broker.SetAppLimits changes them.
	AppLimits func(app string) AppLimits
	// Throttle says how fast clients may publish. nil lets them publish as fast as they like.
	Throttle Throttle
	// Hooks see and change what goes on, in this order. nil is none, which costs nothing.
	Hooks []Hook
	// HookQueueEvents bounds the events that wait for one hook that observes. Default 16,384.
	HookQueueEvents int
	// HookQueueBytes bounds the same by bytes of messages, of which each event counts its own though they
	// share one. Default 16 MiB.
	HookQueueBytes int
}

func (c Config) withDefaults() Config {
	def := func(p *int, v int) {
		if *p <= 0 {
			*p = v
		}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Clock == nil {
		c.Clock = systemClock{}
	}
	def(&c.MaxInflight, 32768)
	c.MaxInflight = min(c.MaxInflight, maxPacketID)
	def(&c.MaxQueuedMessages, 1000)
	def(&c.MaxQueuedBytes, 1<<20)
	def(&c.MaxWaitingMessages, 65536)
	def(&c.MaxWaitingBytes, 64<<20)
	def(&c.MaxRetained, 1_000_000)
	def(&c.MaxSubscriptions, 1000)
	def(&c.HookQueueEvents, 16384)
	def(&c.HookQueueBytes, 16<<20)
	if c.MaxSessionExpiry == 0 {
		c.MaxSessionExpiry = 7 * 24 * time.Hour
	}
	switch {
	case c.FlashTimeout < 0:
		c.FlashTimeout, c.FlashSessions = 0, 0
	case c.FlashTimeout == 0:
		c.FlashTimeout = 30 * time.Second
		def(&c.FlashSessions, 100_000)
	default:
		def(&c.FlashSessions, 100_000)
	}
	def(&c.FlashBytes, 64<<20)
	if c.InboxExpiry <= 0 {
		c.InboxExpiry = 7 * 24 * time.Hour
	}
	c.MaxQueuedBytes = min(c.MaxQueuedBytes, math.MaxUint32/2)
	if c.SlowConsumerTimeout <= 0 {
		c.SlowConsumerTimeout = 20 * time.Second
	}
	return c
}
