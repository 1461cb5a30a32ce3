// Package miop is the front for MIOP, a push protocol that old Android SDKs and room clients speak: it turns frames into
// calls on broker.Sessions, and the broker's deliveries into frames. The package packet below has the wire format.
//
// A [Server] makes one handler per Network Connection; its methods run on the connection's loop. The exceptions are
// those of broker.Link, which any loop calls under a Session's lock: they touch what is fixed once a bind is
// given to the broker, the connection's output, and what is guarded by conn.mu.
//
// # Binds
//
// A client binds users of apps, each written user@appid, and one connection may carry several. Each is a Session:
//
//	App       as configured for the appid, else the listener's, else "miop-" and the appid
//	ClientID  "m:" and the user, in which every byte but A-Z a-z 0-9 . _ - is percent-encoded
//	          k:0 beside one that is connected: the same, ":" and random letters, and transient
//	expiry    Config.SessionExpiry; d:0 is transient
//
// Rebind is a Bind of a client that has just lost its connection. Hooks are told so by SessionEstablished.Resumed, if it is true and has not
// taken longer than broker.Config.FlashTimeout.
//
// A second bind of the same appid, or of the same Session, takes the place of the first. Unbind ends the Session; what was sent
// to its inbox and not acknowledged stays there, as the broker keeps it for a device without a Session.
//
// # Messages
//
// A delivery is one Msg with one entry. Its ack is a number that goes up over the connection, or 0 if no acknowledgement is wanted: of
// QoS 0, of topics below group/, and of versions 0 to 2, which know none. MsgAck settles it. What is not acknowledged is sent again
// at the next bind, never on the same connection. The message id stays the same then: it is made of the message's number in the
// mailbox and the Client Identifier; a message that is in no mailbox has one made of the time.
//
// UploadData is published to up/data with QoS 1, each body as a message with the User Properties from, which is user@appid, and
// sn, the client's number. It is answered when all of them are accepted.
//
// # What is not known
//
// Much of the protocol is not public. What clients send is taken as far as it can be read; what nobody knows the meaning
// of is counted (Stats.Uncertain) and logged at level debug. Kick, Migrate, RebindAck, UploadDataAck and Handshake go only to
// clients that read them, see packet; for the others the connection is closed.
package miop
