package packet

// PublishOut is a PUBLISH to send. Nothing in it is changed or kept.
type PublishOut struct {
	// Dup, QoS and Retain are the fixed header's flags.
	Dup    bool
	Retain bool
	QoS    QoS
	// PacketID must not be 0 if QoS is not; it is ignored if QoS is 0.
	PacketID PacketID
	// Topic is the Topic Name. It may be empty only with a TopicAlias.
	Topic string
	// Payload is the Application Message. AppendPublishHeader only counts it.
	Payload []byte

	// MQTT 5 only, ignored in other versions:

	// TopicAlias is left out if 0.
	TopicAlias uint16
	// HasMessageExpiry asks for the Message Expiry Interval.
	HasMessageExpiry bool
	// MessageExpiry is the lifetime left, in seconds.
	MessageExpiry uint32
	// SubscriptionIDs are the identifiers, 1 to MaxRemainingLength, of the
	// subscriptions that matched. Only a Server sends them.
	SubscriptionIDs []uint32
	// Forward are validated properties in wire form, from
	// PublishProperties.Forward or MessageProperties.Append. They are sent
	// verbatim.
	Forward []byte
}

// propertiesSize returns the bytes of the property block without its length.
func (p *PublishOut) propertiesSize() int {
	n := len(p.Forward)
	if p.HasMessageExpiry {
		n += 5
	}
	if p.TopicAlias > 0 {
		n += 3
	}
	for _, id := range p.SubscriptionIDs {
		n += 1 + varintSize(int(id))
	}
	return n
}

// remaining returns the Remaining Length and the size of the property block, or
// -1 for a packet that cannot be encoded.
func (p *PublishOut) remaining(v Version) (length, properties int) {
	length = 2 + len(p.Topic) + len(p.Payload)
	if p.QoS > AtMostOnce {
		if p.PacketID == 0 || p.QoS > ExactlyOnce {
			return -1, 0
		}
		length += 2
	}
	if v == V5 {
		properties = p.propertiesSize()
		length += varintSize(properties) + properties
	}
	if len(p.Topic) > MaxStringLength || length > MaxRemainingLength {
		return -1, 0
	}
	return length, properties
}

// PublishSize returns the bytes p takes as a packet of version v, payload
// included, or 0 if it cannot be encoded: a Topic over 65,535 bytes, no PacketID
// with a QoS above 0, QoS 3, or more than MaxPacketSize in all. It does not
// allocate.
func PublishSize(v Version, p *PublishOut) int {
	length, _ := p.remaining(v)
	if length < 0 {
		return 0
	}
	return 1 + varintSize(length) + length
}

// AppendPublish appends p as a packet of version v to dst; nothing if PublishSize
// is 0. It does not allocate if dst has room.
func AppendPublish(dst []byte, v Version, p *PublishOut) []byte {
	n := len(dst)
	dst = AppendPublishHeader(dst, v, p)
	if len(dst) == n {
		return dst
	}
	return append(dst, p.Payload...)
}

// AppendPublishHeader is AppendPublish without the payload, which the caller sends
// after it from where it lies.
func AppendPublishHeader(dst []byte, v Version, p *PublishOut) []byte {
	length, properties := p.remaining(v)
	if length < 0 {
		return dst
	}
	dst = append(dst, publishByte(p.Dup, p.QoS, p.Retain))
	dst = appendVarint(dst, length)
	dst = appendString(dst, p.Topic)
	if p.QoS > AtMostOnce {
		dst = appendUint16(dst, uint16(p.PacketID))
	}
	if v != V5 {
		return dst
	}
	dst = appendVarint(dst, properties)
	if p.HasMessageExpiry {
		dst = appendUint32(append(dst, propMessageExpiry), p.MessageExpiry)
	}
	if p.TopicAlias > 0 {
		dst = appendUint16(append(dst, propTopicAlias), p.TopicAlias)
	}
	for _, id := range p.SubscriptionIDs {
		dst = appendVarint(append(dst, propSubscriptionID), int(id))
	}
	return append(dst, p.Forward...)
}

// publishByte returns the first byte of a PUBLISH.
func publishByte(dup bool, qos QoS, retain bool) byte {
	b := byte(TypePublish)<<4 | byte(qos)<<1
	if dup && qos > AtMostOnce { // v5 [MQTT-3.3.1-2]
		b |= 8
	}
	if retain {
		b |= 1
	}
	return b
}

// PublishTemplate is the header of a PUBLISH that goes to many subscribers and
// differs only in its Packet Identifier and DUP flag: it is encoded once and then
// copied. The zero value is empty and ready for Reset. It is not safe to Reset
// while others use it.
type PublishTemplate struct {
	header []byte
	id     int // where the Packet Identifier stands, 0 for none
}

// Reset encodes p, all but its payload, keeping nothing of it. p.PacketID does not
// matter. It reports whether p can be encoded.
func (t *PublishTemplate) Reset(v Version, p *PublishOut) bool {
	q := *p
	q.PacketID, q.Dup = 1, false
	t.header = AppendPublishHeader(t.header[:0], v, &q)
	t.id = 0
	if len(t.header) == 0 {
		return false
	}
	if p.QoS > AtMostOnce {
		length, _ := q.remaining(v)
		t.id = 1 + varintSize(length) + 2 + len(p.Topic)
	}
	return true
}

// Append appends the header with dup and id, which are ignored at QoS 0. The
// payload is to follow. It does not allocate if dst has room.
func (t *PublishTemplate) Append(dst []byte, dup bool, id PacketID) []byte {
	n := len(dst)
	dst = append(dst, t.header...)
	if t.id > 0 {
		dst[n+t.id], dst[n+t.id+1] = byte(id>>8), byte(id)
		if dup {
			dst[n] |= 8
		}
	}
	return dst
}

// Size returns the bytes Append appends.
func (t *PublishTemplate) Size() int { return len(t.header) }
