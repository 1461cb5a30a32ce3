package broker

import (
	"runtime"
	"strings"
	"sync/atomic"
	"time"
)

// inboxPrefix begins the Topic Names of inboxes: "inbox/{ClientID}".
const inboxPrefix = "inbox/"

// inboxOwner is the Client Identifier to whose inbox a Topic Name leads.
func inboxOwner(name string) (clientID string, ok bool) {
	if len(name) <= len(inboxPrefix) || name[0] != 'i' || name[:len(inboxPrefix)] != inboxPrefix {
		return "", false
	}
	return name[len(inboxPrefix):], true
}

// offerInbox offers a message to the device that it is addressed to, by its
// Client Identifier: whether or not it has subscribed to anything, is connected, or has ever
// been. The message is kept until the device acknowledges it, also across Clean
// Start and the end of its Session. Such a message is never retained.
func (a *App) offerInbox(sc *Scratch, m *Message, clientID string) Result {
	return a.offerMail(sc, item{msg: m, qos: m.QoS, addressed: true}, clientID)
}

// offerMail is offerInbox for a message that may have been in another Session's mailbox.
func (a *App) offerMail(sc *Scratch, it item, clientID string) Result {
	m := it.msg
	if m.QoS == 0 {
		if s := a.find(clientID); s != nil {
			return s.offer(sc, &it)
		}
		sc.drop(a, ConnectionID{App: a.name, ClientID: clientID}, m, DropOffline)
		return NoSubscribers
	}
	for {
		s := a.obtain(sc, clientID)
		s.mu.Lock()
		switch {
		case s.has(flagEnded): // just being removed; take another look
			s.mu.Unlock()
			runtime.Gosched()
			continue
		case s.outlived():
			attended, skip, tracking := sc.attended, sc.skip, sc.tracking // of the publish that is going on
			sc.skip, sc.tracking = nil, false
			s.finish(sc)
			sc.attended, sc.skip, sc.tracking = attended, skip, tracking
			continue
		}
		r := s.offerLocked(sc, &it)
		s.unlock(sc)
		return r
	}
}

// handMail offers again what was addressed to a Session that has ended while
// its publisher waited.
func (a *App) handMail(sc *Scratch, clientID string, it item) {
	op := it.op
	outer, attended := sc.op, sc.attended
	sc.op, sc.attended = op, op != nil
	r := a.offerMail(sc, item{msg: it.msg, qos: it.msg.QoS, addressed: true, owed: op == nil}, clientID)
	if op != nil {
		op.finish(r)
	}
	sc.op, sc.attended = outer, attended
}

// makeInbox makes a mailbox for a device that has no Session. Its record is saved with the
// first message.
func (s *Session) makeInbox() {
	b := s.app.broker
	s.expiry = b.cfg.inboxExpiry()
	s.keepMailbox()
	x := s.more()
	x.sleptAt = b.deadlines.wallNow()
	x.reader.dropBefore = noSession
	s.recordMail(nil)
}

// mailRecorded tells whether it is on disk that the mailbox may hold mail. Until it is, the record goes with
// each mail.
func (s *Session) mailRecorded() bool {
	if s.asleep() || s.extra == nil || s.extra.mail == nil {
		return s.has(flagMail) && !s.has(flagUnrecorded)
	}
	return s.extra.mail.safe.Load()
}

// recordMail saves the record of a Session that gets mail. op, if not nil, waits for it.
func (s *Session) recordMail(op *publishOp) {
	s.flags = s.flags&^flagUnrecorded | flagMail
	m := &mailRecord{op: op}
	if op != nil {
		op.left.Add(1)
	}
	s.more().mail = m
	s.saveRecord(m)
}

// mailRecord is the record of a Session that has got its first mail. It is the Store's Commit.
type mailRecord struct {
	op   *publishOp // the first mail's; nil if nobody waits
	safe atomic.Bool
}

// Committed implements Commit.
func (m *mailRecord) Committed(err error) {
	if err == nil {
		m.safe.Store(true)
	}
	if m.op != nil {
		m.op.Committed(err)
	}
}

// inboxExpiry is how long the mailbox of a device is kept that has no Session,
// in seconds.
func (c *Config) inboxExpiry() uint32 { return uint32(min(c.InboxExpiry/time.Second, NeverExpires-1)) }

// foreignInbox tells whether a Topic Filter reaches into an inbox of another client than clientID; own tells
// whether it names the client's own.
func foreignInbox(filter, clientID string) (own, foreign bool) {
	if rest, ok := strings.CutPrefix(filter, "$share/"); ok {
		if _, f, ok := strings.Cut(rest, "/"); ok {
			filter = f
		}
		owner, is := inboxOwner(filter)
		return false, is && owner != ""
	}
	owner, is := inboxOwner(filter)
	return is && owner == clientID, is && owner != clientID
}
