package packet

// The flags of CONNECT.
const (
	flagReserved   = 0x01
	flagCleanStart = 0x02
	flagWill       = 0x04
	flagWillQoS    = 0x18
	flagWillRetain = 0x20
	flagPassword   = 0x40
	flagUsername   = 0x80
)

// connectLayout is what the validation of a CONNECT found out.
type connectLayout struct {
	version       Version
	flagsAt       int  // offset of the flags in the body
	flags         byte // the flags as they are to be understood
	hasAuthMethod bool
	will          PublishProperties
}

// walkConnect validates the body of a CONNECT. After an error l.version is the
// version to answer in, 0 if the packet has not told.
func walkConnect(f Frame) (l connectLayout, err error) {
	if err := f.expect(TypeConnect, 0); err != nil {
		return l, err
	}
	r := reader{b: f.Body}
	if l.version, err = walkProtocol(&r); err != nil {
		return l, err
	}
	l.flagsAt = r.pos
	l.flags = r.byte()
	if l.flags, err = checkConnectFlags(l.flags, l.version); err != nil {
		return l, err
	}
	r.uint16() // Keep Alive: every value is valid
	if l.version == V5 {
		if l.hasAuthMethod, err = walkConnectProperties(&r); err != nil {
			return l, err
		}
	}
	id := r.string() // v5 [MQTT-3.1.3-4], v3.1.1 [MQTT-3.1.3-4]
	if r.err != nil {
		return l, malformed(TypeConnect, r.err)
	}
	if len(id) == 0 && (l.version == V31 || l.version == V311 && l.flags&flagCleanStart == 0) {
		// v3.1.1 [MQTT-3.1.3-8]; in 3.1 it has 1 to 23 characters. We accept
		// more than 23, as every server does.
		return l, refusal(TypeConnect, ClientIdentifierNotValid, ErrClientID)
	}
	if l.flags&flagWill != 0 {
		if err := l.walkWill(&r); err != nil {
			return l, err
		}
	}
	l.walkCredentials(&r)
	return l, r.finish(TypeConnect)
}

// walkProtocol reads protocol name and level. Of an unsupported pair it returns
// the version in which to say so.
func walkProtocol(r *reader) (Version, error) {
	name := string(r.string())
	level := r.byte()
	if r.err != nil {
		return 0, malformed(TypeConnect, r.err)
	}
	var answer Version
	switch {
	case name == "MQTT" && level == byte(V311), name == "MQTT" && level == byte(V5),
		name == "MQIsdp" && level == byte(V31):
		return Version(level), nil
	case name == "MQTT" && level&0x7F >= byte(V5):
		answer = V5
	case name == "MQTT": // v3.1.1 [MQTT-3.1.2-2]
		answer = V311
	case name == "MQIsdp":
		answer = V31
	}
	return answer, refusal(TypeConnect, UnsupportedProtocolVersion, ErrProtocol)
}

// checkConnectFlags returns the flags as they are to be understood.
func checkConnectFlags(flags byte, v Version) (byte, error) {
	if v == V31 {
		// 3.1 does not use the lowest bit and disregards QoS and Retain
		// without a Will.
		flags &^= flagReserved
		if flags&flagWill == 0 {
			flags &^= flagWillQoS | flagWillRetain
		}
	}
	switch {
	case flags&flagReserved != 0: // v5 [MQTT-3.1.2-3], v3.1.1 [MQTT-3.1.2-3]
	case flags&flagWillQoS == flagWillQoS: // v5 [MQTT-3.1.2-12], v3.1.1 [MQTT-3.1.2-14]
	case flags&flagWill == 0 && flags&(flagWillQoS|flagWillRetain) != 0:
		// v5 [MQTT-3.1.2-11] [MQTT-3.1.2-13], v3.1.1 [MQTT-3.1.2-13] [MQTT-3.1.2-15]
	case v != V5 && flags&flagPassword != 0 && flags&flagUsername == 0: // v3.1.1 [MQTT-3.1.2-22]
	default:
		return flags, nil
	}
	return flags, malformed(TypeConnect, ErrConnectFlags)
}

func walkConnectProperties(r *reader) (hasAuthMethod bool, err error) {
	p := walkProps(r.block(), TypeConnect)
	if r.err != nil {
		return false, malformed(TypeConnect, r.err)
	}
	if err := p.drain(); err != nil {
		return false, err
	}
	if p.has(propAuthData) && !p.has(propAuthMethod) { // v5 section 3.1.2.11.10
		return false, violation(TypeConnect, ErrPropertyMissing)
	}
	return p.has(propAuthMethod), nil
}

// walkWill reads the Will Properties, Will Topic and Will Payload.
func (l *connectLayout) walkWill(r *reader) error {
	if l.version == V5 {
		block := r.block()
		if r.err != nil {
			return malformed(TypeConnect, r.err)
		}
		// Once for the number of User Properties, once for the values.
		p := walkWillProps(block)
		if err := p.drain(); err != nil {
			return err
		}
		if err := l.will.decode(block, TypeConnect, inWill); err != nil {
			return err
		}
	}
	topic := r.string() // v5 [MQTT-3.1.3-11], v3.1.1 [MQTT-3.1.3-10]
	r.binary()
	if r.err != nil {
		return malformed(TypeConnect, r.err)
	}
	if len(topic) == 0 || checkName(topic) != nil { // v5 [MQTT-4.7.3-1]
		return refusal(TypeConnect, TopicNameInvalid, ErrTopicName)
	}
	return nil
}

// walkCredentials reads user name and password. In 3.1 the Remaining Length takes
// precedence over their flags, for clients of the original MQTT 3.
func (l *connectLayout) walkCredentials(r *reader) {
	if l.version == V31 && r.err == nil && r.rest() == 0 {
		l.flags &^= flagUsername | flagPassword
	}
	if l.flags&flagUsername != 0 { // v5 [MQTT-3.1.3-12], v3.1.1 [MQTT-3.1.3-11]
		r.string()
	}
	if l.version == V31 && r.err == nil && r.rest() == 0 {
		l.flags &^= flagPassword
	}
	if l.flags&flagPassword != 0 {
		r.binary()
	}
}
