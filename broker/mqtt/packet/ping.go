package packet

// DecodePing checks a PINGREQ or PINGRESP, which have no body.
func DecodePing(f Frame) error {
	if f.Type != TypePingReq && f.Type != TypePingResp {
		return violation(f.Type, ErrType)
	}
	if len(f.Body) > 0 {
		return malformed(f.Type, ErrTrailing)
	}
	return f.expect(f.Type, 0)
}

// AppendPingReq appends a PINGREQ, two bytes in every version.
func AppendPingReq(dst []byte) []byte { return append(dst, byte(TypePingReq)<<4, 0) }

// AppendPingResp appends a PINGRESP, two bytes in every version.
func AppendPingResp(dst []byte) []byte { return append(dst, byte(TypePingResp)<<4, 0) }
