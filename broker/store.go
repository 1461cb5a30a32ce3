package broker

import (
	"errors"
	"sync/atomic"
)

// Store keeps what must outlive a Network Connection or the process: records
// of persistent Sessions, their mailboxes, logs of broadcasts and retained
// messages.
//
// Methods return without waiting for a disk, except Sessions, RetainedMessages and
// Close. A result comes through a callback, once, from any goroutine, maybe
// before the method returns; it must not block. Calls for one SessionKey, one
// Mailbox or one Topic Name take effect in the order in which they are made, and what is read
// contains what was written by calls made before.
//
// Writes are called with the Session's lock held, so that their order is the
// Session's. A Commit that is told nil before the call has returned, or during
// another call for the same Mailbox (a Remove that cancels an Append), must not
// use the Session. A Commit is never told an error before the call has returned, nor during another
// call: errors come from a goroutine of the Store's, with no lock held.
//
// A Commit may be nil everywhere: then nobody waits.
type Store interface {
	// NewMailbox returns a number that has never been given to a mailbox before,
	// also before a restart. Nothing is stored.
	NewMailbox() Mailbox

	// LoadSession fetches the record of a Session and what is known of its mailbox. done gets nil and
	// no error when there is none. A record that has passed its EndsAt is none.
	LoadSession(key SessionKey, done func(*SessionRecord, error))
	// SaveSession replaces the record. It does not touch the mailbox, and takes effect in the order of
	// the calls for that, too: the record tells where it begins. r is not used after the call has returned.
	SaveSession(key SessionKey, r *SessionRecord, c Commit)
	// DeleteSession removes the record, and everything that is in mailbox mb
	// unless that is 0.
	DeleteSession(key SessionKey, mb Mailbox, c Commit)

	// DeleteMailbox removes everything that is in a mailbox.
	DeleteMailbox(mb Mailbox, c Commit)

	// Append puts e into the mailbox under e.Seq, which is larger than any before.
	// e.Message is kept and does not change; e itself is not used after the call has returned.
	Append(mb Mailbox, e *Entry, c Commit)
	// Released notes that the client has received the QoS 2 message e: only its
	// release is owed.
	Released(mb Mailbox, seq uint64, c Commit)
	// Remove deletes an entry. An Append that is not safe yet is cancelled and
	// its Commit told nil. body is that of the entry's Message.
	Remove(mb Mailbox, seq uint64, body *Body)
	// Load reads at most limit entries with Seq > after, in order, and no more than about
	// maxBytes bytes of messages unless the first one alone is larger. more tells that there are others
	// behind them. An entry that is corrupt, or whose body is gone, is left out, counted and logged.
	Load(mb Mailbox, after uint64, limit, maxBytes int, done func(es []Entry, more bool, err error))
	// SetCursor notes that the mailbox needs no messages of its App's log up to and with seq.
	SetCursor(mb Mailbox, seq uint64)

	// AddReceipt notes a QoS 2 publish of the mailbox's client that was accepted and is not released yet.
	AddReceipt(mb Mailbox, id PacketID, c Commit)
	// AddPartialReceipt notes a QoS 2 publish that has not been accepted yet by all it is owed to. Who has it is told in
	// parts: p takes the place of this part and of all behind it, part 0 that of any receipt. part is no larger than the number of
	// parts noted before, and less than 256. AddReceipt takes the place of all. p.Given is not used after the call has returned.
	AddPartialReceipt(mb Mailbox, id PacketID, part int, p PartialReceipt, c Commit)
	// RemoveReceipt forgets it, partial or not.
	RemoveReceipt(mb Mailbox, id PacketID, c Commit)

	// AppendLog adds m, whose Body is not nil, to the App's log of broadcasts and returns its
	// place, larger than any before. The oldest messages leave when the log passes its bounds.
	AppendLog(app string, m *Message, c Commit) (seq uint64)
	// LogEnd is the place that AppendLog has returned last, also before a restart; 0 if the log has never been used.
	LogEnd(app string) uint64
	// LoadLog reads at most limit messages with a place > after. Their Entry has Log set and no Seq.
	LoadLog(app string, after uint64, limit, maxBytes int, done func(es []Entry, more bool, err error))

	// SetRetained stores the retained message of a Topic Name, or deletes it when m is nil.
	SetRetained(app, name string, m *Message, c Commit)
	// LoadRetained reads retained messages. Those that there are not are nil in ms, which is as long as names.
	LoadRetained(app string, names []string, done func(ms []*Message, err error))

	// Begin and End enclose calls, all of one goroutine, that are to be safe together: a crash leaves either all
	// or none of them, unless they are very many. Until End nothing called since Begin takes effect.
	Begin() Tx
	End(Tx)

	// Sessions calls f for each record, at the start, before any other call. It blocks until that is done.
	Sessions(f func(key SessionKey, r *SessionRecord)) error
	// RetainedMessages does the same with retained messages.
	RetainedMessages(f func(app string, m *Message)) error

	// Close waits until everything handed over is safe, and ends the Store.
	Close() error
}

