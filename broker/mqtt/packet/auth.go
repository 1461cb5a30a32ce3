package packet

import (
	"bytes"
	"strings"

	"github.com/mochi-mqtt/server/v2/packets"
)

// Auth is an AUTH packet, which exists in MQTT 5 only. A decoded one owns its
// memory.
type Auth struct {
	// Reason is ContinueAuthentication, ReAuthenticate (only from a Client) or
	// Success (only from a Server).
	Reason ReasonCode
	// Method is the Authentication Method.
	Method string
	// Data is the Authentication Data, nil if absent.
	Data []byte
	// Explanation has Reason String and User Properties.
	Explanation Explanation
}

// DecodeAuth decodes an AUTH that a Client of version v has sent; it is a Protocol
// Error unless v is V5. The result does not alias the frame.
func DecodeAuth(f Frame, v Version) (*Auth, error) { return decodeAuth(f, v, Success) }

// DecodeAuthFromServer decodes an AUTH that a Server has sent.
func DecodeAuthFromServer(f Frame, v Version) (*Auth, error) {
	return decodeAuth(f, v, ReAuthenticate)
}

// decodeAuth decodes an AUTH whose sender may not use the Reason Code foreign.
func decodeAuth(f Frame, v Version, foreign ReasonCode) (*Auth, error) {
	if err := f.expect(TypeAuth, v); err != nil {
		return nil, err
	}
	r := reader{b: f.Body}
	reason := Success
	if r.rest() > 0 {
		reason = ReasonCode(r.byte())
	}
	if reason == foreign || !reasonAllowed(TypeAuth, reason) { // v5 [MQTT-3.15.2-1]
		return nil, violation(TypeAuth, ErrReasonCode)
	}
	if len(f.Body) == 0 { // v5 section 3.15.2.1: short form of Success
		return &Auth{}, nil
	}
	block := r.block()
	if err := r.finish(TypeAuth); err != nil {
		return nil, err
	}
	p := walkProps(block, TypeAuth)
	if err := p.drain(); err != nil {
		return nil, err
	}
	if !p.has(propAuthMethod) { // v5 section 3.15.2.2.2
		return nil, violation(TypeAuth, ErrPropertyMissing)
	}
	pk := fromMochi(f, v)
	if err := contain(TypeAuth, func() error { return pk.AuthDecode(f.Body) }); err != nil {
		return nil, err
	}
	return &Auth{
		Reason: reason,
		Method: strings.Clone(pk.Properties.AuthenticationMethod),
		Data:   bytes.Clone(pk.Properties.AuthenticationData),
		Explanation: Explanation{
			ReasonString: strings.Clone(pk.Properties.ReasonString),
			User:         cloneUser(pk.Properties.User),
		},
	}, nil
}

// AppendAuth appends a. The Explanation is left out where the packet would exceed
// max bytes, User Properties first; nothing is appended if it still does, or if
// Method or Data are over MaxStringLength. max 0 means no limit.
func AppendAuth(dst []byte, a *Auth, max uint32) []byte {
	if !fits(a.Method) || len(a.Data) > MaxStringLength {
		return dst
	}
	body := a.Explanation.shrink(func(e Explanation) []byte {
		pk := newMochi(TypeAuth, V5)
		pk.ReasonCode = byte(a.Reason)
		pk.Properties = packets.Properties{
			AuthenticationMethod: a.Method,
			AuthenticationData:   a.Data,
			ReasonString:         e.ReasonString,
			User:                 toMochiUser(e.User),
		}
		return containEncode(func(b *bytes.Buffer) error { return pk.AuthEncode(b) })
	}, max)
	if body == nil {
		return dst
	}
	return appendBody(dst, byte(TypeAuth)<<4, body)
}
