// Package packet is the codec of MIOP, a push protocol of old Android SDKs and of room clients, in versions 0 to 6. It turns
// bytes into frames and frames into bytes, for both sides. It keeps no state between frames, reads no clock and does no
// I/O.
//
// # Wire format
//
// All integers are big-endian.
//
//	versions 0-4   u16 version, u16 propLen, u32 dataLen, props, data
//	versions 5, 6  u16 version, u16 opcode, then what the opcode asks for:
//
//	 0 Ping           both    nothing
//	 1 Pong           both    nothing
//	 2 Bind           client  u16 propLen, props        u, t, ts, k, d, c; version 6 also sign, authtype
//	 3 Msg            server  u16 propLen, props, u32 dataLen, data     ack
//	 4 MsgAck         client  u16 propLen, props        ack
//	 5 Unbind         client  u16 propLen, props        u
//	 6 BindAck        server  u16 propLen, props        id, r
//	 7 UnbindAck      server  u16 propLen, props        id, r
//	 8 Kick           server  u16 propLen, props        id, u, r *
//	 9 Migrate        server  u16 propLen, props        id, addr *
//	10 Rebind         client  u16 propLen, props        as Bind *
//	11 RebindAck      server  u16 propLen, props        id, r
//	12 OfflineNotify  -       has no wire form
//	13 UploadData     client  u16 propLen, props, u32 dataLen, data     u, ack *
//	14 UploadDataAck  server  u16 propLen, props        ack, r *
//	15 Handshake      client  u16 propLen, props        *
//
// The props of rows with a star are this project's: nothing public shows others. A version is what a client can do: 2
// encrypts its bind, 3 acknowledges messages, 4 does both, 5 has opcodes, 6 a bind that is signed.
//
// Versions 0-4 have no opcode; what a frame is follows from what is in it (Frame.Kind). Of them only the layout and the bind
// are public; the rest is this project's.
//
// props are UTF-8 lines "key:value" joined by one line feed, with none at the end, in any order and without any escaping. A line is
// split at its first colon; one without is skipped; of a key that comes twice the last counts.
//
// The data of Msg is one entry after the other, that of UploadData one body after the other; they must fill it exactly:
//
//	entry   u64 message id, u32 appid, u32 length, body
//	entry   u64 message id, u32 length, body              (Short: what one older SDK writes)
//	upload  u32 length, body
//
// # Limits
//
// propLen is at most 4,096 and dataLen at most 1 MiB, in all versions. A longer one, also one that would be negative in the
// signed integers of other implementations, is refused as soon as its bytes have arrived.
//
// # Dialects
//
// The SDK known as kd.push reads opcodes 0, 1 and 7 as bare headers, 4 and 6 as props only, and everything else as props with
// dataLen and data. It loses the stream at a Kick, Migrate, RebindAck, UploadDataAck or Handshake as above. These may be sent only to
// clients that have used Rebind, UploadData or Handshake themselves, or are known to read them. The same SDK drops lines with a second
// colon: it must not be sent a value that holds one. It fails for good at any r but 0 in BindAck, and at a BindAck without r.
//
// # Binds of versions 2 and 4
//
// These carry, instead of u, the props n (a UUID), t, ts, r and s:
//
//	r = base64 of the RSA PKCS #1 v1.5 encryption, with the server's key, of a DES key of 8 bytes
//	s = base64 of the DES-CBC encryption, with PKCS #5 padding and the key as IV, of "user=<u>&sign=<S>"
//	S = lower-case hex of the md5 of "n" + n + "t" + t + "ts" + ts
//
// r and s may be broken into lines, of which the further ones have no key.
//
// This cryptography protects nothing by today's measure: a connection is to be treated as plain text.
//
// # Memory
//
// Decoding is done in place: what is returned aliases the bytes that were given. Nothing is allocated for a length that a peer
// claims; binds of versions 2 and 4 allocate as many bytes as have arrived.
//
// # Encoders
//
// Append functions append to dst and return it, as in strconv. They append nothing when what they are given has no
// encoding: props or data beyond the limits, an opcode without a wire form. Callers that can meet such input compare lengths.
package packet
