package packet

import "encoding/binary"

// Property identifiers, v5 section 2.2.2.2.
const (
	propPayloadFormat     = 0x01
	propMessageExpiry     = 0x02
	propContentType       = 0x03
	propResponseTopic     = 0x08
	propCorrelationData   = 0x09
	propSubscriptionID    = 0x0B
	propSessionExpiry     = 0x11
	propAssignedClientID  = 0x12
	propServerKeepAlive   = 0x13
	propAuthMethod        = 0x15
	propAuthData          = 0x16
	propRequestProblem    = 0x17
	propWillDelay         = 0x18
	propRequestResponse   = 0x19
	propResponseInfo      = 0x1A
	propServerReference   = 0x1C
	propReasonString      = 0x1F
	propReceiveMaximum    = 0x21
	propTopicAliasMaximum = 0x22
	propTopicAlias        = 0x23
	propMaximumQoS        = 0x24
	propRetainAvailable   = 0x25
	propUser              = 0x26
	propMaximumPacketSize = 0x27
	propWildcardAvailable = 0x28
	propSubIDAvailable    = 0x29
	propSharedAvailable   = 0x2A
)

// propKind is how a property value is encoded and which values it may have.
type propKind byte

const (
	kindNone        propKind = iota // no such property
	kindBool                        // one byte, 0 or 1
	kindTwo                         // two byte integer
	kindTwoPositive                 // the same, not 0
	kindFour                        // four byte integer
	kindFourPositive
	kindVarint // Variable Byte Integer, not 0
	kindString // UTF-8 Encoded String
	kindName   // UTF-8 Encoded String that is a Topic Name
	kindBinary // Binary Data
	kindPair   // UTF-8 String Pair
)

// inWill is the place of a property inside the Will Properties; other places are
// 1 << Type.
const inWill uint16 = 1

const (
	inConnect    = 1 << TypeConnect
	inConnAck    = 1 << TypeConnAck
	inPublish    = 1 << TypePublish
	inSubscribe  = 1 << TypeSubscribe
	inDisconnect = 1 << TypeDisconnect
	inAuth       = 1 << TypeAuth
	inMessage    = inPublish | inWill
	inReplies    = inConnAck | inDisconnect | inAuth | 1<<TypePubAck | 1<<TypePubRec |
		1<<TypePubRel | 1<<TypePubComp | 1<<TypeSubAck | 1<<TypeUnsubAck
	inAll = inReplies | inMessage | inConnect | inSubscribe | 1<<TypeUnsubscribe
)

// propRules says of each identifier how it is encoded and where it may stand.
var propRules = [...]struct {
	kind   propKind
	places uint16
}{
	propPayloadFormat:     {kindBool, inMessage},
	propMessageExpiry:     {kindFour, inMessage},
	propContentType:       {kindString, inMessage},
	propResponseTopic:     {kindName, inMessage}, // v5 [MQTT-3.3.2-14]
	propCorrelationData:   {kindBinary, inMessage},
	propSubscriptionID:    {kindVarint, inPublish | inSubscribe},
	propSessionExpiry:     {kindFour, inConnect | inConnAck | inDisconnect},
	propAssignedClientID:  {kindString, inConnAck},
	propServerKeepAlive:   {kindTwo, inConnAck},
	propAuthMethod:        {kindString, inConnect | inConnAck | inAuth},
	propAuthData:          {kindBinary, inConnect | inConnAck | inAuth},
	propRequestProblem:    {kindBool, inConnect},
	propWillDelay:         {kindFour, inWill},
	propRequestResponse:   {kindBool, inConnect},
	propResponseInfo:      {kindString, inConnAck},
	propServerReference:   {kindString, inConnAck | inDisconnect},
	propReasonString:      {kindString, inReplies},
	propReceiveMaximum:    {kindTwoPositive, inConnect | inConnAck},
	propTopicAliasMaximum: {kindTwo, inConnect | inConnAck},
	propTopicAlias:        {kindTwoPositive, inPublish},
	propMaximumQoS:        {kindBool, inConnAck},
	propRetainAvailable:   {kindBool, inConnAck},
	propUser:              {kindPair, inAll},
	propMaximumPacketSize: {kindFourPositive, inConnect | inConnAck},
	propWildcardAvailable: {kindBool, inConnAck},
	propSubIDAvailable:    {kindBool, inConnAck},
	propSharedAvailable:   {kindBool, inConnAck},
}

// props walks a property block strictly: identifiers that belong here, values
// whole and in range, nothing twice. After next has returned false, err tells
// whether the block was well-formed.
type props struct {
	r     reader
	typ   Type   // of the packet, for the error
	place uint16 // where the block stands

	seen  uint64 // identifiers met, by bit
	users int    // User Properties met

	// The property next has just read. start and the reader's position are its
	// bounds in the block.
	id    byte
	start int
	num   uint32 // of the numeric kinds
	value []byte // of strings and Binary Data; of a pair the value; never nil
	key   []byte // of a pair

	err error // *Error once the walk has failed
}

