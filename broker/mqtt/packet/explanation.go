package packet

import "unicode/utf8"

// Explanation is what most MQTT 5 replies may carry beside their Reason Code. It
// must not be given to a Client whose CONNECT turned Request Problem Information
// off, except in CONNACK and DISCONNECT, v5 section 3.1.2.11.7.
type Explanation struct {
	// ReasonString is for people who diagnose; it is left out if empty and cut
	// at MaxStringLength.
	ReasonString string
	// User are the User Properties.
	User []UserProperty
}

func (e Explanation) empty() bool { return e.ReasonString == "" && len(e.User) == 0 }

// trimmed returns e with what cannot be encoded cut or left out.
func (e Explanation) trimmed() Explanation {
	if len(e.ReasonString) > MaxStringLength {
		n := MaxStringLength
		for n > 0 && !utf8.RuneStart(e.ReasonString[n]) {
			n--
		}
		e.ReasonString = e.ReasonString[:n]
	}
	if !userPropertiesFit(e.User) {
		e.User = nil
	}
	return e
}

// appendBlock appends a property block of the encoded properties first and e.
func (e Explanation) appendBlock(dst, first []byte) []byte {
	block := append([]byte(nil), first...)
	if e.ReasonString != "" {
		block = appendString(append(block, propReasonString), e.ReasonString)
	}
	block = appendUserProperties(block, e.User)
	return append(appendVarint(dst, len(block)), block...)
}

// shrink calls body with e, then without User Properties, then without the Reason
// String, until the packet fits max bytes. nil means that it never does.
func (e Explanation) shrink(body func(Explanation) []byte, max uint32) []byte {
	if max == 0 || max > MaxPacketSize {
		max = MaxPacketSize
	}
	full := e.trimmed()
	for i, e := range [...]Explanation{full, {ReasonString: full.ReasonString}, {}} {
		if i == 1 && len(full.User) == 0 || i == 2 && full.ReasonString == "" {
			continue // the same again
		}
		b := body(e)
		if b != nil && len(b) <= MaxRemainingLength && 1+varintSize(len(b))+len(b) <= int(max) {
			return b
		}
	}
	return nil
}

// appendBody appends a packet of a first byte and a body of at most
// MaxRemainingLength bytes.
func appendBody(dst []byte, first byte, body []byte) []byte {
	return append(appendVarint(append(dst, first), len(body)), body...)
}

// ReasonString returns the Reason String in raw, a property block that this
// package has validated, or nil. It aliases raw.
func ReasonString(raw []byte) []byte {
	p := props{r: reader{b: raw}, place: inReplies}
	for p.next() {
		if p.id == propReasonString {
			return p.value
		}
	}
	return nil
}
