package packet

import (
	"bytes"
	"strings"

	"github.com/mochi-mqtt/server/v2/packets"
)

// ConnAck is a CONNACK packet. Its zero value accepts the connection with every
// feature of the protocol available. A decoded one owns its memory.
type ConnAck struct {
	// SessionPresent is sent as false if Reason is a failure and in MQTT 3.1.
	SessionPresent bool
	// Reason is sent as the return code of ReasonCode.V3ReturnCode in MQTT 3.
	Reason ReasonCode

	// MQTT 5 only:

	// HasSessionExpiry tells the Client that its Session Expiry Interval has
	// become SessionExpiry seconds.
	HasSessionExpiry bool
	SessionExpiry    uint32
	// ReceiveMaximum 0 is absent, which means 65,535.
	ReceiveMaximum uint16
	// HasMaximumQoS limits QoS to MaximumQoS, which is 0 or 1.
	HasMaximumQoS bool
	MaximumQoS    QoS
	// NoRetain, NoWildcards, NoSubscriptionIDs and NoShared tell what the Server
	// does not support.
	NoRetain          bool
	NoWildcards       bool
	NoSubscriptionIDs bool
	NoShared          bool
	// MaximumPacketSize is in bytes; 0 is absent, which means no limit.
	MaximumPacketSize uint32
	// AssignedClientID is the Client Identifier the Server has made up.
	AssignedClientID string
	// TopicAliasMaximum 0 means no Topic Aliases.
	TopicAliasMaximum uint16
	// HasServerKeepAlive sets the Keep Alive to ServerKeepAlive seconds.
	HasServerKeepAlive bool
	ServerKeepAlive    uint16
	// ResponseInformation is a basis for Response Topics.
	ResponseInformation string
	// ServerReference names another Server.
	ServerReference string
	// AuthMethod and AuthData are the enhanced authentication's.
	AuthMethod string
	AuthData   []byte
	// Explanation has Reason String and User Properties.
	Explanation Explanation
}

// AppendConnAck appends a as a CONNACK of version v. In MQTT 3 nothing is appended
// if the Reason has no return code. In MQTT 5 the Explanation is left out where the
// packet would exceed max bytes, User Properties first; nothing is appended if it
// still does, or if a string is over MaxStringLength. max 0 means no limit.
func AppendConnAck(dst []byte, v Version, a *ConnAck, max uint32) []byte {
	present := byte(0)
	if a.SessionPresent && a.Reason == Success && v != V31 { // v5 [MQTT-3.2.2-6], v3.1.1 [MQTT-3.2.2-4]
		present = 1
	}
	if v != V5 {
		code, ok := a.Reason.V3ReturnCode()
		if !ok {
			return dst
		}
		return append(dst, byte(TypeConnAck)<<4, 2, present, code)
	}
	if !fits(a.AssignedClientID, a.ResponseInformation, a.ServerReference, a.AuthMethod) ||
		len(a.AuthData) > MaxStringLength {
		return dst
	}
	body := a.Explanation.shrink(func(e Explanation) []byte {
		pk := newMochi(TypeConnAck, v)
		pk.SessionPresent = present == 1
		pk.ReasonCode = byte(a.Reason)
		pk.Properties = a.toMochi()
		pk.Properties.ReasonString = e.ReasonString
		pk.Properties.User = toMochiUser(e.User)
		return containEncode(func(b *bytes.Buffer) error { return pk.ConnackEncode(b) })
	}, max)
	if body == nil {
		return dst
	}
	return appendBody(dst, byte(TypeConnAck)<<4, body)
}

