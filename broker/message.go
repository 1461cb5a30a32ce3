package broker

import (
	"hash/fnv"
	"io"
	"time"
	"unsafe"
)

// QoS is the quality of service of a delivery: 0 at most once, 1 at least
// once, 2 exactly once.
type QoS byte

// PacketID identifies a delivery on a Network Connection until it is
// acknowledged. 0 is none.
type PacketID uint16

// Message is an Application Message. It does not change once published, and
// its bytes are shared by all Sessions it is owed to.
//
// A front may publish a borrowed message, whose TopicName, Payload and Properties
// are valid only during the call (see Borrow); who keeps a message calls Keep.
type Message struct {
	TopicName string
	Payload   []byte
	QoS       QoS
	Retain    bool

	// Properties are forwarded to subscribers unaltered. The broker does not look
	// into them; they are in the wire form of MQTT 5, which fronts of other
	// protocols use too (packet.MessageProperties). nil if there are none.
	Properties []byte

	// Expires is when the message is worth nothing any more; zero means never.
	Expires time.Time

	// Published is when the broker has taken the message, in ms since 1970. Publish sets it for QoS 1 and 2 unless it is set, and
	// it stays with the message on disk; 0 is not known, as of retained messages that come later.
	Published int64

	// Publisher is the Client Identifier of who has published a retained
	// message or a broadcast, for No Local. Publish sets it; empty is the server itself.
	Publisher string

	// Body is set if the message is owed to several Sessions; see Store.
	Body *Body

	borrowed bool
	shared   bool // Keep gives the copy a Body
	kept     *Message
}

// Borrow marks m, whose TopicName, Payload and Properties lie in memory that the caller
// reuses after Publish. m itself is reused by the caller too.
func (m *Message) Borrow() { m.borrowed, m.shared, m.kept = true, false, nil }

// Keep returns m or, if m is borrowed, a copy of it that lives on. All calls
// during one Publish return the same copy.
func (m *Message) Keep() *Message {
	if !m.borrowed {
		return m
	}
	if m.kept == nil {
		c := *m
		c.borrowed = false
		if m.shared {
			c.Body = new(Body)
		}
		buf := make([]byte, 0, len(m.TopicName)+len(m.Payload)+len(m.Properties))
		buf = append(buf, m.TopicName...)
		c.TopicName = unsafe.String(unsafe.SliceData(buf), len(buf))
		buf = append(buf, m.Payload...)
		c.Payload = buf[len(c.TopicName):len(buf):len(buf)]
		if m.Properties != nil {
			c.Properties = append(buf, m.Properties...)[len(buf):]
		}
		m.kept = &c
	}
	return m.kept
}

// print tells m from other messages, also after a restart.
func (m *Message) print() uint64 {
	h := fnv.New64a()
	_, _ = io.WriteString(h, m.TopicName)
	_, _ = h.Write([]byte{0})
	_, _ = h.Write(m.Payload)
	return h.Sum64()
}

// share tells that m is owed to several, so that a Store may keep it once.
func (m *Message) share() {
	switch {
	case !m.borrowed && m.Body == nil:
		m.Body = new(Body)
	case m.borrowed && m.kept != nil && m.kept.Body == nil:
		m.kept.Body = new(Body)
	}
	m.shared = true
}

// MessageOverhead is what a message counts for in bounds on top of its own bytes.
const MessageOverhead = 64

// Size is what a message counts for in bounds, in bytes.
func (m *Message) Size() int { return m.size() }

func (m *Message) size() int {
	return len(m.TopicName) + len(m.Payload) + len(m.Properties) + MessageOverhead
}

// expired tells whether m is worth nothing any more. Most messages never are,
// and have nobody look at the clock.
func (m *Message) expired(c Clock) bool {
	return !m.Expires.IsZero() && !c.Now().Before(m.Expires)
}

// Will is the message that is published on behalf of a client which goes
// without taking leave.
type Will struct {
	Message *Message // not borrowed
	// Delay is how long a lost client may take to come back before its Will is
	// published.
	Delay time.Duration
	// Expiry is the message's lifetime, counted from its publication. 0 is for ever.
	Expiry time.Duration
	// LostOnly leaves it unpublished when the client connects anew, even if that ends the Session: the client is there. MQTT has it published
	// then. It is not stored: after a restart it makes no difference but to a clean start.
	LostOnly bool
}

// publishable returns the Will's message as of now.
func (w *Will) publishable(now time.Time) *Message {
	m := *w.Message
	if w.Expiry > 0 {
		m.Expires = now.Add(w.Expiry)
	}
	return &m
}
