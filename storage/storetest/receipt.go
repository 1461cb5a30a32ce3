package storetest

import (
	"slices"
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker"
)

var receiptTests = []test{
	{"receipts", testReceipts},
	{"partial receipts", testPartialReceipts},
	{"cursor", testCursor},
}

// inMailbox compares what LoadSession finds in a mailbox.
func inMailbox(t *testing.T, st broker.Store, what string, mb broker.Mailbox, want found) {
	t.Helper()
	st.SaveSession(sessionKey, &broker.SessionRecord{Expiry: 1, Mailbox: mb}, nil)
	got := loadSession(t, st, sessionKey)
	if got == nil {
		t.Fatalf("%s: got no record", what)
	}
	if d := foundDifference(got, want); d != "" {
		t.Errorf("%s: %s", what, d)
	}
}

// testPartialReceipts has receipts become partial, and complete.
func testPartialReceipts(t *testing.T, st broker.Store) {
	mb := st.NewMailbox()
	c := newCommits()
	st.SaveSession(sessionKey, &broker.SessionRecord{Expiry: 1, Mailbox: mb}, nil)
	given := []broker.Mailbox{0, 1 << 40, 7}
	st.AddPartialReceipt(mb, 1, broker.PartialReceipt{Print: 1, Given: []broker.Mailbox{7}}, c.next())
	st.AddPartialReceipt(mb, 2, broker.PartialReceipt{Print: 2, Given: []broker.Mailbox{9}}, c.next())
	st.AddReceipt(mb, 3, c.next())
	st.AddPartialReceipt(mb, 1, broker.PartialReceipt{Print: 1<<64 - 1, Given: given}, c.next()) // replaces the first
	given[0] = 99
	got := loadSession(t, st, sessionKey)
	if !slices.Equal(got.Received, []broker.PacketID{3}) || len(got.Partial) != 2 || got.Partial[1].Print != 1<<64-1 ||
		!slices.Equal(got.Partial[1].Given, []broker.Mailbox{0, 1 << 40, 7}) {
		t.Errorf("partial: got %v and %v, want 3, and 1 and 2", got.Received, got.Partial)
	}
	st.AddReceipt(mb, 1, c.next())
	st.RemoveReceipt(mb, 2, c.next())
	c.wait(t)
	got = loadSession(t, st, sessionKey)
	if slices.Sort(got.Received); !slices.Equal(got.Received, []broker.PacketID{1, 3}) || len(got.Partial) != 0 {
		t.Errorf("complete: got %v and %v, want 1 and 3, and none", got.Received, got.Partial)
	}
}

func testReceipts(t *testing.T, st broker.Store) {
	mb, other := st.NewMailbox(), st.NewMailbox()
	c := newCommits()
	st.RemoveReceipt(mb, 1, c.next()) // of nobody
	ids := func(want ...broker.PacketID) found { return found{received: want} }
	inMailbox(t, st, "none", mb, ids())
	for _, id := range []broker.PacketID{65535, 1, 256, 2, 1} { // one of them twice
		st.AddReceipt(mb, id, c.next())
	}
	st.AddReceipt(other, 3, c.next())
	inMailbox(t, st, "added", mb, ids(1, 2, 256, 65535))
	c.wait(t)
	st.RemoveReceipt(mb, 1, c.next())
	st.RemoveReceipt(mb, 7, c.next())
	st.AddReceipt(mb, 7, c.next())
	st.RemoveReceipt(mb, 256, c.next())
	inMailbox(t, st, "some removed", mb, ids(2, 7, 65535))
	st.RemoveReceipt(mb, 7, c.next())
	st.AddReceipt(mb, 7, c.next()) // the Packet Identifier is used again
	st.AddReceipt(mb, 8, c.next())
	st.RemoveReceipt(mb, 8, c.next()) // maybe before it is safe
	inMailbox(t, st, "added again", mb, ids(2, 7, 65535))
	for _, id := range []broker.PacketID{2, 7, 65535} {
		st.RemoveReceipt(mb, id, c.next())
	}
	inMailbox(t, st, "all removed", mb, ids())
	inMailbox(t, st, "the other mailbox", other, ids(3))
	for id := range broker.PacketID(2000) {
		st.AddReceipt(mb, id+1, c.next())
	}
	c.wait(t)
	inMailbox(t, st, "removed again", other, ids(3))
	st.SaveSession(sessionKey, &broker.SessionRecord{Expiry: 1, Mailbox: mb}, nil)
	if got := loadSession(t, st, sessionKey); len(got.Received) != 2000 {
		t.Errorf("many receipts: got %d, want 2000", len(got.Received))
	}
}

func testCursor(t *testing.T, st broker.Store) {
	mb, other := st.NewMailbox(), st.NewMailbox()
	at := func(want uint64) found { return found{cursor: want} }
	inMailbox(t, st, "never set", mb, at(0))
	for _, seq := range []uint64{1, 255, 256, 1 << 40, 1<<64 - 1} {
		st.SetCursor(mb, seq-1)
		st.SetCursor(mb, seq)
		inMailbox(t, st, "set", mb, at(seq))
	}
	inMailbox(t, st, "the other mailbox", other, at(0))
	m := message("t", "p")
	appendTo(st, mb, 1, m, nil)
	inMailbox(t, st, "with an entry", mb, found{cursor: 1<<64 - 1, count: 1, bytes: m.Size()})
	st.Remove(mb, 1, nil)
	inMailbox(t, st, "empty again", mb, at(1<<64-1))
	st.DeleteSession(sessionKey, mb, nil)
	checkEmpty(t, st, "deleted", mb)
}
