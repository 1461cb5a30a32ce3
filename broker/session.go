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

// Session is the state of one client of one App. It exists while the client is
// connected and, if persistent, for its Session Expiry Interval after that.
//
// An idle transient Session is this struct, its live part and its subscriptions; all else is
// allocated while it is needed. A Session that sleeps has no live part: what it
// consists of is in the Store, and only what a publish needs is here. One that
// sleeps and has no subscriptions in the index is in the Store alone.
type Session struct {
	// static
	app      *App
	clientID string

	epoch atomic.Uint64 // of the connection that owns the Session; changed under mu

	// guarded by mu
	mu     sync.Mutex
	*live  // nil while the Session sleeps
	subs   []Subscribe
	box    box
	slept  int64  // Unix time in s at which a sleeping Session has lost its connection
	expiry uint32 // Session Expiry Interval in seconds; 0 is transient
	flags  sessionFlags
}

// live is the part of a Session that is not asleep.
type live struct {
	link    Link     // nil while off line
	window  *window  // nil while nothing is in flight
	backlog *backlog // nil while nothing waits
	extra   *extra   // nil while nothing unusual is known
	limit   uint16   // deliveries in flight at most
	nextID  PacketID // the next delivery's, if it has no place in the mailbox
}

type sessionFlags uint32

const (
	flagReady         sessionFlags = 1 << iota // the Link may be given messages
	flagEnded                                  // out of the registry: owed nothing, or to be looked up again
	flagLoading                                // its record is being fetched
	flagPaging                                 // a page of its mailbox is being fetched
	flagFull                                   // the Link has refused; it will call Resume
	flagFetch                                  // unlock shall fetch a page
	flagStored                                 // it has a record and a mailbox in the Store
	flagWake                                   // unlock shall fetch the record
	flagUncounted                              // what its mailbox holds is not known: see restart.go
	flagMakeRoom                               // unlock shall look for messages that may leave the mailbox
	flagFetchLog                               // unlock shall fetch a page of the log
	flagLogging                                // a page of the log is being fetched
	flagHeld                                   // deliveries are put off: see fruitless.go
	flagShared                                 // a subscription that is asleep too is shared
	flagMail                                   // the mailbox may hold what was addressed to the device
	flagUnrecorded                             // that has not been recorded
	flagFetchRetained                          // unlock shall fetch retained messages
	flagFetching                               // retained messages are being fetched
	flagHandOn                                 // unlock shall hand on what waits for another member of its group
	flagNumberAll                              // QoS 0 deliveries have numbers too
	flagBeginning                              // a clean start has put it in the place of another, and gives it its Link in a moment
	flagKicked                                 // that Link is to be ended
	flagKickedOut                              // and the Session with it
	flagPulls                                  // the client fetches from the Link: see fruitless.go
)

// unlockFlags are what unlock has to do.
const unlockFlags = flagFetch | flagWake | flagMakeRoom | flagFetchLog | flagFetchRetained | flagHandOn

// item is a message on its way to a Session.
type item struct {
	msg       *Message
	ids       []uint32 // Subscription Identifiers
	op        *publishOp
	group     *group    // the Shared Subscription through which it came
	unsafe    *appended // QoS 2: it may be sent once this is committed; nil is at once
	seq       uint64    // place in the mailbox; 0 for none
	log       uint64    // place in the App's log; 0 for none
	qos       QoS
	retain    bool
	dup       bool
	released  bool  // QoS 2: only the release is owed
	addressed bool  // published to the device's inbox
	owed      bool  // its publisher has been answered, and another Session had it before
	lost      bool  // the Store has failed to keep it; it counts no more
	refused   uint8 // owed: how often in a row a member for which it waited has gone off line, or has had no room
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
	dozeAt     time.Duration // when an off-line Session is put to sleep; 0 for no such time
	heldUntil  time.Duration // when deliveries that are put off begin; 0 for no such time
	logAt      time.Duration // when the log is read again after a failure of the Store; 0 for no such time
	progressed bool          // the client has taken something since slowAt was set
	received   map[PacketID]receipt
	unremoved  atomic.Int32    // receipts that are being removed from the Store, or that it has failed to remove
	releasing  []*appended     // QoS 2 releases that wait until they are safe
	connect    *pendingConnect // while the record is being fetched
	logs       atomic.Int32    // broadcasts whose entries are being stored: if that fails, the log is read again
	resend     PacketID        // delivery from which repetition goes on; 0 if it is complete
	reader     reader
	scans      int      // of the mailbox, for what an older Session leaves to others: it is not read before they are done
	refused    []item   // that are owed, to another member of their group
	heir       *Session // has the mailbox now, and waits for them; nil if there are none
	record     recordState
	subsNow    uint32        // goes up when the subscriptions change
	subsStored atomic.Uint32 // what it was in the record that is in the Store
	mail       *mailRecord   // that there may be mail; nil if nothing has been recorded since it woke
	flash      int           // bytes for which it counts among those that may come back soon
	fruitless  uint8         // connections in a row that acknowledged nothing
	purgedAt   time.Duration // when the queue was looked through for expired messages; 0 is never
	sleptAt    time.Time     // when the connection ended; zero while there is one
}