// Tx is an open bracket of calls to a Store.
type Tx uint64

// Commit is told how a write ended.
type Commit interface{ Committed(err error) }

// ErrStoreFull means that the Store has no room: on disk, or for what waits to be written.
var ErrStoreFull = errors.New("store is full")

// SessionKey names a Session within the node.
type SessionKey struct{ App, ClientID string }

// Mailbox numbers a mailbox. 0 is none.
type Mailbox uint64

// Body is the identity of a message that is owed to several Sessions and stored once. Its fields are the Store's.
type Body struct {
	ID   atomic.Uint64 // 0 until it has been given to the Store
	Refs atomic.Int64  // entries and logs that need it
}

// Entry is one message in a mailbox.
type Entry struct {
	Seq             uint64
	Log             uint64   // its place in the log of broadcasts; 0 if it is not from there
	Message         *Message // Message.Body tells whether it is stored by reference
	QoS             QoS
	Retain          bool
	Released        bool // QoS 2: the client has it; only the release is owed
	Addressed       bool // published to the device's inbox: it outlives the Session
	SubscriptionIDs []uint32
	Group           string // the Shared Subscription, "$share/{ShareName}/{filter}", through which it came; "" if none
}

// PartialReceipt tells who has a QoS 2 publish that has not been accepted by all.
type PartialReceipt struct {
	Print uint64    // of the message, so that it is not taken for another one under the same Packet Identifier
	Given []Mailbox // that have it; not empty. LoadSession puts all parts together; some may be named twice
}

// SessionRecord is what is stored of a persistent Session.
type SessionRecord struct {
	// Stored by SaveSession.
	Mailbox       Mailbox
	Expiry        uint32 // Session Expiry Interval in seconds; NeverExpires means for ever
	KeepFor       uint32 // seconds for which the record is kept at least, counted as Expiry is
	SleptAt       int64  // when the connection ended, in ms since 1970; 0 if it had not
	Subscriptions []Subscribe
	Next          uint64 // the next entry's Seq, at least 1; LoadSession makes it larger than that of the last entry
	Head          uint64 // no entry before this one is left
	Sent          uint64 // entries up to this one may have been sent to the client
	DropBefore    uint64 // entries before this one belong to an older Session: only those Addressed are owed
	Mail          bool   // the mailbox may hold entries that are Addressed
	Fruitless     uint8  // connections in a row that were sent messages and acknowledged none
	Will          *Will
	WillAt        int64 // when the Will is due, in ms since 1970; 0 if that is not decided

	// Found by LoadSession; not stored with the record. Sessions leaves them out.
	Received     []PacketID                  // QoS 2 publishes received and not released
	Partial      map[PacketID]PartialReceipt // those not accepted by all; not in Received
	Cursor       uint64                      // place in the App's log up to which all was taken
	Count, Bytes int                         // of the entries in the mailbox, as Message.Size counts
}

// EndsAt is when the record and all that belongs to it may be deleted, in ms since 1970; 0 is never.
func (r *SessionRecord) EndsAt() int64 {
	if r.SleptAt == 0 || r.Expiry == NeverExpires {
		return 0
	}
	return r.SleptAt + int64(max(r.Expiry, r.KeepFor))*1000
}

// outlived tells whether the Session has expired, while the record is kept.
func (r *SessionRecord) outlived(now int64) bool {
	return r.SleptAt != 0 && r.Expiry != NeverExpires && now >= r.SleptAt+int64(r.Expiry)*1000
}
