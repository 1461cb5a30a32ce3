package broker

import "errors"

// Verdict is a Link's answer to a Delivery.
type Verdict uint8

// Verdicts.
const (
	// Sent means that the message is on its way.
	Sent Verdict = iota
	// Full means that the connection takes no more at present. The front calls
	// Session.Resume when it does again.
	Full
	// Oversized means that this client can never take this message.
	Oversized
	// Gone means that the connection is ending; OnClose will follow.
	Gone
)

// Delivery is one message for one Session. It is valid during the call only.
type Delivery struct {
	Message  *Message // maybe borrowed
	QoS      QoS
	Retain   bool
	Dup      bool
	PacketID PacketID // 0 at QoS 0
	// Seq is the number of the message in the Session's mailbox: it grows from message to message, stays the
	// same when one is sent again, also after a restart, and is below 2^53 for centuries. 0 is none: QoS 0 without Connect.NumberAll,
	// or a Session that ends with its connection.
	Seq uint64
	// Log is the place of a broadcast in its App's log, by which all Sessions know it; 0 if it is none.
	Log             uint64
	SubscriptionIDs []uint32
	// Via is what the calling front put into its Scratch: it tells a Link of
	// the same kind on which loop it is being called. nil means on none.
	Via any
}

// Link is what a protocol front gives for a connected client. Its methods are
// called from any goroutine, with the Session's lock held, and must not block
// nor call the Session.
type Link interface {
	// Deliver sends a message.
	Deliver(d *Delivery) Verdict
	// Release is the second step of a QoS 2 delivery (MQTT's PUBREL).
	Release(id PacketID, via any)
	// Yield asks the front to call Session.Resume in another turn.
	Yield(via any)
	// End closes the connection for a reason which is none of the client's doing
	// in this moment: taken over, kicked, too slow. It returns at once. It may be called more than once.
	End(reason error)
}

// Lagger is a Link that can tell whether its client is behind: with a Relief, such clients get no QoS 0 messages.
type Lagger interface {
	// Lags tells whether the client has yet to take what it was sent before. It is called as Link's methods are.
	Lags() bool
}

// Reasons for Link.End and results of calls.
var (
	// ErrTakenOver means that the same Client Identifier has connected again.
	ErrTakenOver = errors.New("session taken over")
	// ErrQuotaExceeded means that a bound would be passed.
	ErrQuotaExceeded = errors.New("quota exceeded")
	// ErrSlowConsumer means that a client held up publishers without taking anything.
	ErrSlowConsumer = errors.New("slow consumer")
	// ErrFruitless means that a client has fetched its messages again and again and
	// acknowledged none.
	ErrFruitless = errors.New("client acknowledges nothing")
	// ErrKicked means that an operator has ended the connection; see Broker.Kick.
	ErrKicked = errors.New("ended by an operator")
	// ErrBanned means that an operator keeps the client away.
	ErrBanned = errors.New("banned by an operator")
	// ErrUnavailable means that nobody can tell at the moment who a client is. It is no fault of the client's, which may try again.
	ErrUnavailable = errors.New("authentication is not available")
	// ErrNotConnected means that a client has no connection.
	ErrNotConnected = errors.New("client is not connected")
	// ErrNoApp means that there is no App of that name.
	ErrNoApp = errors.New("no such App")
	// ErrNotAuthorized means that the client may not do so.
	ErrNotAuthorized = errors.New("not authorized")
	// ErrStale means that a newer connection owns the Session.
	ErrStale = errors.New("session belongs to a newer connection")
	// ErrClosed means that the broker is shutting down.
	ErrClosed = errors.New("broker is shut down")
	// ErrHookPanicked means that a hook has panicked, which denies.
	ErrHookPanicked = errors.New("hook has panicked")
	// ErrProtocol means that a client acknowledged what it was not sent.
	ErrProtocol = errors.New("protocol error")
)
