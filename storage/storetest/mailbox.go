package storetest

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
)

var mailboxTests = []test{
	{"entry round trip", testEntryRoundTrip},
	{"entry is copied", testEntryCopied},
	{"mailboxes apart", testMailboxesApart},
	{"remove", testRemove},
	{"remove at once", testRemoveAtOnce},
	{"released", testReleased},
}

func entries() []broker.Entry {
	expires := time.Now().Add(time.Hour).Truncate(time.Second)
	return []broker.Entry{
		{Seq: 1, Message: &broker.Message{TopicName: "t"}, QoS: 1},
		{
			Seq: 5, QoS: 2, Retain: true, Released: true, Addressed: true, Log: 1 << 50,
			SubscriptionIDs: []uint32{1, 268_435_455}, Group: "$share/g/a/+",
			Message: &broker.Message{
				TopicName: "a/ü", Payload: bytes.Repeat([]byte{0, 255}, 5000), QoS: 2, Retain: true,
				Properties: []byte{1, 2, 3}, Expires: expires, Published: 1_800_000_000_123,
			},
		},
		{
			Seq: 6, QoS: 1, Retain: true, Addressed: true, Log: 1, SubscriptionIDs: []uint32{7}, Group: "$share/g/#",
			Message: &broker.Message{
				TopicName: "shared", Payload: []byte("p"), QoS: 2, Properties: []byte{1}, Expires: expires, Body: new(broker.Body),
			},
		},
		{Seq: 7, QoS: 2, Message: sharedMessage("t", "")},
		{Seq: 8, QoS: 0, Message: &broker.Message{TopicName: "t", QoS: 0, Retain: true}},
		{Seq: 9, QoS: 1, Addressed: true, Message: message("inbox/c", "p")},
		{Seq: 10, QoS: 1, Retain: true, Message: message("t", "p")},
		{Seq: 1 << 40, Message: message("t", ""), QoS: 1},
		{Seq: 1<<64 - 1, Message: message("t", "the last"), QoS: 1},
	}
}

func testEntryRoundTrip(t *testing.T, st broker.Store) {
	mb := st.NewMailbox()
	want := entries()
	for _, e := range want {
		st.Append(mb, &e, nil)
	}
	got, more := load(t, st, mb, 0, 100, unlimited)
	if len(got) != len(want) {
		t.Fatalf("got %d entries, want %d", len(got), len(want))
	}
	checkPage(t, "Load", got, more, want, 100, unlimited)
}

// testEntryCopied changes an entry after it was given to the Store, or has come from it.
func testEntryCopied(t *testing.T, st broker.Store) {
	mb := st.NewMailbox()
	want := entries()
	for _, e := range want {
		e.SubscriptionIDs = slices.Clone(e.SubscriptionIDs)
		st.Append(mb, &e, nil)
		clear(e.SubscriptionIDs)
		e = broker.Entry{Seq: 99, Group: "changed"}
	}
	got, _ := load(t, st, mb, 0, 100, unlimited)
	clear(got)
	got, more := load(t, st, mb, 0, 100, unlimited)
	checkPage(t, "Load", got, more, want, 100, unlimited)
}

func testMailboxesApart(t *testing.T, st broker.Store) {
	mailboxes := []broker.Mailbox{st.NewMailbox(), st.NewMailbox(), st.NewMailbox(), 255, 256, 1 << 32, 1<<64 - 1}
	for i, mb := range mailboxes {
		appendTo(st, mb, uint64(i+1), message("t", "p"), nil)
	}
	for i, mb := range mailboxes {
		if got := seqs(t, st, mb); !slices.Equal(got, []uint64{uint64(i + 1)}) {
			t.Errorf("mailbox %d: got %v, want [%d]", mb, got, i+1)
		}
	}
	for i, mb := range mailboxes {
		st.DeleteSession(sessionKey, mb, nil)
		for j, other := range mailboxes {
			if got := seqs(t, st, other); (len(got) == 0) != (j <= i) {
				t.Errorf("mailbox %d after mailbox %d was deleted: got %v", other, mb, got)
			}
		}
	}
}

