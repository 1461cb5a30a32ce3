package broker

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker/topic"
)

// NeverExpires is the Session Expiry Interval of a Session without end.
const NeverExpires = math.MaxUint32

// page is how many messages of a mailbox are in RAM beyond the window.
const page = 256

// Session is the state of one client of one App. It exists while the client is
// connected and, if persistent, for its Session Expiry Interval after that.
//
// An idle transient Session is this struct and its subscriptions; all else is
// allocated while it is needed.
type Session struct {
	// static
	app      *App
	clientID string

	epoch atomic.Uint64 // of the connection that owns the Session; changed under mu

	// guarded by mu
	mu      sync.Mutex
	link    Link // nil while off line
	subs    []Subscribe
	window  *window  // nil while nothing is in flight
	backlog *backlog // nil while nothing waits
	extra   *extra   // nil while nothing unusual is known
	expiry  uint32   // Session Expiry Interval in seconds; 0 is transient
	limit   uint16   // deliveries in flight at most
	nextID  PacketID // the next delivery's
	flags   sessionFlags
}

type sessionFlags uint8

const (
	flagReady   sessionFlags = 1 << iota // the Link may be given messages
	flagEnded                            // out of the registry: owed nothing
	flagLoading                          // its record is being fetched
	flagPaging                           // a page of its mailbox is being fetched
	flagFull                             // the Link has refused; it will call Resume
	flagFetch                            // unlock shall fetch a page
	flagStored                           // it has a record and a mailbox in the Store
)

// item is a message on its way to a Session.
type item struct {
	msg    *Message
	ids    []uint32 // Subscription Identifiers
	op     *publishOp
	group  *group // the Shared Subscription through which it came
	seq    uint64 // place in the mailbox; 0 for none
	qos    QoS
	retain bool
	dup    bool
}

// backlog is what waits for the window.
//
//	queued: accepted and kept; waiting: not accepted, its publisher waits
type backlog struct {
	queued       ring[item]
	waiting      ring[item]
	bytes        int // of queued
	waitingBytes int
	jobs         []retainedJob
}

// extra is what few Sessions need.
type extra struct {
	session   *Session
	heapIndex int           // guarded by deadlines.mu; -1 while not in the heap
	due       time.Duration // guarded by deadlines.mu

	will       *Will
	willAt     time.Duration // when a delayed Will is published; 0 for no such time
	expireAt   time.Duration // when an off-line Session ends; 0 for no such time
	slowAt     time.Duration // when a slow consumer is ended; 0 for no such time
	progressed bool          // the client has taken something since slowAt was set
	received   map[PacketID]receipt
	mailbox    mailbox
	connect    *pendingConnect // while the record is being fetched
	resend     PacketID        // delivery from which repetition goes on; 0 if it is complete
}

// mailbox is what is known in RAM of a persistent Session's mailbox.
type mailbox struct {
	next   uint64 // seq of the next entry; the first is 1
	loaded uint64 // the largest seq that has been in RAM
	count  int
	bytes  int
	behind bool // entries after loaded are in the Store only
}

func newSession(a *App, clientID string) *Session {
	return &Session{app: a, clientID: clientID, nextID: 1}
}

// ClientID is the Client Identifier.
func (s *Session) ClientID() string { return s.clientID }

// App is the App the Session belongs to.
func (s *Session) App() *App { return s.app }

func (s *Session) has(f sessionFlags) bool { return s.flags&f != 0 }

// persistent tells whether the Session's messages are in its mailbox. A Session
// that was to last and now ends with its connection stays so until then, for
// what its mailbox holds comes first.
func (s *Session) persistent() bool { return s.has(flagStored) }

// lasting tells whether the Session survives its connection.
func (s *Session) lasting() bool { return s.expiry > 0 }

func (s *Session) more() *extra {
	if s.extra == nil {
		s.extra = &extra{session: s, heapIndex: -1}
		s.extra.mailbox.next = 1
	}
	return s.extra
}

func (s *Session) pending() *backlog {
	if s.backlog == nil {
		s.backlog = new(backlog)
	}
	return s.backlog
}

// relax frees the backlog when it is empty.
func (s *Session) relax() {
	if b := s.backlog; b != nil && b.queued.len() == 0 && b.waiting.len() == 0 && len(b.jobs) == 0 {
		s.backlog = nil
	}
}

// behind tells whether there are messages in the Store that are not in RAM.
func (s *Session) behind() bool { return s.extra != nil && s.extra.mailbox.behind }

// caughtUp tells whether a new message may be sent at once: nothing older waits.
func (s *Session) caughtUp() bool {
	return !s.behind() && (s.backlog == nil || s.backlog.queued.len() == 0 && s.backlog.waiting.len() == 0)
}

// room tells whether the window takes one more delivery.
func (s *Session) room() bool {
	w := s.window
	return w == nil || w.unacked < int(s.limit) && w.states.len() < maxPacketID
}

// unlock releases mu and does what had to wait for that.
func (s *Session) unlock(sc *Scratch) {
	if s.release() {
		s.fetchPage()
	}
}

// release releases mu. If it returns true the caller must call fetchPage.
func (s *Session) release() (fetch bool) {
	fetch = s.has(flagFetch)
	s.flags &^= flagFetch
	s.mu.Unlock()
	return fetch
}

// Subscribe is one entry of a SUBSCRIBE.
type Subscribe struct {
	TopicFilter string
	ID          uint32 // Subscription Identifier; 0 is none
	Options     topic.Options
}

// key names the Session in the Store.
func (s *Session) key() SessionKey { return SessionKey{App: s.app.name, ClientID: s.clientID} }

// save hands the Session's record to the Store, if it is persistent.
func (s *Session) save() {
	if !s.persistent() {
		return
	}
	r := &SessionRecord{Expiry: s.expiry, Subscriptions: append([]Subscribe(nil), s.subs...)}
	if x := s.extra; x != nil {
		for id, rc := range x.received {
			if !rc.pending {
				r.Received = append(r.Received, id)
			}
		}
		r.NextSeq, r.Count, r.Bytes = x.mailbox.next, x.mailbox.count, x.mailbox.bytes
	}
	s.app.broker.store.SaveSession(s.key(), r)
}
