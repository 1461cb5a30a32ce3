// Package ximp is the front for XIMP, the protocol of phones and web pages that begins with "qh": it turns packets into
// calls on a broker.Session, and the broker's deliveries into inboxes that clients pull from.
//
// A [Server] makes one handler per Network Connection, whose methods run on the connection's loop. The exceptions are
// those of broker.Link, which any loop calls under the Session's lock: they put messages into the connection's inboxes,
// under its lock, and have its loop look after them.
//
// # How XIMP maps to the broker
//
//	InitLogin, Login      Connect. The Client Identifier is x:USER:PLATFORM:DEVICE, each with what is not a letter, a
//	                      digit, '.', '_' or '-' percent-encoded. Without device the Session ends with the connection
//	inbox peer            what is published to inbox/CLIENTID and user/USER, to which the Session is subscribed
//	inbox im              of these, what has a User Property x-box: im. Clients up to version 101 get it in peer
//	inbox public          what is published to broadcast/APP
//	GetInfo               reads a page; a start above 0 acknowledges all below it
//	room join, quit       a subscription to group/ROOM, QoS 0, that ends with the connection
//	ChatReq, room 300     a message to up/chat, up/room, QoS 1
//	status query          who is subscribed to user/USER
//
// # Inboxes
//
// The Session's window is as large as its mailbox, so that all that is in the mailbox is given to the connection, sorted
// into three inboxes by which no one blocks another. The connection rings a doorbell, and the client pulls. An id is the
// number of the message in the mailbox, which grows from message to message and never goes back, also across reconnects, restarts and
// the end of the Session; so it is one sequence that three inboxes share, with gaps. That is closer to the numbers of old servers than
// others would be: clients skip to a thousand below the newest. What has QoS 0 has a number too, but is lost with the connection.
//
// # Keys
//
// XIMP's cryptography hides nothing; a connection is plaintext to whoever listens. Without keys of the operator's own a listener
// takes plaintext only. With [Rules].DefaultKey, a client whose app and version have no key is refused. The key changes exactly at
// LoginResp: all output is made on the connection's loop, and nothing is delivered before.
package ximp
