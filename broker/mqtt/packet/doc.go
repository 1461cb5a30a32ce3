// Package packet is the MQTT codec: it turns bytes into packets and packets
// into bytes for MQTT 3.1 (protocol level 3), 3.1.1 (4) and 5.0 (5). It keeps no
// state between packets, reads no clock and does no I/O.
//
// # Wire format
//
// Every MQTT Control Packet is
//
//	byte 1       type (high 4 bits) and flags (low 4 bits)
//	bytes 2..5   Remaining Length, a Variable Byte Integer of 1 to 4 bytes,
//	             7 bits each, least significant group first, high bit = more
//	             follow, in the shortest form; at most 268,435,455
//	body         Remaining Length bytes
//
// Inside a body integers are big-endian, UTF-8 Encoded Strings and Binary Data
// have a two-byte length in front, and an MQTT 5 property block is its length as
// a Variable Byte Integer followed by properties: a one-byte identifier, then a
// value whose kind follows from the identifier (see property.go).
//
//	CONNECT      name, level, flags, keep alive, [props], client id,
//	             [[will props] will topic, will payload], [user], [password]
//	CONNACK      session present, code, [props]
//	PUBLISH      topic, [packet id if QoS > 0], [props], payload
//	PUBACK … PUBCOMP  packet id, [code, [props]]
//	SUBSCRIBE    packet id, [props], (filter, options)+
//	SUBACK       packet id, [props], code+
//	UNSUBSCRIBE  packet id, [props], filter+
//	UNSUBACK     packet id, [props, code+]
//	PINGREQ/RESP nothing
//	DISCONNECT   [code, [props]]
//	AUTH         [code, [props]]
//
// # How it is built
//
// Bytes from outside are hostile. Each decoder first walks the raw body: lengths,
// flags, UTF-8, which properties belong to the packet, duplicates, reserved bits,
// Reason Codes, trailing bytes. PUBLISH, the acknowledgements, DISCONNECT and the
// small packets are decoded during that walk. CONNECT, SUBSCRIBE, UNSUBSCRIBE,
// AUTH and CONNACK are then handed to the codec of mochi-mqtt, in a call that
// turns a panic into an error (mochi.go), since that codec is lax on much and
// panics on some truncated packets. Its types do not appear in this package's API.
//
// An allocation is never sized from a length a peer claims: it is bounded by the
// bytes that have arrived, times a constant.
//
// # Errors
//
// Decoders return *Error with the MQTT 5 Reason Code to answer with. MQTT 3 has no
// such answer: there the connection is closed, after a CONNACK where
// ReasonCode.V3ReturnCode knows a code.
//
// # Encoders
//
// Append functions append to dst and return it, as in strconv. They append nothing
// when what they are given has no encoding: a string over 65,535 bytes, a packet
// over the limit, a PUBLISH (QoS > 0), SUBSCRIBE or UNSUBSCRIBE with Packet
// Identifier 0. Callers that can meet such input compare lengths before and after.
package packet
