package storetest

import (
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// unlimited is a maxBytes that no test reaches.
const unlimited = 1 << 30

// page is what Load and LoadLog call back with.
type page struct {
	es   []broker.Entry
	more bool
	err  error
}

// pageLater is a page that has been asked for.
type pageLater chan page

func (p pageLater) done(es []broker.Entry, more bool, err error) { p <- page{es, more, err} }

// wait returns the page once it has come.
func (p pageLater) wait(t *testing.T) ([]broker.Entry, bool) {
	t.Helper()
	got := <-p
	if got.err != nil {
		t.Fatalf("page: got error %v, want nil", got.err)
	}
	return got.es, got.more
}

func newPage() pageLater { return make(pageLater, 2) } // room for a forbidden second call

// load calls Store.Load and waits for the result.
func load(t *testing.T, st broker.Store, mb broker.Mailbox, after uint64, limit, maxBytes int) ([]broker.Entry, bool) {
	t.Helper()
	p := newPage()
	st.Load(mb, after, limit, maxBytes, p.done)
	return p.wait(t)
}

// loadLog calls Store.LoadLog and waits for the result.
func loadLog(t *testing.T, st broker.Store, app string, after uint64, limit, maxBytes int) ([]broker.Entry, bool) {
	t.Helper()
	p := newPage()
	st.LoadLog(app, after, limit, maxBytes, p.done)
	return p.wait(t)
}

// recordLater is a record that has been asked for.
type recordLater chan recordResult

type recordResult struct {
	r   *broker.SessionRecord
	err error
}

func newRecordLater() recordLater { return make(recordLater, 2) }

func (c recordLater) done(r *broker.SessionRecord, err error) { c <- recordResult{r, err} }

func (c recordLater) wait(t *testing.T) *broker.SessionRecord {
	t.Helper()
	got := <-c
	if got.err != nil {
		t.Fatalf("LoadSession: got error %v, want nil", got.err)
	}
	return got.r
}

// loadSession calls Store.LoadSession and waits for the result.
func loadSession(t *testing.T, st broker.Store, key broker.SessionKey) *broker.SessionRecord {
	t.Helper()
	c := newRecordLater()
	st.LoadSession(key, c.done)
	return c.wait(t)
}

// loadRetained calls Store.LoadRetained and waits for the result.
func loadRetained(t *testing.T, st broker.Store, app string, names ...string) []*broker.Message {
	t.Helper()
	type result struct {
		ms  []*broker.Message
		err error
	}
	c := make(chan result, 2)
	st.LoadRetained(app, names, func(ms []*broker.Message, err error) { c <- result{ms, err} })
	got := <-c
	if got.err != nil || len(got.ms) != len(names) {
		t.Fatalf("LoadRetained(%q, %q): got %d messages, error %v, want %d", app, names, len(got.ms), got.err, len(names))
	}
	return got.ms
}

// seqs returns the Seqs of all entries of a mailbox.
func seqs(t *testing.T, st broker.Store, mb broker.Mailbox) []uint64 {
	t.Helper()
	es, more := load(t, st, mb, 0, 1<<20, unlimited)
	if more {
		t.Errorf("Load of all entries of mailbox %d: got more, want all", mb)
	}
	return seqsOf(es)
}

func seqsOf(es []broker.Entry) []uint64 {
	got := make([]uint64, len(es))
	for i, e := range es {
		got[i] = e.Seq
	}
	return got
}

// message returns a message that is owed to one.
func message(topic, payload string) *broker.Message {
	return &broker.Message{TopicName: topic, Payload: []byte(payload), QoS: 1}
}

// sharedMessage returns a message that may be owed to many.
func sharedMessage(topic, payload string) *broker.Message {
	m := message(topic, payload)
	m.Body = new(broker.Body)
	return m
}

// appendTo appends m to a mailbox.
func appendTo(st broker.Store, mb broker.Mailbox, seq uint64, m *broker.Message, c broker.Commit) {
	st.Append(mb, &broker.Entry{Seq: seq, Message: m, QoS: 1}, c)
}

// appendAll appends entries 1 to n.
func appendAll(st broker.Store, mb broker.Mailbox, n uint64, c *commits) {
	for seq := uint64(1); seq <= n; seq++ {
		appendTo(st, mb, seq, message("t", "p"), c.next())
	}
}