func testRemove(t *testing.T, st broker.Store) {
	mb := st.NewMailbox()
	c := newCommits()
	st.Remove(mb, 1, nil) // of nobody
	appendAll(st, mb, 10, c)
	c.wait(t)
	for _, test := range []struct {
		seq  uint64
		want []uint64
	}{
		{5, []uint64{1, 2, 3, 4, 6, 7, 8, 9, 10}},
		{1, []uint64{2, 3, 4, 6, 7, 8, 9, 10}},
		{10, []uint64{2, 3, 4, 6, 7, 8, 9}},
		{5, []uint64{2, 3, 4, 6, 7, 8, 9}},
		{11, []uint64{2, 3, 4, 6, 7, 8, 9}},
		{3, []uint64{2, 4, 6, 7, 8, 9}},
		{2, []uint64{4, 6, 7, 8, 9}},
		{4, []uint64{6, 7, 8, 9}},
	} {
		st.Remove(mb, test.seq, nil)
		if got := seqs(t, st, mb); !slices.Equal(got, test.want) {
			t.Errorf("after Remove(%d): got %v, want %v", test.seq, got, test.want)
		}
	}
	if es, more := load(t, st, mb, 5, 2, unlimited); !slices.Equal(seqsOf(es), []uint64{6, 7}) || !more {
		t.Errorf("Load after a removed entry: got %v, more %t, want [6 7], more", seqsOf(es), more)
	}
	for seq := uint64(6); seq <= 9; seq++ {
		st.Remove(mb, seq, nil)
	}
	checkEmpty(t, st, "all removed", mb)
	appendTo(st, mb, 11, message("t", "p"), c.next())
	if got := seqs(t, st, mb); !slices.Equal(got, []uint64{11}) {
		t.Errorf("mailbox that was empty: got %v, want [11]", got)
	}
	c.wait(t)
}

// testRemoveAtOnce removes entries that may not be safe yet: whether the Append is cancelled or not, its Commit is told nil.
func testRemoveAtOnce(t *testing.T, st broker.Store) {
	const n = 500
	mb, other := st.NewMailbox(), st.NewMailbox()
	c := newCommits()
	shared := sharedMessage("t", "shared")
	var want []uint64
	for seq := uint64(1); seq <= n; seq++ {
		m := message("t", "p")
		if seq%3 == 0 {
			m = shared
		}
		appendTo(st, mb, seq, m, c.next())
		if seq%4 == 0 {
			st.Released(mb, seq, c.next())
		}
		if seq%10 == 0 {
			appendTo(st, other, seq, shared, c.next())
			want = append(want, seq)
		}
		if seq%2 == 0 || seq > n/2 {
			st.Remove(mb, seq, m.Body)
		}
	}
	for seq := uint64(1); seq <= n/2; seq += 2 {
		body := (*broker.Body)(nil)
		if seq%3 == 0 {
			body = shared.Body
		}
		st.Remove(mb, seq, body)
	}
	c.wait(t)
	checkEmpty(t, st, "all removed", mb)
	es, _ := load(t, st, other, 0, n, unlimited)
	if !slices.Equal(seqsOf(es), want) {
		t.Errorf("the other mailbox: got %v, want %v", seqsOf(es), want)
	}
	for _, e := range es {
		if d := messageDifference(e.Message, shared); d != "" {
			t.Errorf("the other mailbox: entry %d: %s", e.Seq, d)
		}
	}
}

func testReleased(t *testing.T, st broker.Store) {
	mb := st.NewMailbox()
	c := newCommits()
	want := entries()
	for i := range want {
		want[i].Released = i == 1
		st.Append(mb, &want[i], c.next())
	}
	release := func(i int) {
		want[i].Released = true
		st.Released(mb, want[i].Seq, c.next())
	}
	release(0) // maybe before it is safe
	check := func(what string) {
		t.Helper()
		got, more := load(t, st, mb, 0, 100, unlimited)
		checkPage(t, what, got, more, want, 100, unlimited)
	}
	check("one released")
	release(0) // again
	release(2) // one with a Body
	release(3)
	release(len(want) - 1)
	check("more released")
	st.Remove(mb, want[0].Seq, nil)
	want = want[1:]
	st.Released(mb, 1, c.next())   // gone
	st.Released(mb, 100, c.next()) // never there
	st.Released(st.NewMailbox(), 1, c.next())
	check("release of what is gone")
	c.wait(t)
	r := broker.SessionRecord{Expiry: 1, Mailbox: mb}
	st.SaveSession(sessionKey, &r, nil)
	if got := loadSession(t, st, sessionKey); got.Count != len(want) {
		t.Errorf("count after releases: got %d, want %d", got.Count, len(want))
	}
}
