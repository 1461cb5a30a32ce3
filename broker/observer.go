package broker

import (
	"context"
	"net/netip"
)

// Hook is what Config.Hooks is made of. A type implements one or more of the interfaces ConnectInterceptor, PublishInterceptor,
// SessionEstablishedObserver, DisconnectObserver, SubscribedObserver, UnsubscribedObserver, PublishedObserver,
// DeliveredObserver, CompletedObserver and DroppedObserver, and gets what these are for.
//
// Observers are told what has happened. Each hook that observes has a goroutine of its own, which calls it for one event after
// the other, in the order in which they came about for a Session. It may block until ctx ends, which is soon after Close; what happens
// meanwhile waits in a queue bounded by Config.HookQueueEvents and Config.HookQueueBytes. When that is
// full, new events are not told, and counted in Stats.HookEventsLost. An event may be kept, and must not be changed: other hooks
// are told the same.
type Hook interface {
	// ID names the hook in logs and metrics. It is called once.
	ID() string
}

// ConnectionID names a Network Connection of a client, over the whole life of a node.
type ConnectionID struct {
	App      string
	ClientID string // empty for what is not a client's
	Epoch    uint64 // goes up with each connection; 0 if there is none
}

// SessionEstablished tells that a client has been let in.
type SessionEstablished struct {
	ConnectionID
	User       string
	Remote     netip.AddrPort // as in ConnectRequest
	Listener   string         // likewise
	Protocol   string         // likewise
	Version    uint8          // likewise
	CleanStart bool
	Present    bool // there was a Session, and it goes on
	// Resumed tells that the client has asked to go on with its last connection (MIOP's Rebind), and has it still or lost it no longer than
	// Config.FlashTimeout ago: for those who keep presence it has not been away.
	Resumed bool
	Expiry  uint32 // Session Expiry Interval in seconds
}

// SessionEstablishedObserver is told who has connected. The client may not have been told so yet. For each
// connection, also one that is Resumed, there is one Disconnected later, unless the queue was full or the process was killed.
type SessionEstablishedObserver interface {
	// OnSessionEstablished is called as the comment of Hook says.
	OnSessionEstablished(ctx context.Context, e *SessionEstablished)
}

// Disconnected tells that a connection has ended.
type Disconnected struct {
	ConnectionID
	Graceful bool  // the client has taken leave
	Ended    bool  // the Session has ended with it
	Reason   error // why; ErrTakenOver if another connection has the Client Identifier, nil if the front does not say
}

// DisconnectObserver is told whose connection has ended.
type DisconnectObserver interface {
	// OnDisconnect is called as the comment of Hook says.
	OnDisconnect(ctx context.Context, e *Disconnected)
}

// Subscribed tells of subscriptions that a client has asked for.
type Subscribed struct {
	ConnectionID
	Subscriptions []Subscribe
	Errs          []error // for each, nil if it is in force; those that rules deny are not in the list at all
}

// SubscribedObserver is told who has subscribed. If the Store fails to keep the subscriptions an Unsubscribed follows. Those of
// Config.AutoSubscribe are not told.
type SubscribedObserver interface {
	// OnSubscribed is called as the comment of Hook says.
	OnSubscribed(ctx context.Context, e *Subscribed)
}

// Unsubscribed tells of subscriptions that a client has ended.
type Unsubscribed struct {
	ConnectionID
	TopicFilters []string // as asked for, whether or not there was such a subscription
}

// UnsubscribedObserver is told who has unsubscribed. Subscriptions that end with their Session are not told.
type UnsubscribedObserver interface {
	// OnUnsubscribed is called as the comment of Hook says.
	OnUnsubscribed(ctx context.Context, e *Unsubscribed)
}

// Published tells that a message has been offered to all Sessions it matches. It may have yet to be stored.
type Published struct {
	ConnectionID          // of the publisher
	Message      *Message // as it was delivered
	Matched      bool     // somebody has subscribed to it
}

// PublishedObserver is told what is published, what is refused and repeated at QoS 2 excepted.
type PublishedObserver interface {
	// OnPublished is called as the comment of Hook says.
	OnPublished(ctx context.Context, e *Published)
}

