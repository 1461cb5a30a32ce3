package storetest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker"
)

var deletionTests = []test{
	{"delete session", testDeleteSession},
	{"delete record only", testDeleteRecordOnly},
	{"delete beside another mailbox", testDeleteBesideAnother},
	{"late calls for what is deleted", testLateCalls},
	{"delete a large mailbox", testDeleteLarge},
}

func testDeleteSession(t *testing.T, st broker.Store) {
	mb := st.NewMailbox()
	c := newCommits()
	st.DeleteSession(sessionKey, 0, c.next()) // of nobody
	st.DeleteSession(sessionKey, st.NewMailbox(), c.next())
	appendAll(st, mb, 20, c)
	st.AddReceipt(mb, 7, c.next())
	st.SetCursor(mb, 7)
	st.SaveSession(sessionKey, &broker.SessionRecord{Expiry: 9, Mailbox: mb}, c.next())
	if got := seqs(t, st, mb); len(got) != 20 {
		t.Errorf("SaveSession touched the mailbox: got %d entries, want 20", len(got))
	}
	st.DeleteSession(sessionKey, mb, c.next())
	if r := loadSession(t, st, sessionKey); r != nil {
		t.Errorf("record after delete: got %+v, want nil", r)
	}
	checkEmpty(t, st, "after delete", mb)
	st.DeleteSession(sessionKey, mb, c.next()) // again
	c.wait(t)
	// A Session that begins anew begins at Seq 1 of another mailbox.
	next := st.NewMailbox()
	appendAll(st, next, 2, c)
	if got := seqs(t, st, next); !slices.Equal(got, []uint64{1, 2}) {
		t.Errorf("mailbox of the next Session: got %v, want [1 2]", got)
	}
	c.wait(t)
}

// checkEmpty fails unless there is nothing at all in a mailbox. A record is made to see it.
func checkEmpty(t *testing.T, st broker.Store, what string, mb broker.Mailbox) {
	t.Helper()
	if got := seqs(t, st, mb); len(got) != 0 {
		t.Errorf("%s: mailbox: got %v, want none", what, got)
	}
	key := broker.SessionKey{App: "checkEmpty", ClientID: fmt.Sprint(mb)} // of no other goroutine
	st.SaveSession(key, &broker.SessionRecord{Expiry: 1, Mailbox: mb}, nil)
	defer st.DeleteSession(key, 0, nil)
	got := loadSession(t, st, key)
	if got == nil {
		t.Fatalf("%s: got no record", what)
	}
	if d := foundDifference(got, found{}); d != "" {
		t.Errorf("%s: %s", what, d)
	}
}

func testDeleteRecordOnly(t *testing.T, st broker.Store) {
	mb := st.NewMailbox()
	c := newCommits()
	appendAll(st, mb, 3, c)
	st.SaveSession(sessionKey, &broker.SessionRecord{Expiry: 9, Mailbox: mb}, c.next())
	st.DeleteSession(sessionKey, 0, c.next())
	if r := loadSession(t, st, sessionKey); r != nil {
		t.Errorf("record after delete: got %+v, want nil", r)
	}
	if got := seqs(t, st, mb); len(got) != 3 {
		t.Errorf("mailbox after its record alone is deleted: got %v, want 3 entries", got)
	}
	c.wait(t)
}

// testDeleteBesideAnother ends a Session while the next one of the same Client Identifier is in
// use already, with each order of calls that the broker may make.
func testDeleteBesideAnother(t *testing.T, st broker.Store) {
	c := newCommits()
	before, after := st.NewMailbox(), st.NewMailbox()
	appendAll(st, before, 50, c)
	st.SaveSession(sessionKey, &broker.SessionRecord{Expiry: 1, Mailbox: before}, c.next())
	appendAll(st, after, 3, c)
	st.DeleteSession(sessionKey, before, c.next())
	st.SaveSession(sessionKey, &broker.SessionRecord{Expiry: 2, Mailbox: after}, c.next())
	appendTo(st, after, 4, message("t", "p"), c.next())
	st.AddReceipt(after, 1, c.next())
	c.wait(t)
	r := loadSession(t, st, sessionKey)
	if r == nil || r.Mailbox != after || r.Count != 4 || len(r.Received) != 1 {
		t.Errorf("record of the next Session: got %+v, want mailbox %d, 4 entries, a receipt", r, after)
	}
	if got := seqs(t, st, after); !slices.Equal(got, []uint64{1, 2, 3, 4}) {
		t.Errorf("mailbox of the next Session: got %v, want [1 2 3 4]", got)
	}
	checkEmpty(t, st, "mailbox of the Session that ended", before)
}

// testLateCalls makes calls that an old Session may still make after it was deleted.
func testLateCalls(t *testing.T, st broker.Store) {
	mb := st.NewMailbox()
	c := newCommits()
	shared := sharedMessage("t", "p")
	appendTo(st, mb, 1, shared, c.next())
	appendTo(st, mb, 2, message("t", "p"), c.next())
	st.AddReceipt(mb, 1, c.next())
	st.DeleteSession(sessionKey, mb, c.next())
	st.Remove(mb, 1, shared.Body)
	st.Released(mb, 2, c.next())
	st.RemoveReceipt(mb, 1, c.next())
	st.Remove(mb, 2, nil)
	c.wait(t)
	checkEmpty(t, st, "after late calls", mb)
}

func testDeleteLarge(t *testing.T, st broker.Store) {
	const n = 3000
	mb, other := st.NewMailbox(), st.NewMailbox()
	c := newCommits()
	shared := sharedMessage("t", "shared")
	for seq := uint64(1); seq <= n; seq++ {
		m := shared
		if seq%2 == 0 {
			m = message("t", "own")
		}
		appendTo(st, mb, seq, m, c.next())
	}
	appendTo(st, other, 1, shared, c.next())
	c.wait(t)
	st.DeleteSession(sessionKey, mb, c.next())
	checkEmpty(t, st, "large mailbox", mb)
	c.wait(t)
	es, _ := load(t, st, other, 0, 10, unlimited)
	if len(es) != 1 || messageDifference(es[0].Message, shared) != "" {
		t.Errorf("message that the deleted mailbox shared: got %+v, want it", es)
	}
}
