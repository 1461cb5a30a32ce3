package packet

import "strconv"

// Type is the type of an MQTT Control Packet, 1 to 15; 0 is forbidden.
type Type byte

// The packet types, numbered as on the wire.
const (
	TypeConnect     Type = 1
	TypeConnAck     Type = 2
	TypePublish     Type = 3
	TypePubAck      Type = 4
	TypePubRec      Type = 5
	TypePubRel      Type = 6
	TypePubComp     Type = 7
	TypeSubscribe   Type = 8
	TypeSubAck      Type = 9
	TypeUnsubscribe Type = 10
	TypeUnsubAck    Type = 11
	TypePingReq     Type = 12
	TypePingResp    Type = 13
	TypeDisconnect  Type = 14
	TypeAuth        Type = 15 // MQTT 5 only
)

var typeNames = [16]string{
	"reserved", "CONNECT", "CONNACK", "PUBLISH", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP",
	"SUBSCRIBE", "SUBACK", "UNSUBSCRIBE", "UNSUBACK", "PINGREQ", "PINGRESP", "DISCONNECT", "AUTH",
}

// String returns the name the specification uses, such as "PUBLISH".
func (t Type) String() string {
	if int(t) < len(typeNames) {
		return typeNames[t]
	}
	return "packet type " + strconv.Itoa(int(t))
}

// Version is the protocol level of CONNECT. The zero value means unknown.
type Version byte

// The protocol levels this package speaks.
const (
	V31  Version = 3 // MQTT 3.1, protocol name MQIsdp
	V311 Version = 4 // MQTT 3.1.1
	V5   Version = 5 // MQTT 5.0
)

// String returns "3.1", "3.1.1", "5.0" or the level as a number.
func (v Version) String() string {
	switch v {
	case V31:
		return "3.1"
	case V311:
		return "3.1.1"
	case V5:
		return "5.0"
	}
	return "level " + strconv.Itoa(int(v))
}

// QoS is a quality of service level, 0 to 2. Decoders never yield 3.
type QoS byte

// The quality of service levels.
const (
	AtMostOnce  QoS = 0
	AtLeastOnce QoS = 1
	ExactlyOnce QoS = 2
)

// PacketID is a Packet Identifier, 1 to 65,535; 0 means none.
type PacketID uint16

const (
	// MaxRemainingLength is the largest Remaining Length and the largest
	// Variable Byte Integer, 268,435,455.
	MaxRemainingLength = 1<<28 - 1

	// MaxPacketSize is the largest packet, fixed header included, in bytes.
	MaxPacketSize = MaxRemainingLength + 5

	// MaxStringLength is the largest UTF-8 Encoded String or Binary Data value
	// in bytes.
	MaxStringLength = 65535

	// MaxFilters is the largest number of Topic Filters a SUBSCRIBE or
	// UNSUBSCRIBE may carry here. The specification sets none; it bounds what a
	// large packet of tiny filters costs. More are refused with QuotaExceeded.
	MaxFilters = 16384

	// MaxUserProperties is the largest number of User Properties in any packet
	// but PUBLISH, whose User Properties stay in wire form. The specification
	// sets none. More are refused with QuotaExceeded.
	MaxUserProperties = 4096
)
