package storetest

import (
	"strings"
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker"
)

var bodyTests = []test{
	{"body owed to many", testBodyOwedToMany},
	{"body owed again", testBodyOwedAgain},
	{"body handed on", testBodyHandedOn},
	{"body in log and mailboxes", testBodyInLog},
	{"body and cancelled appends", testBodyCancelled},
}

// checkOnly fails unless exactly one entry is in a mailbox, with the message want.
func checkOnly(t *testing.T, st broker.Store, what string, mb broker.Mailbox, want *broker.Message) broker.Entry {
	t.Helper()
	es, more := load(t, st, mb, 0, 10, unlimited)
	if len(es) != 1 || more {
		t.Fatalf("%s: mailbox %d: got %d entries, more %t, want 1", what, mb, len(es), more)
	}
	if d := messageDifference(es[0].Message, want); d != "" {
		t.Errorf("%s: mailbox %d: %s", what, mb, d)
	}
	return es[0]
}

func newMailboxes(st broker.Store, n int) []broker.Mailbox {
	out := make([]broker.Mailbox, n)
	for i := range out {
		out[i] = st.NewMailbox()
	}
	return out
}

func testBodyOwedToMany(t *testing.T, st broker.Store) {
	const n = 100
	c := newCommits()
	mbs := newMailboxes(st, n)
	for _, size := range []int{0, 10, 5000, 100_000} {
		m := sharedMessage("shared", strings.Repeat("x", size))
		m.Properties = []byte{1, 2}
		for _, mb := range mbs {
			appendTo(st, mb, uint64(size+1), m, c.next())
		}
		for i, mb := range mbs {
			checkOnly(t, st, "all there", mb, m)
			st.Remove(mb, uint64(size+1), m.Body)
			if i%10 == 0 {
				checkOnly(t, st, "some removed", mbs[n-1], m)
				c.wait(t)
			}
			if i == n-2 {
				checkOnly(t, st, "one left", mbs[n-1], m)
			}
		}
	}
	for _, mb := range mbs {
		checkEmpty(t, st, "all removed", mb)
	}
	c.wait(t)
}

// testBodyOwedAgain lets all references to a message go, and appends it again.
func testBodyOwedAgain(t *testing.T, st broker.Store) {
	c := newCommits()
	mbs := newMailboxes(st, 3)
	m := sharedMessage("shared", "again")
	for round := range uint64(20) {
		seq := round + 1
		for _, mb := range mbs {
			appendTo(st, mb, seq, m, c.next())
		}
		if round%2 == 0 {
			c.wait(t)
		}
		for _, mb := range mbs {
			checkOnly(t, st, "appended", mb, m)
			st.Remove(mb, seq, m.Body)
		}
		switch round % 4 {
		case 1:
			checkEmpty(t, st, "removed", mbs[2]) // by now it is gone for certain
		case 2:
			appendTo(st, mbs[0], 1000+seq, m, c.next())
			st.Remove(mbs[0], 1000+seq, m.Body)
		case 3:
			c.wait(t)
		}
	}
}

// testBodyHandedOn appends to another mailbox what was loaded from one.
func testBodyHandedOn(t *testing.T, st broker.Store) {
	c := newCommits()
	mbs := newMailboxes(st, 50)
	m := sharedMessage("shared", "handed on")
	appendTo(st, mbs[0], 1, m, c.next())
	for i, mb := range mbs[1:] {
		e := checkOnly(t, st, "loaded", mbs[i], m)
		if e.Message.Body == nil {
			t.Fatal("loaded: got no Body, want one")
		}
		if i%2 == 0 {
			appendTo(st, mb, 1, e.Message, c.next())
			st.Remove(mbs[i], 1, e.Message.Body)
		} else { // the body is gone, but the message is still in hand
			st.Remove(mbs[i], 1, e.Message.Body)
			if i%4 == 1 {
				checkEmpty(t, st, "removed", mbs[i])
			}
			appendTo(st, mb, 1, e.Message, c.next())
		}
	}
	e := checkOnly(t, st, "in the last mailbox", mbs[len(mbs)-1], m)
	st.Remove(mbs[len(mbs)-1], 1, e.Message.Body)
	for _, mb := range mbs {
		checkEmpty(t, st, "all removed", mb)
	}
	c.wait(t)
}

func testBodyInLog(t *testing.T, st broker.Store) {
	c := newCommits()
	mbs := newMailboxes(st, 2)
	m := sharedMessage("broadcast/a", "to all")
	place := st.AppendLog("a", m, c.next())
	es, _ := loadLog(t, st, "a", 0, 10, unlimited)
	if len(es) != 1 || es[0].Log != place {
		t.Fatalf("log: got %d entries, want 1 at place %d", len(es), place)
	}
	for _, mb := range mbs {
		st.Append(mb, &broker.Entry{Seq: 1, Log: place, Message: es[0].Message, QoS: 1}, c.next())
	}
	for i, mb := range mbs {
		e := checkOnly(t, st, "from the log", mb, m)
		if e.Log != place {
			t.Errorf("entry from the log: got place %d, want %d", e.Log, place)
		}
		if i == 0 {
			st.Remove(mb, 1, e.Message.Body)
		}
	}
	c.wait(t)
	for range 1200 { // the message leaves the log
		st.AppendLog("a", sharedMessage("broadcast/a", "later"), c.next())
	}
	c.wait(t)
	e := checkOnly(t, st, "out of the log", mbs[1], m)
	st.Remove(mbs[1], 1, e.Message.Body)
	checkEmpty(t, st, "removed", mbs[1])
}

// testBodyCancelled removes the first entry that needs a body before it may be safe: the others still need it.
func testBodyCancelled(t *testing.T, st broker.Store) {
	c := newCommits()
	for range 50 {
		mbs := newMailboxes(st, 3)
		m := sharedMessage("shared", "cancelled at first")
		appendTo(st, mbs[0], 1, m, c.next())
		st.Remove(mbs[0], 1, m.Body)
		appendTo(st, mbs[1], 1, m, c.next())
		appendTo(st, mbs[2], 1, m, c.next())
		st.Remove(mbs[1], 1, m.Body)
		checkOnly(t, st, "the third", mbs[2], m)
	}
	c.wait(t)
}
