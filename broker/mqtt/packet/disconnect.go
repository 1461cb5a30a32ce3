package packet

// Disconnect is a DISCONNECT packet.
type Disconnect struct {
	// Reason is NormalDisconnection in MQTT 3 and where it is left out.
	Reason ReasonCode

	// MQTT 5 only:

	// HasSessionExpiry tells a SessionExpiry of 0 from none. Only a Client
	// sends it, v5 [MQTT-3.14.2-2].
	HasSessionExpiry bool
	// SessionExpiry replaces that of CONNECT, in seconds. That it must not
	// raise one of 0 is for the caller to check.
	SessionExpiry uint32
	// ServerReference names another Server, empty if absent. Only a Server
	// sends it.
	ServerReference string
	// Explanation has Reason String and User Properties.
	Explanation Explanation
}

// DecodeDisconnect decodes a DISCONNECT that a Client of version v has sent. The
// result does not alias the frame.
func DecodeDisconnect(f Frame, v Version) (*Disconnect, error) {
	return decodeDisconnect(f, v, &clientDisconnectReasons, propServerReference)
}

// DecodeDisconnectFromServer decodes a DISCONNECT that a Server has sent, which
// exists in V5 only.
func DecodeDisconnectFromServer(f Frame, v Version) (*Disconnect, error) {
	if v != V5 {
		return nil, violation(TypeDisconnect, ErrType)
	}
	return decodeDisconnect(f, v, &serverDisconnectReasons, propSessionExpiry)
}

// decodeDisconnect decodes a DISCONNECT whose sender may use the reasons and may
// not use the property foreign.
func decodeDisconnect(f Frame, v Version, reasons *reasonSet, foreign byte) (*Disconnect, error) {
	if err := f.expect(TypeDisconnect, v); err != nil {
		return nil, err
	}
	d := &Disconnect{}
	r := reader{b: f.Body}
	if v == V5 && r.rest() > 0 {
		d.Reason = ReasonCode(r.byte())
		if !reasons.has(d.Reason) { // v5 [MQTT-3.14.2-1]
			return nil, violation(TypeDisconnect, ErrReasonCode)
		}
		if r.rest() > 0 {
			block := r.block()
			if r.err == nil {
				if err := d.readProperties(block, foreign); err != nil {
					return nil, err
				}
			}
		}
	}
	if err := r.finish(TypeDisconnect); err != nil {
		return nil, err
	}
	return d, nil
}

func (d *Disconnect) readProperties(block []byte, foreign byte) error {
	p := walkProps(block, TypeDisconnect)
	for p.next() {
		switch p.id {
		case foreign:
			return violation(TypeDisconnect, ErrProperty)
		case propSessionExpiry:
			d.HasSessionExpiry, d.SessionExpiry = true, p.num
		case propServerReference:
			d.ServerReference = string(p.value)
		}
		if p.users > MaxUserProperties {
			return refusal(TypeDisconnect, QuotaExceeded, ErrTooMany)
		}
	}
	if p.err == nil {
		d.Explanation = explanationOf(block)
	}
	return p.err
}

// AppendDisconnect appends d as a DISCONNECT of version v, in its shortest form.
// In MQTT 3 it has no body and only a Client may send it. The Explanation is left
// out where the packet would exceed max bytes, User Properties first; nothing is
// appended if it still does. max 0 means no limit.
func AppendDisconnect(dst []byte, v Version, d *Disconnect, max uint32) []byte {
	const first = byte(TypeDisconnect) << 4
	if v != V5 {
		return append(dst, first, 0)
	}
	var block []byte
	if d.HasSessionExpiry {
		block = appendUint32(append(block, propSessionExpiry), d.SessionExpiry)
	}
	if d.ServerReference != "" && fits(d.ServerReference) {
		block = appendString(append(block, propServerReference), d.ServerReference)
	}
	body := d.Explanation.shrink(func(e Explanation) []byte {
		switch {
		case len(block) > 0 || !e.empty():
			return e.appendBlock([]byte{byte(d.Reason)}, block)
		case d.Reason != NormalDisconnection:
			return []byte{byte(d.Reason)}
		}
		return []byte{}
	}, max)
	if body == nil {
		return dst
	}
	return appendBody(dst, first, body)
}
