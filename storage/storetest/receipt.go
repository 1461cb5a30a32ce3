package storetest

import (
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker"
)

var receiptTests = []test{
	{"receipts", testReceipts},
	{"partial receipts", testPartialReceipts},
	{"parts of receipts", testReceiptParts},
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
	given := []broker.Mailbox{0, 1 << 40, 7}
	st.AddPartialReceipt(mb, 1, 0, partial(1, 7), c.next())
	st.AddPartialReceipt(mb, 2, 0, partial(2, 9), c.next())
	st.AddReceipt(mb, 3, c.next())
	st.AddPartialReceipt(mb, 1, 0, broker.PartialReceipt{Print: 1<<64 - 1, Given: given}, c.next()) // replaces the first
	given[0] = 99
	inMailbox(t, st, "partial", mb, found{
		received: []broker.PacketID{3},
		partial:  map[broker.PacketID]broker.PartialReceipt{1: partial(1<<64-1, 0, 1<<40, 7), 2: partial(2, 9)},
	})
	st.AddReceipt(mb, 1, c.next())
	st.RemoveReceipt(mb, 2, c.next())
	st.AddPartialReceipt(mb, 3, 0, partial(3, 1), c.next())
	c.wait(t)
	inMailbox(t, st, "complete", mb, found{
		received: []broker.PacketID{1}, partial: map[broker.PacketID]broker.PartialReceipt{3: partial(3, 1)},
	})
}

// partial returns a receipt, or a part of one.
func partial(print uint64, given ...broker.Mailbox) broker.PartialReceipt {
	return broker.PartialReceipt{Print: print, Given: given}
}

// testReceiptParts has receipts grow by parts, and parts take the place of others.
func testReceiptParts(t *testing.T, st broker.Store) {
	mb, other := st.NewMailbox(), st.NewMailbox()
	c := newCommits()
	is := func(what string, mb broker.Mailbox, want ...broker.Mailbox) {
		t.Helper()
		f := found{}
		if len(want) > 0 {
			f.partial = map[broker.PacketID]broker.PartialReceipt{256: partial(5, want...)}
		}
		inMailbox(t, st, what, mb, f)
	}
	add := func(part int, given ...broker.Mailbox) {
		st.AddPartialReceipt(mb, 256, part, partial(5, given...), c.next())
	}
	for part := range 10 {
		add(part, broker.Mailbox(part))
		st.AddPartialReceipt(other, 256, part, partial(5, 100+broker.Mailbox(part)), nil)
	}
	appendTo(st, mb, 1<<60, message("t", "p"), c.next())
	st.Remove(mb, 1<<60, nil)
	is("ten parts", mb, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
	add(7, 70, 71)
	is("two instead of three", mb, 0, 1, 2, 3, 4, 5, 6, 70, 71)
	c.wait(t)
	add(8, 80)
	add(2, 20)
	add(3, 30)
	is("two instead of eight", mb, 0, 1, 20, 30)
	add(0, 9)
	is("the first one", mb, 9)
	add(1, 10)
	add(2, 11)
	st.RemoveReceipt(mb, 256, c.next())
	is("removed", mb)
	add(0, 1)
	is("begun anew", mb, 1)
	add(1, 2)
	add(2, 3)
	st.AddReceipt(mb, 256, c.next())
	inMailbox(t, st, "complete", mb, found{received: []broker.PacketID{256}})
	c.wait(t)
	st.RemoveReceipt(mb, 256, c.next())
	is("released", mb)
	add(0, 1)
	is("begun again", mb, 1)
	is("the other mailbox", other, 100, 101, 102, 103, 104, 105, 106, 107, 108, 109)
	c.wait(t)
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
