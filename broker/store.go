package broker

// Store keeps what must outlive a Network Connection or the process: records
// of persistent Sessions, their mailboxes and retained messages.
//
// Every method returns without waiting for a disk. A result comes through a
// callback, once, from any goroutine, maybe before the method returns; it must
// not block. Calls for one Session take effect in the order in which they are
// made. Append, Remove and Update are called with the Session's lock held, so
// that their order is the Session's; their callbacks must not call the Session
// before the call has returned.
type Store interface {
	// LoadSession fetches the record of a Session. done gets nil and no error
	// when there is none.
	LoadSession(key SessionKey, done func(*SessionRecord, error))
	// SaveSession replaces the record. It does not touch the mailbox.
	SaveSession(key SessionKey, r *SessionRecord)
	// DeleteSession removes record and mailbox.
	DeleteSession(key SessionKey)

	// Append adds e at the end of the mailbox. e.Seq is larger than that of
	// any entry before. c is told when e is safe, or that it never will be.
	Append(key SessionKey, e Entry, c Commit)
	// Update replaces the state of the entry with e's Seq.
	Update(key SessionKey, e Entry)
	// Remove deletes the entry seq. An Append that is not safe yet is
	// cancelled and told that it is.
	Remove(key SessionKey, seq uint64)
	// Load reads at most limit entries with Seq > after, in order. more tells
	// that there are others behind them.
	Load(key SessionKey, after uint64, limit int, done func(es []Entry, more bool, err error))

	// SetRetained stores the retained message of a Topic Name, or deletes it
	// when m is nil. c may be nil.
	SetRetained(app, name string, m *Message, c Commit)

	// Close waits until everything handed over is safe, and ends the Store.
	Close() error
}

// Commit is told how a write ended.
type Commit interface{ Committed(err error) }

// SessionKey names a Session within the node.
type SessionKey struct{ App, ClientID string }

// Entry is one message in a mailbox.
type Entry struct {
	Seq             uint64
	Message         *Message
	QoS             QoS
	Retain          bool
	Released        bool // QoS 2: the client has it; only the release is owed
	PacketID        PacketID
	SubscriptionIDs []uint32
}

// SessionRecord is what is stored of a persistent Session beside its mailbox.
type SessionRecord struct {
	Expiry        uint32 // Session Expiry Interval in seconds; NeverExpires means for ever
	Subscriptions []Subscribe
	Received      []PacketID // QoS 2 publishes received and not released
	NextSeq       uint64
	Count, Bytes  int // of the mailbox
}
