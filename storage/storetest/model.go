package storetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/topic"
)

// world is a naive Store, and the real one on which the same is done.
type world struct {
	t        *testing.T
	r        *rand.Rand
	st       broker.Store
	app      string
	sessions []*sessionModel
	shared   []*broker.Message // what may be owed to many
	log      []broker.Entry
	retained map[retainedName]*broker.Message
	old      []broker.Mailbox // of Sessions that have ended
	given    map[broker.Mailbox]bool
	commits  *commits
}

// sessionModel is one Session. A mailbox may be used without a record.
type sessionModel struct {
	key      broker.SessionKey
	record   *broker.SessionRecord
	mb       broker.Mailbox
	entries  []broker.Entry
	next     uint64
	received map[broker.PacketID]bool
	partial  map[broker.PacketID][]broker.PartialReceipt // in parts
	cursor   uint64
}

// newWorld returns the model of an App with n Sessions.
func newWorld(t *testing.T, st broker.Store, r *rand.Rand, app string, n int) *world {
	w := &world{
		t: t, r: r, st: st, app: app, commits: newCommits(),
		retained: make(map[retainedName]*broker.Message), given: make(map[broker.Mailbox]bool),
	}
	for i := range n {
		s := &sessionModel{key: broker.SessionKey{App: app, ClientID: fmt.Sprint("c", i)}}
		w.begin(s)
		w.sessions = append(w.sessions, s)
	}
	w.share()
	return w
}

// share makes new messages that may be owed to many.
func (w *world) share() {
	w.shared = nil
	for range 8 {
		m := w.message()
		m.Body = new(broker.Body)
		w.shared = append(w.shared, m)
	}
}

// begin gives a Session a new mailbox.
func (w *world) begin(s *sessionModel) {
	mb := w.st.NewMailbox()
	if mb == 0 || w.given[mb] {
		w.t.Errorf("NewMailbox: got %d, given before: %t, want a new one", mb, w.given[mb])
	}
	w.given[mb] = true
	s.mb, s.entries, s.next, s.cursor = mb, nil, 1, 0
	s.received, s.partial = make(map[broker.PacketID]bool), make(map[broker.PacketID][]broker.PartialReceipt)
}

// message returns a random message, which is owed to one.
func (w *world) message() *broker.Message {
	m := message(fmt.Sprint("t/", w.r.IntN(10)), fmt.Sprint(w.r.Uint64()))
	m.QoS = broker.QoS(1 + w.r.IntN(2))
	m.Published = w.r.Int64N(1 << 41)
	switch w.r.IntN(10) {
	case 0:
		m.Payload = make([]byte, w.r.IntN(20_000))
	case 1:
		m.Properties, m.Retain = []byte{1, 2, 3}, true
		m.Expires = time.Now().Add(time.Hour).Truncate(time.Second)
	}
	return m
}

func (w *world) session() *sessionModel { return w.sessions[w.r.IntN(len(w.sessions))] }

// commit returns a Commit, or nil.
func (w *world) commit() broker.Commit {
	if w.r.IntN(5) == 0 {
		return nil
	}
	return w.commits.next()
}

// record returns a random record of s that does not expire.
func (w *world) record(s *sessionModel) *broker.SessionRecord {
	r := &broker.SessionRecord{
		Mailbox: s.mb, Expiry: 3600 + w.r.Uint32N(broker.NeverExpires-3600), Next: s.next, Head: 1,
		Sent: w.r.Uint64(), DropBefore: w.r.Uint64N(3), Fruitless: uint8(w.r.UintN(4)),
	}
	if len(s.entries) > 0 {
		r.Head = s.entries[0].Seq
	}
	r.KeepFor, r.Mail = w.r.Uint32N(1000), w.r.IntN(2) == 0
	for i := range w.r.IntN(4) {
		r.Subscriptions = append(r.Subscriptions, broker.Subscribe{
			TopicFilter: fmt.Sprint("t/", i, "/#"), ID: w.r.Uint32N(3), Options: topic.NewOptions(uint8(w.r.UintN(3)), i == 1, i == 2, 1),
		})
	}
	if w.r.IntN(3) == 0 {
		r.SleptAt = time.Now().UnixMilli()
		r.Will = &broker.Will{Message: message("will", "gone"), Delay: time.Duration(w.r.IntN(100)) * time.Second}
		r.WillAt = r.SleptAt + r.Will.Delay.Milliseconds()
	}
	return r
}

// found is what LoadSession must find in the mailbox of s.
func (s *sessionModel) found() found {
	f := found{cursor: s.cursor, count: len(s.entries)}
	for id := range s.received {
		f.received = append(f.received, id)
	}
	slices.Sort(f.received)
	for id, parts := range s.partial {
		whole := broker.PartialReceipt{Print: parts[0].Print}
		for _, p := range parts {
			whole.Given = append(whole.Given, p.Given...)
		}
		if f.partial == nil {
			f.partial = make(map[broker.PacketID]broker.PartialReceipt)
		}
		f.partial[id] = whole
	}
	for _, e := range s.entries {
		f.bytes += e.Message.Size()
		f.last = e.Seq
	}
	return f
}

// entriesAfter returns those with a larger Seq.
func (s *sessionModel) entriesAfter(seq uint64) []broker.Entry {
	i := slices.IndexFunc(s.entries, func(e broker.Entry) bool { return e.Seq > seq })
	if i < 0 {
		return nil
	}
	return s.entries[i:]
}

// logAfter returns what the log holds behind a place.
func (w *world) logAfter(place uint64) []broker.Entry {
	i := slices.IndexFunc(w.log, func(e broker.Entry) bool { return e.Log > place })
	if i < 0 {
		return nil
	}
	return w.log[i:]
}
