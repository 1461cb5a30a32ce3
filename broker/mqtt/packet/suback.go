package packet

// SubAck is a SUBACK or UNSUBACK packet.
type SubAck struct {
	// PacketID is that of the SUBSCRIBE or UNSUBSCRIBE.
	PacketID PacketID
	// Reasons has one Reason Code per Topic Filter, in order.
	Reasons []ReasonCode
	// Explanation is sent to MQTT 5 peers only.
	Explanation Explanation
}

// AppendSubAck appends a as a SUBACK of version v. In MQTT 3 every failure becomes
// 0x80. The Explanation is left out where the packet would exceed max bytes, User
// Properties first; nothing is appended if it still does. max 0 means no limit.
func AppendSubAck(dst []byte, v Version, a *SubAck, max uint32) []byte {
	return a.append(dst, TypeSubAck, v, max)
}

// AppendUnsubAck appends a as an UNSUBACK of version v, as AppendSubAck does. In
// MQTT 3 it has no Reason Codes.
func AppendUnsubAck(dst []byte, v Version, a *SubAck, max uint32) []byte {
	return a.append(dst, TypeUnsubAck, v, max)
}

func (a *SubAck) append(dst []byte, t Type, v Version, max uint32) []byte {
	body := a.Explanation.shrink(func(e Explanation) []byte {
		b := appendUint16(make([]byte, 0, 4+len(a.Reasons)), uint16(a.PacketID))
		if v == V5 {
			b = e.appendBlock(b, nil)
		} else if t == TypeUnsubAck {
			return b
		}
		for _, c := range a.Reasons {
			if v != V5 && c.Failed() { // v3.1.1 [MQTT-3.9.3-2]
				c = UnspecifiedError
			}
			b = append(b, byte(c))
		}
		return b
	}, max)
	if body == nil {
		return dst
	}
	return appendBody(dst, byte(t)<<4, body)
}

// DecodeSubAck decodes a SUBACK, as sent by a Server of version v. The result does
// not alias the frame.
func DecodeSubAck(f Frame, v Version) (*SubAck, error) { return decodeSubAck(f, v, TypeSubAck) }

// DecodeUnsubAck decodes an UNSUBACK, as DecodeSubAck does. In MQTT 3 it has no
// Reason Codes.
func DecodeUnsubAck(f Frame, v Version) (*SubAck, error) {
	return decodeSubAck(f, v, TypeUnsubAck)
}

func decodeSubAck(f Frame, v Version, t Type) (*SubAck, error) {
	if err := f.expect(t, v); err != nil {
		return nil, err
	}
	r := reader{b: f.Body}
	a := &SubAck{PacketID: PacketID(r.uint16())}
	if r.err == nil && a.PacketID == 0 {
		return nil, violation(t, ErrPacketID)
	}
	if v == V5 {
		block := r.block()
		if r.err == nil {
			p := walkProps(block, t)
			if err := p.drain(); err != nil {
				return nil, err
			}
			a.Explanation = explanationOf(block)
		}
	}
	if r.err != nil || v != V5 && t == TypeUnsubAck {
		return a, r.finish(t)
	}
	codes := r.take(r.rest())
	if len(codes) == 0 {
		return nil, violation(t, ErrNoFilters)
	}
	a.Reasons = make([]ReasonCode, len(codes))
	for i, c := range codes {
		a.Reasons[i] = ReasonCode(c)
		if !reasonAllowed(t, a.Reasons[i]) || v != V5 && c > 2 && c != 0x80 {
			// v5 [MQTT-3.9.3-2] [MQTT-3.11.3-2], v3.1.1 [MQTT-3.9.3-2]
			return nil, violation(t, ErrReasonCode)
		}
	}
	return a, nil
}

// explanationOf copies the Explanation out of a validated property block.
func explanationOf(block []byte) (e Explanation) {
	e.ReasonString = string(ReasonString(block))
	for k, v := range UserProperties(block) {
		e.User = append(e.User, UserProperty{string(k), string(v)})
	}
	return e
}