// box is the mailbox of a persistent Session.
type box struct {
	id           Mailbox // 0 is none
	next         uint64  // seq of the next entry; the first is firstSeq
	count, bytes uint32
}

// reader is how far the mailbox of a Session that is awake has been read.
//
//	loaded < next
type reader struct {
	loaded     uint64          // the largest seq that has been in RAM
	kept       uint64          // entries after loaded, up to this one, that must not be dropped to make room
	behind     bool            // entries after loaded are in the Store only
	sent       uint64          // entries up to this one may have been sent to the client
	dropBefore uint64          // entries before this one are owed if they are addressed, else not
	logTaken   uint64          // place in the App's log up to which all has been taken
	logHeld    map[uint64]bool // places after logTaken that the mailbox has; nil is none
	logBehind  bool            // messages after logTaken are in the log only
	logNeeds   int             // bytes of the next one of them, if there was no room for it
	cursor     uint64          // what the Store's cursor says, or less
}

func newSession(a *App, clientID string) *Session {
	return &Session{app: a, clientID: clientID, live: &live{nextID: 1}}
}

// ClientID is the Client Identifier.
func (s *Session) ClientID() string { return s.clientID }

// App is the App the Session belongs to.
func (s *Session) App() *App { return s.app }

func (s *Session) has(f sessionFlags) bool { return s.flags&f != 0 }

// asleep tells whether the Session has no live part.
func (s *Session) asleep() bool { return s.live == nil }

// persistent tells whether the Session's messages are in its mailbox. A Session
// that ends with its connection has one too while it holds messages from before,
// or such that were addressed to the device.
func (s *Session) persistent() bool { return s.has(flagStored) }

// lasting tells whether the Session survives its connection.
func (s *Session) lasting() bool { return s.expiry > 0 }

func (s *Session) more() *extra {
	if s.extra == nil {
		s.extra = &extra{session: s, heapIndex: -1}
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

// relaxExtra frees what is kept of unusual things when there are none.
func (s *Session) relaxExtra() {
	x := s.extra
	if x == nil || s.persistent() || x.will != nil || x.received != nil || x.connect != nil || x.record.saved || x.resend != 0 || x.slowAt != 0 {
		return
	}
	s.app.broker.deadlines.set(x, 0)
	s.extra = nil
}

// behind tells whether there are messages in the Store that are not in RAM.
func (s *Session) behind() bool { return s.extra != nil && s.extra.reader.behind }

// caughtUp tells whether a new message may be sent at once: nothing older waits.
func (s *Session) caughtUp() bool {
	return !s.behind() && (s.backlog == nil || s.backlog.queued.len() == 0 && s.backlog.waiting.len() == 0)
}

// room tells whether the window takes one more delivery.
func (s *Session) room() bool {
	w := s.window
	return w == nil || w.unacked < s.windowSize() && w.states.len() < maxPacketID
}

// windowSize is how many deliveries may be in flight at present.
func (s *Session) windowSize() int {
	return max(int(s.limit)>>s.app.broker.relief.windowShift.Load(), 1)
}

// unlock releases mu and does what had to wait for that.
func (s *Session) unlock(sc *Scratch) {
	todo := s.release()
	sc.forgetGone()
	if todo != 0 {
		s.carryOut(todo)
	}
}

// release releases mu. What it returns must be given to carryOut.
func (s *Session) release() (todo sessionFlags) {
	todo = s.flags & unlockFlags
	s.flags &^= unlockFlags
	s.mu.Unlock()
	return todo
}

// carryOut makes the calls to the Store whose answers may come at once, and
// then need mu.
func (s *Session) carryOut(todo sessionFlags) {
	st := s.app.broker.store
	if todo&flagWake != 0 {
		st.LoadSession(s.key(), s.recordLoaded)
	}
	if todo&flagFetch != 0 {
		s.fetchPage()
	}
	if todo&flagMakeRoom != 0 {
		s.fetchOldest()
	}
	if todo&flagFetchLog != 0 {
		s.fetchLog()
	}
	if todo&flagFetchRetained != 0 {
		s.fetchRetained()
	}
	if todo&flagHandOn != 0 {
		s.handOnRefused()
	}
}

// Subscribe is one entry of a SUBSCRIBE.
type Subscribe struct {
	TopicFilter string
	ID          uint32 // Subscription Identifier; 0 is none
	Options     topic.Options
	// Fleeting has it end with the Network Connection, whatever becomes of the Session. It is not stored.
	Fleeting bool
}

// key names the Session in the Store.
func (s *Session) key() SessionKey { return SessionKey{App: s.app.name, ClientID: s.clientID} }