func (a *ConnAck) toMochi() packets.Properties {
	return packets.Properties{
		SessionExpiryIntervalFlag: a.HasSessionExpiry,
		SessionExpiryInterval:     a.SessionExpiry,
		ReceiveMaximum:            a.ReceiveMaximum,
		MaximumQosFlag:            a.HasMaximumQoS,
		MaximumQos:                byte(a.MaximumQoS),
		RetainAvailableFlag:       a.NoRetain,
		WildcardSubAvailableFlag:  a.NoWildcards,
		SubIDAvailableFlag:        a.NoSubscriptionIDs,
		SharedSubAvailableFlag:    a.NoShared,
		MaximumPacketSize:         a.MaximumPacketSize,
		AssignedClientID:          a.AssignedClientID,
		TopicAliasMaximum:         a.TopicAliasMaximum,
		ServerKeepAliveFlag:       a.HasServerKeepAlive,
		ServerKeepAlive:           a.ServerKeepAlive,
		ResponseInfo:              a.ResponseInformation,
		ServerReference:           a.ServerReference,
		AuthenticationMethod:      a.AuthMethod,
		AuthenticationData:        a.AuthData,
	}
}

// DecodeConnAck decodes a CONNACK that a Server of version v has sent. The result
// does not alias the frame.
func DecodeConnAck(f Frame, v Version) (*ConnAck, error) {
	reason, err := walkConnAck(f, v)
	if err != nil {
		return nil, err
	}
	pk := fromMochi(f, v)
	if err := contain(TypeConnAck, func() error { return pk.ConnackDecode(f.Body) }); err != nil {
		return nil, err
	}
	p := &pk.Properties
	return &ConnAck{
		SessionPresent:      pk.SessionPresent,
		Reason:              reason,
		HasSessionExpiry:    p.SessionExpiryIntervalFlag,
		SessionExpiry:       p.SessionExpiryInterval,
		ReceiveMaximum:      p.ReceiveMaximum,
		HasMaximumQoS:       p.MaximumQosFlag,
		MaximumQoS:          QoS(p.MaximumQos),
		NoRetain:            p.RetainAvailableFlag && p.RetainAvailable == 0,
		NoWildcards:         p.WildcardSubAvailableFlag && p.WildcardSubAvailable == 0,
		NoSubscriptionIDs:   p.SubIDAvailableFlag && p.SubIDAvailable == 0,
		NoShared:            p.SharedSubAvailableFlag && p.SharedSubAvailable == 0,
		MaximumPacketSize:   p.MaximumPacketSize,
		AssignedClientID:    strings.Clone(p.AssignedClientID),
		TopicAliasMaximum:   p.TopicAliasMaximum,
		HasServerKeepAlive:  p.ServerKeepAliveFlag,
		ServerKeepAlive:     p.ServerKeepAlive,
		ResponseInformation: strings.Clone(p.ResponseInfo),
		ServerReference:     strings.Clone(p.ServerReference),
		AuthMethod:          strings.Clone(p.AuthenticationMethod),
		AuthData:            bytes.Clone(p.AuthenticationData),
		Explanation: Explanation{
			ReasonString: strings.Clone(p.ReasonString),
			User:         cloneUser(p.User),
		},
	}, nil
}

// walkConnAck validates a CONNACK and returns its Reason Code.
func walkConnAck(f Frame, v Version) (ReasonCode, error) {
	if err := f.expect(TypeConnAck, v); err != nil {
		return 0, err
	}
	r := reader{b: f.Body}
	flags, code := r.byte(), r.byte()
	var block []byte
	if v == V5 {
		block = r.block()
	}
	if err := r.finish(TypeConnAck); err != nil {
		return 0, err
	}
	// v5 [MQTT-3.2.2-1]; 3.1 does not use the byte.
	if flags > 1 && v != V31 {
		return 0, malformed(TypeConnAck, ErrConnectFlags)
	}
	reason, ok := ReasonCode(code), reasonAllowed(TypeConnAck, ReasonCode(code))
	if v != V5 {
		reason, ok = reasonFromV3(code)
	}
	if !ok { // v5 [MQTT-3.2.2-8]
		return 0, violation(TypeConnAck, ErrReasonCode)
	}
	if flags == 1 && reason != Success { // v5 [MQTT-3.2.2-6], v3.1.1 [MQTT-3.2.2-4]
		return 0, violation(TypeConnAck, ErrConnectFlags)
	}
	p := walkProps(block, TypeConnAck)
	return reason, p.drain()
}
