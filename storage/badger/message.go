package badger

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// The flags of a message, its first byte. The highest bit is 0: a later version may set it.
const (
	messageQoS        = 0x03
	messageRetain     = 0x04
	messageExpires    = 0x08
	messageProperties = 0x10
	messagePublisher  = 0x20
	messagePublished  = 0x40
	messageReserved   = 0x80
)

// appendMessage encodes m as the package comment says.
func (c *clock) appendMessage(b []byte, m *broker.Message) []byte {
	flags := byte(m.QoS) & messageQoS
	if m.Retain {
		flags |= messageRetain
	}
	if !m.Expires.IsZero() {
		flags |= messageExpires
	}
	if len(m.Properties) > 0 {
		flags |= messageProperties
	}
	if m.Publisher != "" {
		flags |= messagePublisher
	}
	if m.Published > 0 {
		flags |= messagePublished
	}
	b = append(b, flags)
	if flags&messageExpires != 0 {
		b = binary.AppendUvarint(b, c.encode(m.Expires))
	}
	if flags&messagePublished != 0 {
		b = binary.AppendUvarint(b, uint64(m.Published))
	}
	b = appendBytes(b, m.TopicName)
	if flags&messagePublisher != 0 {
		b = appendBytes(b, m.Publisher)
	}
	if flags&messageProperties != 0 {
		b = appendBytes(b, m.Properties)
	}
	return append(b, m.Payload...)
}

// message decodes a message. Its Payload and Properties lie in b, which must not change any more.
func (c *clock) message(b []byte) (*broker.Message, error) {
	d := decoder{b: b}
	flags := d.byte()
	if flags&messageReserved != 0 {
		return nil, errCorrupt
	}
	m := &broker.Message{QoS: broker.QoS(flags & messageQoS), Retain: flags&messageRetain != 0}
	if flags&messageExpires != 0 {
		m.Expires = c.decode(d.uvarint())
	}
	if flags&messagePublished != 0 {
		m.Published = int64(d.uvarint() & math.MaxInt64)
	}
	m.TopicName = d.string()
	if flags&messagePublisher != 0 {
		m.Publisher = d.string()
	}
	if flags&messageProperties != 0 {
		m.Properties = d.bytes()
	}
	if d.bad {
		return nil, errCorrupt
	}
	if len(d.b) > 0 {
		m.Payload = slices.Clip(d.b)
	}
	return m, nil
}

// messageSize is what broker.Message.Size of an encoded message is.
func messageSize(b []byte) (int, error) {
	d := decoder{b: b}
	flags := d.byte()
	if flags&messageReserved != 0 {
		return 0, errCorrupt
	}
	if flags&messageExpires != 0 {
		d.uvarint()
	}
	if flags&messagePublished != 0 {
		d.uvarint()
	}
	n := len(d.bytes())
	if flags&messagePublisher != 0 {
		d.bytes()
	}
	if flags&messageProperties != 0 {
		n += len(d.bytes())
	}
	return n + len(d.b) + messageOverhead, d.err()
}

// messageOverhead is what broker.Message.Size counts beside the bytes.
var messageOverhead = new(broker.Message).Size()
