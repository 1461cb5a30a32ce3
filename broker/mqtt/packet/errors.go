package packet

import "errors"

// Causes wrapped by Error.
var (
	// ErrTruncated means that a field reaches beyond the end of the packet.
	ErrTruncated = errors.New("a field reaches beyond the end of the packet")
	// ErrTrailing means that bytes follow the last field of the packet.
	ErrTrailing = errors.New("bytes follow the last field")
	// ErrVarint means a Variable Byte Integer of more than four bytes or not in
	// its shortest form.
	ErrVarint = errors.New("variable byte integer is not in its shortest form or over four bytes")
	// ErrType means a packet type that is reserved, or not the expected one, or
	// not part of the version of the protocol in use.
	ErrType = errors.New("packet type is not valid here")
	// ErrFlags means fixed header flags the packet type does not allow.
	ErrFlags = errors.New("fixed header flags are not valid for the packet type")
	// ErrTooLarge means a packet over the size limit of the receiver.
	ErrTooLarge = errors.New("packet is larger than allowed")
	// ErrString means a string that is not well-formed UTF-8 or contains U+0000.
	ErrString = errors.New("string is not valid UTF-8 or contains U+0000")
	// ErrPacketID means a Packet Identifier of 0.
	ErrPacketID = errors.New("packet identifier is 0")
	// ErrQoS means a quality of service of 3.
	ErrQoS = errors.New("QoS is 3")
	// ErrDup means the DUP flag with QoS 0.
	ErrDup = errors.New("DUP is set with QoS 0")
	// ErrTopicName means a Topic Name that is empty or contains a wildcard.
	ErrTopicName = errors.New("topic name is empty or contains a wildcard")
	// ErrTopicFilter means a Topic Filter that is empty.
	ErrTopicFilter = errors.New("topic filter is empty")
	// ErrNoTopic means a PUBLISH with neither Topic Name nor Topic Alias.
	ErrNoTopic = errors.New("neither topic name nor topic alias")
	// ErrProperty means a property that is unknown or not allowed in the packet.
	ErrProperty = errors.New("property is not allowed in this packet")
	// ErrPropertyTwice means a property included more often than once.
	ErrPropertyTwice = errors.New("property is included more than once")
	// ErrPropertyValue means a property value out of its range.
	ErrPropertyValue = errors.New("property value is out of range")
	// ErrPropertyMissing means that a required property is missing.
	ErrPropertyMissing = errors.New("required property is missing")
	// ErrReasonCode means a Reason Code the packet or its sender may not use.
	ErrReasonCode = errors.New("reason code is not allowed in this packet")
	// ErrNoFilters means a SUBSCRIBE or UNSUBSCRIBE without a Topic Filter, or a
	// SUBACK without a code.
	ErrNoFilters = errors.New("list is empty")
	// ErrOptions means Subscription Options with reserved bits or values.
	ErrOptions = errors.New("subscription options are not valid")
	// ErrNoLocalShared means No Local on a Shared Subscription.
	ErrNoLocalShared = errors.New("no local on a shared subscription")
	// ErrTooMany means more list entries than this codec takes.
	ErrTooMany = errors.New("too many filters or user properties")
	// ErrProtocol means a protocol name or level this codec does not speak.
	ErrProtocol = errors.New("protocol name or version is not supported")
	// ErrClientID means an empty Client Identifier where one is required.
	ErrClientID = errors.New("client identifier is required")
	// ErrConnectFlags means CONNECT or CONNACK flags that contradict each other.
	ErrConnectFlags = errors.New("connect flags contradict each other or use reserved bits")
	// ErrCodec means that the underlying codec refused a packet our own
	// validation had let through, or panicked over it. It is a bug here.
	ErrCodec = errors.New("codec refused the packet")
)

// Error is a packet that breaks the protocol. The connection it came on is to be
// closed, after a CONNACK or DISCONNECT with Code where the version has that.
type Error struct {
	// Code is what to answer to an MQTT 5 peer: MalformedPacket, ProtocolError
	// or a more precise one. Towards MQTT 3 see ReasonCode.V3ReturnCode.
	Code ReasonCode
	// Version is set by DecodeConnect as soon as it is known: the version in
	// which to answer a refused CONNECT. 0 means: close without an answer.
	Version Version
	// Op is what was done, such as "read PUBLISH".
	Op string
	// Err is the cause, one of this package's Err variables, maybe wrapped.
	Err error
}

// Error returns operation, cause and Reason Code in one line.
func (e *Error) Error() string {
	return e.Op + ": " + e.Err.Error() + " (" + e.Code.String() + ")"
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

var readOps = [16]string{
	"read packet", "read CONNECT", "read CONNACK", "read PUBLISH", "read PUBACK", "read PUBREC",
	"read PUBREL", "read PUBCOMP", "read SUBSCRIBE", "read SUBACK", "read UNSUBSCRIBE",
	"read UNSUBACK", "read PINGREQ", "read PINGRESP", "read DISCONNECT", "read AUTH",
}

// malformed returns a Malformed Packet error of reading t.
func malformed(t Type, err error) error {
	return &Error{Code: MalformedPacket, Op: readOps[t&15], Err: err}
}

// violation returns a Protocol Error of reading t.
func violation(t Type, err error) error {
	return &Error{Code: ProtocolError, Op: readOps[t&15], Err: err}
}

// refusal returns an error of reading t with a code of its own.
func refusal(t Type, code ReasonCode, err error) error {
	return &Error{Code: code, Op: readOps[t&15], Err: err}
}
