package packet

import (
	"bytes"
	"errors"
	"strings"

	"github.com/mochi-mqtt/server/v2/packets"
)

// Connect is a CONNECT packet. A decoded one owns its memory.
type Connect struct {
	// Version is V31, V311 or V5.
	Version Version
	// CleanStart is Clean Session in MQTT 3.
	CleanStart bool
	// KeepAlive is in seconds; 0 turns it off.
	KeepAlive uint16
	// ClientID is empty if the Server is to assign one, which only V5 and V311
	// with CleanStart may ask for.
	ClientID string
	// Will is nil if there is none.
	Will *Will
	// HasUsername and HasPassword tell empty from absent.
	HasUsername bool
	HasPassword bool
	Username    string
	Password    []byte

	// MQTT 5 only, zero in other versions:

	// HasSessionExpiry tells SessionExpiry 0 from absent, which mean the same.
	HasSessionExpiry bool
	// SessionExpiry is in seconds; 0xFFFFFFFF means never.
	SessionExpiry uint32
	// ReceiveMaximum is 0 if absent, which means 65,535.
	ReceiveMaximum uint16
	// MaximumPacketSize is in bytes, 0 if absent, which means no limit.
	MaximumPacketSize uint32
	// TopicAliasMaximum 0 means that the Client takes no Topic Aliases.
	TopicAliasMaximum uint16
	// RequestResponseInfo asks for Response Information in CONNACK.
	RequestResponseInfo bool
	// NoProblemInfo is set if Request Problem Information was sent as 0; see
	// Explanation.
	NoProblemInfo bool
	// AuthMethod is the Authentication Method; HasAuthMethod tells empty from
	// absent. AuthData is nil if absent.
	HasAuthMethod bool
	AuthMethod    string
	AuthData      []byte
	// UserProperties are those of the connection.
	UserProperties []UserProperty
}

// Will is the Will in a CONNECT.
type Will struct {
	// Topic is a Topic Name, valid and not empty.
	Topic string
	// Payload may be empty.
	Payload []byte
	QoS     QoS
	Retain  bool

	// MQTT 5 only, zero in other versions:

	// Delay is the Will Delay Interval in seconds.
	Delay uint32
	// HasMessageExpiry tells a MessageExpiry of 0 seconds from none.
	HasMessageExpiry bool
	MessageExpiry    uint32
	// Properties are the others, for a Client to fill in and a Server to read.
	Properties MessageProperties
	// Forward is Properties in wire form, as PublishOut.Forward takes them. It
	// is set by DecodeConnect and ignored by AppendConnect.
	Forward []byte
}

// DecodeConnect decodes a CONNECT. An *Error has its Version set as soon as the
// packet has told it, and Code UnsupportedProtocolVersion for a protocol name or
// level this codec does not speak, including the bridge bit 0x80 that mosquitto
// tries first. The result does not alias the frame.
func DecodeConnect(f Frame) (*Connect, error) {
	layout, err := walkConnect(f)
	if err != nil {
		return nil, withVersion(err, layout.version)
	}
	pk := fromMochi(f, layout.version)
	body := f.Body
	if layout.flags != body[layout.flagsAt] {
		body = bytes.Clone(body)
		body[layout.flagsAt] = layout.flags
	}
	if err := contain(TypeConnect, func() error { return pk.ConnectDecode(body) }); err != nil {
		return nil, withVersion(err, layout.version)
	}
	return connectFromMochi(&pk, &layout), nil
}

// withVersion sets the version in which to answer err.
func withVersion(err error, v Version) error {
	if e, ok := errors.AsType[*Error](err); ok {
		e.Version = v
	}
	return err
}

func connectFromMochi(pk *packets.Packet, layout *connectLayout) *Connect {
	in, p := &pk.Connect, &pk.Properties
	c := &Connect{
		Version:             layout.version,
		CleanStart:          in.Clean,
		KeepAlive:           in.Keepalive,
		ClientID:            strings.Clone(in.ClientIdentifier),
		HasUsername:         in.UsernameFlag,
		HasPassword:         in.PasswordFlag,
		Username:            string(in.Username),
		Password:            bytes.Clone(in.Password),
		HasSessionExpiry:    p.SessionExpiryIntervalFlag,
		SessionExpiry:       p.SessionExpiryInterval,
		ReceiveMaximum:      p.ReceiveMaximum,
		MaximumPacketSize:   p.MaximumPacketSize,
		TopicAliasMaximum:   p.TopicAliasMaximum,
		RequestResponseInfo: p.RequestResponseInfo == 1,
		NoProblemInfo:       p.RequestProblemInfoFlag && p.RequestProblemInfo == 0,
		HasAuthMethod:       layout.hasAuthMethod,
		AuthMethod:          strings.Clone(p.AuthenticationMethod),
		AuthData:            bytes.Clone(p.AuthenticationData),
		UserProperties:      cloneUser(p.User),
	}
	if !in.WillFlag {
		return c
	}
	w := &in.WillProperties
	c.Will = &Will{
		Topic:            strings.Clone(in.WillTopic),
		Payload:          bytes.Clone(in.WillPayload),
		QoS:              QoS(in.WillQos),
		Retain:           in.WillRetain,
		Delay:            w.WillDelayInterval,
		HasMessageExpiry: layout.will.HasMessageExpiry,
		MessageExpiry:    w.MessageExpiryInterval,
		Properties: MessageProperties{
			PayloadFormat:   w.PayloadFormat,
			ContentType:     strings.Clone(w.ContentType),
			ResponseTopic:   strings.Clone(w.ResponseTopic),
			CorrelationData: bytes.Clone(w.CorrelationData),
			User:            cloneUser(w.User),
		},
		Forward: bytes.Clone(layout.will.Forward),
	}
	return c
}
