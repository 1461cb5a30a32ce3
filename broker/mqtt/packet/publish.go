package packet

import (
	"encoding/binary"
	"errors"
)

// Publish is a PUBLISH packet as received. The zero value is ready for Decode and
// is meant to be reused: one per event loop. Its slices alias the decoded frame or
// the Publish itself; both end with the next Decode or when the frame's bytes are
// reused, so whoever keeps a message copies it.
type Publish struct {
	// Dup, QoS and Retain are the fixed header's flags.
	Dup    bool
	Retain bool
	QoS    QoS
	// PacketID is 0 exactly if QoS is 0.
	PacketID PacketID
	// Topic is the Topic Name: valid UTF-8 without U+0000 and wildcards. It is
	// empty only if Properties.TopicAlias is set.
	Topic []byte
	// Payload is the Application Message, possibly empty. Its UTF-8 is not
	// checked, whatever the Payload Format Indicator says.
	Payload []byte
	// Properties are those of MQTT 5, all zero in other versions.
	Properties PublishProperties
}

// PublishProperties are the MQTT 5 properties of a PUBLISH. Ownership is that of
// Publish.
type PublishProperties struct {
	// PayloadFormat is the Payload Format Indicator, 0 or 1; 0 also if absent.
	PayloadFormat byte
	// HasMessageExpiry tells an interval of 0 seconds from none.
	HasMessageExpiry bool
	// TopicAlias is 0 if absent. The caller compares it with the maximum it has
	// announced.
	TopicAlias uint16
	// MessageExpiry is in seconds.
	MessageExpiry uint32
	// SubscriptionIDs are the Subscription Identifiers, which only a Server may
	// send.
	SubscriptionIDs []uint32
	// ContentType, ResponseTopic and CorrelationData are nil if absent and empty
	// but not nil if sent empty.
	ContentType     []byte
	ResponseTopic   []byte
	CorrelationData []byte
	// UserProperties are the User Properties in wire form, in order, nil if there
	// are none. See the function UserProperties.
	UserProperties []byte
	// Forward is every property a Server passes on unaltered, in wire form:
	// Payload Format Indicator, Content Type, Response Topic, Correlation Data
	// and User Properties, v5 [MQTT-3.3.2-4] [MQTT-3.3.2-15] [MQTT-3.3.2-16]
	// [MQTT-3.3.2-17] [MQTT-3.3.2-18] [MQTT-3.3.2-20]. It fits
	// PublishOut.Forward.
	Forward []byte

	used                bool   // something in here is not zero
	forwardBuf, userBuf []byte // see run
}

// keepScratch is the most a reused Publish keeps of its scratch space in bytes.
const keepScratch = 64 << 10

// reset clears p but for its scratch space. It is skipped while no PUBLISH has
// properties, since it is a good part of the cost of decoding one.
func (p *PublishProperties) reset() {
	*p = PublishProperties{
		SubscriptionIDs: p.SubscriptionIDs[:0],
		forwardBuf:      p.forwardBuf[:0],
		userBuf:         p.userBuf[:0],
	}
	if cap(p.SubscriptionIDs)*4+cap(p.forwardBuf)+cap(p.userBuf) > keepScratch {
		p.SubscriptionIDs, p.forwardBuf, p.userBuf = nil, nil, nil
	}
}

// Decode decodes a PUBLISH that a Client has sent, of version v, into p, whatever
// p held before. It returns an *Error and leaves p undefined if the packet is
// malformed. It does not allocate, except scratch space to put the forwarded
// properties in one piece if others stand between them.
func (p *Publish) Decode(f Frame, v Version) error { return p.decode(f, v, false) }

// DecodeFromServer is Decode for a PUBLISH that a Server has sent, which may carry
// Subscription Identifiers.
func (p *Publish) DecodeFromServer(f Frame, v Version) error { return p.decode(f, v, true) }

