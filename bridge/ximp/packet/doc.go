// Package packet is the XIMP codec: it turns bytes into packets and packets into
// bytes for versions 0 and 1 of the protocol that begins with "qh". It keeps no
// state between packets, reads no clock and does no I/O. Integers are big-endian.
//
// XIMP's cryptography protects nothing: RC4 restarts with the same key for every
// packet, so two packets XORed cancel the key stream. Treat a connection as
// plaintext, and put TLS beneath.
//
// # Packets
//
//	first, client → server           "qh" · u16 version<<12 | client version ·
//	                                 u16 app · 6 bytes reserved · u32 total · body
//	first, server → client, v1       "qh" · u32 total · body
//	first, server → client, v0       u32 total · body
//	every other one, both ways       u32 total · body
//	heartbeat and its answer         00 00 00 00
//
// total counts itself and all that stands before it, so the body has total-16,
// total-6 or total-4 bytes: at least 1, at most MaxBody, and MaxBodyBeforeLogin
// until the client has logged in. What breaks this is refused as soon as the length
// has arrived. version has 4 bits, 0 and 1 are in use, client version has 12. The
// reserved bytes are zero or random letters and mean nothing. A later packet of a
// client may carry the 16-byte header again; as a length it would be 1.9 GB, so
// there is no ambiguity. The server's magic stands once, on the answer to
// InitLoginReq, be it an error.
//
// # Text form ("wx")
//
// Inside WebSocket clients may write ASCII text instead:
//
//	first packet    "wxh128" · 8 decimal digits · base64
//	later packets   "wx" · 8 decimal digits · base64
//	heartbeat       "wx00000000"
//
// The number is the length of the base64 text (standard alphabet, padded), which
// holds the body. "h128" stands for version 0, client version 102 and app 2080. The
// limits above hold for the text.
//
// # Body
//
// A body is a protobuf Message, encrypted by RC4 with a key of 1 to 256 bytes whose
// state begins anew with each packet, or plain where there is no key. The keys are
// those of the login: the default key of (app, client version) up to LoginResp;
// LoginResp itself has the default key again, or to a guest the sender's id; all
// that follows has the session key of LoginResp, where an empty one means plaintext.
// Heartbeats are never encrypted.
//
// The schema is proto2, written down once in the fields methods of this package:
// number, label and kind of each field, in the order in which they are written.
// Varints are plain (negative numbers take ten bytes); nothing is packed on output,
// and packed is accepted on input; required fields are written even if empty, and
// their absence is an error; unknown fields and those of another wire type are
// skipped; groups are refused. The schema does not recurse: 5 messages stand within
// each other at most (RoomPacket, RoomUp, RoomJoinRequest, Room, RoomUser), and what
// is unknown is skipped without looking inside.
//
// Numbers that may be absent are of type Opt. Bytes and strings are byte slices,
// where nil means absent and an empty one means present. A Message decoded aliases
// the bytes it was decoded from, and is valid as long as those are.
//
// # Allocations
//
// An allocation is never sized from a length a peer claims: it is bounded by the
// bytes that have arrived, times a constant, and Inflate by a limit given to it.
package packet
