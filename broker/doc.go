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