func (p *Publish) decode(f Frame, v Version, fromServer bool) error {
	if f.Type != TypePublish {
		return violation(TypePublish, ErrType)
	}
	p.Dup, p.QoS, p.Retain = f.Flags&8 != 0, QoS(f.Flags>>1&3), f.Flags&1 != 0
	if p.QoS > ExactlyOnce { // v5 [MQTT-3.3.1-4], v3.1.1 [MQTT-3.3.1-4]
		return malformed(TypePublish, ErrQoS)
	}
	if p.Dup && p.QoS == AtMostOnce {
		if v != V31 { // v5 [MQTT-3.3.1-2], v3.1.1 [MQTT-3.3.1-2]
			return malformed(TypePublish, ErrDup)
		}
		p.Dup = false // v3.1 gives the flag no meaning here
	}
	b := f.Body
	if len(b) < 2 {
		return malformed(TypePublish, ErrTruncated)
	}
	end := 2 + int(binary.BigEndian.Uint16(b))
	if end > len(b) {
		return malformed(TypePublish, ErrTruncated)
	}
	p.Topic = b[2:end:end]
	if err := checkName(p.Topic); err != nil {
		if errors.Is(err, ErrTopicName) { // v5 [MQTT-3.3.2-2], v3.1.1 [MQTT-3.3.2-2]
			return refusal(TypePublish, TopicNameInvalid, err)
		}
		return malformed(TypePublish, err) // v5 [MQTT-3.3.2-1], v3.1.1 [MQTT-3.3.2-1]
	}
	b = b[end:]
	p.PacketID = 0
	if p.QoS > AtMostOnce {
		if len(b) < 2 {
			return malformed(TypePublish, ErrTruncated)
		}
		if p.PacketID = PacketID(binary.BigEndian.Uint16(b)); p.PacketID == 0 {
			// v5 [MQTT-2.2.1-3], v3.1.1 [MQTT-2.3.1-1]
			return violation(TypePublish, ErrPacketID)
		}
		b = b[2:]
	}
	if p.Properties.used {
		p.Properties.reset()
	}
	p.Payload = b
	if v == V5 {
		return p.decodeV5(b, fromServer)
	}
	if len(p.Topic) == 0 { // v3.1.1 [MQTT-4.7.3-1]
		return malformed(TypePublish, ErrTopicName)
	}
	return nil
}

// decodeV5 decodes what follows the Packet Identifier.
func (p *Publish) decodeV5(b []byte, fromServer bool) error {
	if len(b) > 0 && b[0] == 0 { // by far the most common: no properties
		p.Payload = b[1:]
	} else {
		r := reader{b: b}
		block := r.block()
		if r.err != nil {
			return malformed(TypePublish, r.err)
		}
		p.Payload = b[r.pos:]
		if err := p.Properties.decode(block, TypePublish, inPublish); err != nil {
			return err
		}
		if len(p.Properties.SubscriptionIDs) > 0 && !fromServer { // v5 [MQTT-3.3.4-6]
			return violation(TypePublish, ErrProperty)
		}
	}
	if len(p.Topic) == 0 && p.Properties.TopicAlias == 0 { // v5 section 3.3.2.1
		return violation(TypePublish, ErrNoTopic)
	}
	return nil
}

// decode decodes the properties of an Application Message or a Will.
func (p *PublishProperties) decode(block []byte, t Type, place uint16) error {
	p.used = true
	forward, user := run{buf: p.forwardBuf}, run{buf: p.userBuf}
	w := props{r: reader{b: block}, typ: t, place: place}
	for w.next() {
		passOn := true
		switch w.id {
		case propPayloadFormat:
			p.PayloadFormat = byte(w.num)
		case propContentType:
			p.ContentType = w.value
		case propResponseTopic:
			p.ResponseTopic = w.value
		case propCorrelationData:
			p.CorrelationData = w.value
		case propUser:
			user.add(block, w.start, w.r.pos)
		case propMessageExpiry:
			p.MessageExpiry, p.HasMessageExpiry, passOn = w.num, true, false
		case propTopicAlias:
			p.TopicAlias, passOn = uint16(w.num), false
		case propSubscriptionID:
			p.SubscriptionIDs, passOn = append(p.SubscriptionIDs, w.num), false
		default:
			passOn = false
		}
		if passOn {
			forward.add(block, w.start, w.r.pos)
		}
	}
	p.Forward, p.UserProperties = forward.out, user.out
	p.forwardBuf, p.userBuf = forward.buf, user.buf
	return w.err
}

// run gathers parts of a block into one piece: in place while they adjoin, copied
// into buf from the first gap on.
type run struct {
	out        []byte
	start, end int
	copied     bool
	buf        []byte
}

func (r *run) add(block []byte, from, to int) {
	switch {
	case r.out == nil:
		r.start = from
	case !r.copied && r.end == from:
	default:
		if !r.copied {
			r.buf, r.copied = append(r.buf[:0], r.out...), true
		}
		r.buf = append(r.buf, block[from:to]...)
		r.out = r.buf
		return
	}
	r.end = to
	r.out = block[r.start:to:to]
}