// walkProps starts a walk over block as it stands in a packet of type t.
func walkProps(block []byte, t Type) props {
	return props{r: reader{b: block}, typ: t, place: 1 << t}
}

// walkWillProps starts a walk over the Will Properties.
func walkWillProps(block []byte) props {
	return props{r: reader{b: block}, typ: TypeConnect, place: inWill}
}

// has reports whether the property id has been met.
func (p *props) has(id byte) bool { return p.seen&(1<<id) != 0 }

// next moves to the next property and reports whether there is one.
func (p *props) next() bool {
	if p.err != nil || p.r.rest() == 0 {
		return false
	}
	p.start = p.r.pos
	p.id = p.r.b[p.r.pos]
	p.r.pos++
	if int(p.id) >= len(propRules) || propRules[p.id].places&p.place == 0 {
		// v5 section 2.2.2.2: an identifier not valid for its packet type
		// makes a Malformed Packet.
		p.err = malformed(p.typ, ErrProperty)
		return false
	}
	repeats := p.id == propUser || p.id == propSubscriptionID && p.place == inPublish
	if p.has(p.id) && !repeats {
		p.err = violation(p.typ, ErrPropertyTwice)
		return false
	}
	p.seen |= 1 << p.id
	ok := p.read(propRules[p.id].kind)
	if p.r.err != nil {
		p.err = malformed(p.typ, p.r.err)
	} else if !ok {
		p.err = p.outOfRange()
	}
	return p.err == nil
}

// read reads the value and reports whether it is in range.
func (p *props) read(kind propKind) bool {
	switch kind {
	case kindBool:
		p.num = uint32(p.r.byte())
		return p.num <= 1
	case kindTwo:
		p.num = uint32(p.r.uint16())
	case kindTwoPositive:
		p.num = uint32(p.r.uint16())
		return p.num > 0
	case kindFour:
		p.num = p.r.uint32()
	case kindFourPositive:
		p.num = p.r.uint32()
		return p.num > 0
	case kindVarint:
		p.num = uint32(p.r.varint())
		return p.num > 0
	case kindString:
		p.value = p.r.string()
	case kindName:
		p.value = p.r.string()
		return len(p.value) > 0 && checkName(p.value) == nil
	case kindBinary:
		p.value = p.r.binary()
	case kindPair:
		p.key = p.r.string()
		p.value = p.r.string()
		p.users++
	}
	return true
}

func (p *props) outOfRange() error {
	if p.id == propTopicAlias { // v5 [MQTT-3.3.2-8]
		return refusal(p.typ, TopicAliasInvalid, ErrPropertyValue)
	}
	return violation(p.typ, ErrPropertyValue)
}

// drain reads what is left and returns the error of the walk, also if there are
// more User Properties than this codec turns into strings.
func (p *props) drain() error {
	for p.next() {
		if p.users > MaxUserProperties {
			return refusal(p.typ, QuotaExceeded, ErrTooMany)
		}
	}
	return p.err
}

// UserProperty is one MQTT 5 User Property: a name and a value, each up to 65,535
// bytes of UTF-8. Names may repeat and their order matters.
type UserProperty struct {
	Key, Value string
}

// UserProperties yields the User Properties of raw, a property block that this
// package has validated, in order and as name and value. The bytes alias raw.
// Other properties in raw are passed over. It does not allocate.
func UserProperties(raw []byte) func(yield func(key, value []byte) bool) {
	return func(yield func(key, value []byte) bool) {
		p := props{r: reader{b: raw}, place: inPublish | inAll}
		for p.next() {
			if p.id == propUser && !yield(p.key, p.value) {
				return
			}
		}
	}
}

func appendUint16(dst []byte, x uint16) []byte { return binary.BigEndian.AppendUint16(dst, x) }

func appendUint32(dst []byte, x uint32) []byte { return binary.BigEndian.AppendUint32(dst, x) }

// appendString appends s, at most MaxStringLength bytes, after its length.
func appendString[T ~string | ~[]byte](dst []byte, s T) []byte {
	return append(appendUint16(dst, uint16(len(s))), s...)
}

// fits reports whether each of s can be encoded as a string.
func fits(s ...string) bool {
	for _, v := range s {
		if len(v) > MaxStringLength {
			return false
		}
	}
	return true
}

func appendUserProperties(dst []byte, user []UserProperty) []byte {
	for _, u := range user {
		dst = appendString(append(dst, propUser), u.Key)
		dst = appendString(dst, u.Value)
	}
	return dst
}

// userPropertiesFit reports whether user can be encoded.
func userPropertiesFit(user []UserProperty) bool {
	for _, u := range user {
		if !fits(u.Key, u.Value) {
			return false
		}
	}
	return true
}
