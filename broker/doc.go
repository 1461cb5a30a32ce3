// Package broker is the room: it holds Sessions, knows who subscribes to what,
// and gets every Application Message to the Sessions it is owed to.
//
// The broker knows no protocol. A protocol front (broker/mqtt and others) turns
// bytes into calls on a [Session] and is told what to send through the [Link]
// that it gives at Connect. What must outlive the process goes through a
// [Store]; all calls to it are asynchronous.
//
// # The path of a message
//
// A front calls [Broker.Publish] with a message whose bytes still lie in its
// read buffer. The topic index yields the Sessions; each is offered the
// message under its lock. If its send window has room and nothing older waits,
// the Link encodes it straight into the connection's output: no copy, no queue. Otherwise
// a Session that has promised to keep messages keeps a reference to one shared
// copy, within bounds. Only when every Session that the message is owed to has
// taken it may the publisher be acknowledged; until then the publish is
// [Pending] and the publisher's [Completion] is called later.
//
// # Sessions
//
// A Session whose Session Expiry Interval is 0 is transient: its window and
// queue live in RAM and end with the Network Connection. Any other is
// persistent: its messages are in its mailbox in the Store, and the RAM holds
// at most a page of them.
//
// A mailbox's entries are numbered, and the Packet Identifier of a delivery
// follows from the number: what is sent again after a restart of the node has the
// identifier that it had before. Nothing of QoS 2 is sent before its entry is
// safe. What a client is told with CONNACK, SUBACK, PUBACK, PUBREC, PUBREL and
// PUBCOMP is on disk when it is told.
//
// A Session that has lost its connection stays awake for a while, within
// bounds, so that a quick return needs nothing from the Store. Then it sleeps:
// in RAM is what a publish to its subscriptions needs, and nothing at all if it
// has none. It is woken when its client connects, or when a message comes for
// it and it is not known whether its mailbox has room.
//
// # Addressed messages and broadcasts
//
// What is published to "inbox/{ClientID}" goes to that device's mailbox, which
// is made if there is none, and outlives Clean Start and the end of the Session.
// What is published to "broadcast/{App}" goes into one log for the App; a Session
// that has been away reads on where it left off.
//
// Every Connect with a Client Identifier gets a larger epoch. A call that
// comes with an older one is refused: what a connection still does after it
// has been taken over changes nothing.
//
// # Locks, outermost first
//
//	registry shard → Session.mu → topic index, Link output, deadlines, Store hand-over
//	retained messages → Store hand-over
//	no two Sessions are locked at once
//	no lock is held over a system call
package broker
