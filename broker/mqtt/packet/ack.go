package packet

import "encoding/binary"

// Ack is a PUBACK, PUBREC, PUBREL or PUBCOMP as received.
type Ack struct {
	// PacketID is never 0.
	PacketID PacketID
	// Reason is Success in MQTT 3 and where it is left out.
	Reason ReasonCode
	// Properties is the validated property block in wire form, nil if there is
	// none. It aliases the frame. See ReasonString and UserProperties.
	Properties []byte
}

// DecodeAck decodes a PUBACK, PUBREC, PUBREL or PUBCOMP of version v. Reason Codes
// the packet may not have, trailing bytes and a Packet Identifier of 0 are errors.
// It allocates nothing but an *Error.
func DecodeAck(f Frame, v Version) (Ack, error) {
	if len(f.Body) == 2 && f.Flags == ackByte(f.Type)&0x0F && f.Type-TypePubAck < 4 {
		if id := binary.BigEndian.Uint16(f.Body); id != 0 {
			return Ack{PacketID: PacketID(id)}, nil
		}
	}
	return decodeAck(f, v)
}

// decodeAck is DecodeAck for what is not short and valid.
func decodeAck(f Frame, v Version) (Ack, error) {
	switch f.Type {
	case TypePubAck, TypePubRec, TypePubRel, TypePubComp:
	default:
		return Ack{}, violation(f.Type, ErrType)
	}
	if err := f.expect(f.Type, v); err != nil {
		return Ack{}, err
	}
	r := reader{b: f.Body}
	a := Ack{PacketID: PacketID(r.uint16())}
	if r.err == nil && a.PacketID == 0 { // v5 [MQTT-2.2.1-5], v3.1.1 [MQTT-2.3.1-1]
		return Ack{}, violation(f.Type, ErrPacketID)
	}
	if v == V5 && r.rest() > 0 {
		a.Reason = ReasonCode(r.byte())
		if !reasonAllowed(f.Type, a.Reason) {
			// v5 [MQTT-3.4.2-1] [MQTT-3.5.2-1] [MQTT-3.6.2-1] [MQTT-3.7.2-1]
			return Ack{}, violation(f.Type, ErrReasonCode)
		}
		if r.rest() > 0 {
			a.Properties = r.block()
			p := walkProps(a.Properties, f.Type)
			if err := p.drain(); err != nil {
				return Ack{}, err
			}
		}
	}
	if err := r.finish(f.Type); err != nil {
		return Ack{}, err
	}
	return a, nil
}

// finish returns the failure of the walk, or that bytes are left over.
func (r *reader) finish(t Type) error {
	if r.err == nil && r.rest() > 0 {
		r.err = ErrTrailing
	}
	if r.err != nil {
		return malformed(t, r.err)
	}
	return nil
}

// ackByte returns the first byte of the acknowledgement t.
func ackByte(t Type) byte {
	if t == TypePubRel {
		return byte(t)<<4 | 0x02
	}
	return byte(t) << 4
}

// AppendAck appends a PUBACK, PUBREC, PUBREL or PUBCOMP of version v, in its
// shortest form. rc is ignored in MQTT 3, which has no Reason Codes. It does not
// allocate if dst has room.
func AppendAck(dst []byte, t Type, v Version, id PacketID, rc ReasonCode) []byte {
	if v == V5 && rc != Success {
		return append(dst, ackByte(t), 3, byte(id>>8), byte(id), byte(rc))
	}
	return append(dst, ackByte(t), 2, byte(id>>8), byte(id))
}

// AppendAckWithReason is AppendAck with a Reason String and User Properties for an
// MQTT 5 peer. They are left out, User Properties first, where the packet would
// exceed max bytes; max 0 means no limit.
func AppendAckWithReason(dst []byte, t Type, v Version, id PacketID, rc ReasonCode, e Explanation, max uint32) []byte {
	if v != V5 || e.empty() {
		return AppendAck(dst, t, v, id, rc)
	}
	body := func(e Explanation) []byte {
		if e.empty() {
			return nil // AppendAck is shorter
		}
		b := append(appendUint16(nil, uint16(id)), byte(rc))
		return e.appendBlock(b, nil)
	}
	if b := e.shrink(body, max); b != nil {
		return appendBody(dst, ackByte(t), b)
	}
	return AppendAck(dst, t, v, id, rc)
}