// Delivered tells that a message is on its way to a client.
type Delivered struct {
	ConnectionID
	Message  *Message
	QoS      QoS // of the delivery
	Retain   bool
	Dup      bool     // it may have been sent before
	PacketID PacketID // 0 at QoS 0
}

// DeliveredObserver is told of each delivery, repetitions included.
type DeliveredObserver interface {
	// OnQosPublish is called as the comment of Hook says, at QoS 0 too.
	OnQosPublish(ctx context.Context, e *Delivered)
}

// Completed tells that a client has settled a QoS 1 or 2 delivery: by PUBACK, PUBCOMP or a PUBREC that refuses it.
type Completed struct {
	ConnectionID
	PacketID PacketID // that of a Delivered of this connection, or of an earlier one if the Session has gone on
	Message  *Message // nil if it is not known any more, as in Sessions that end with their connection
}

// CompletedObserver is told what clients have acknowledged.
type CompletedObserver interface {
	// OnQosComplete is called as the comment of Hook says.
	OnQosComplete(ctx context.Context, e *Completed)
}

// Dropped tells that a message does not reach a Session that it matched.
type Dropped struct {
	ConnectionID // ClientID is empty if it was a Shared Subscription's that has no member any more
	Message      *Message
	Reason       DropReason
}

// DroppedObserver is told what is dropped.
type DroppedObserver interface {
	// OnPublishDropped is called as the comment of Hook says.
	OnPublishDropped(ctx context.Context, e *Dropped)
}

// event is one of the above, for the queue.
type event interface {
	kind() HookKind
	size() int // bytes that it holds on to, about
	tell(ctx context.Context, h Hook)
}

// eventSize is what an event counts for beside its message.
const eventSize = 128

func (*SessionEstablished) kind() HookKind { return HookSession }
func (*Disconnected) kind() HookKind       { return HookSession }
func (*Subscribed) kind() HookKind         { return HookSession }
func (*Unsubscribed) kind() HookKind       { return HookSession }
func (*Published) kind() HookKind          { return HookDelivery }
func (*Delivered) kind() HookKind          { return HookDelivery }
func (*Completed) kind() HookKind          { return HookDelivery }
func (*Dropped) kind() HookKind            { return HookDelivery }

func (*SessionEstablished) size() int { return eventSize }
func (*Disconnected) size() int       { return eventSize }
func (e *Published) size() int        { return eventSize + e.Message.size() }
func (e *Delivered) size() int        { return eventSize + e.Message.size() }
func (e *Dropped) size() int          { return eventSize + e.Message.size() }

func (e *Completed) size() int {
	if e.Message == nil {
		return eventSize
	}
	return eventSize + e.Message.size()
}

func (e *Subscribed) size() int {
	n := eventSize
	for i := range e.Subscriptions {
		n += eventSize + len(e.Subscriptions[i].TopicFilter)
	}
	return n
}

func (e *Unsubscribed) size() int {
	n := eventSize
	for _, f := range e.TopicFilters {
		n += len(f)
	}
	return n
}

func (e *SessionEstablished) tell(ctx context.Context, h Hook) {
	h.(SessionEstablishedObserver).OnSessionEstablished(ctx, e)
}
func (e *Disconnected) tell(ctx context.Context, h Hook) { h.(DisconnectObserver).OnDisconnect(ctx, e) }
func (e *Subscribed) tell(ctx context.Context, h Hook)   { h.(SubscribedObserver).OnSubscribed(ctx, e) }
func (e *Unsubscribed) tell(ctx context.Context, h Hook) {
	h.(UnsubscribedObserver).OnUnsubscribed(ctx, e)
}
func (e *Published) tell(ctx context.Context, h Hook) { h.(PublishedObserver).OnPublished(ctx, e) }
func (e *Delivered) tell(ctx context.Context, h Hook) { h.(DeliveredObserver).OnQosPublish(ctx, e) }
func (e *Completed) tell(ctx context.Context, h Hook) { h.(CompletedObserver).OnQosComplete(ctx, e) }
func (e *Dropped) tell(ctx context.Context, h Hook)   { h.(DroppedObserver).OnPublishDropped(ctx, e) }
