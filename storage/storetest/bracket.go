package storetest

import (
	"slices"
	"sync"
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker"
)

var bracketTests = []test{
	{"bracket", testBracket},
	{"empty bracket", testEmptyBracket},
	{"load inside a bracket", testLoadInBracket},
	{"remove inside a bracket", testRemoveInBracket},
	{"large bracket", testLargeBracket},
	{"brackets at once", testBracketsAtOnce},
}

// testBracket calls everything inside a bracket; all of it must be there after End.
func testBracket(t *testing.T, st broker.Store) {
	c := newCommits()
	mb, gone := st.NewMailbox(), st.NewMailbox()
	key := broker.SessionKey{App: "a", ClientID: "gone"}
	appendAll(st, gone, 3, c)
	st.SaveSession(key, &broker.SessionRecord{Expiry: 1, Mailbox: gone}, c.next())
	shared := sharedMessage("t", "shared")
	tx := st.Begin()
	st.SaveSession(sessionKey, &broker.SessionRecord{Expiry: 1, Mailbox: mb}, c.next())
	st.DeleteSession(key, gone, c.next())
	appendTo(st, mb, 1, shared, c.next())
	appendTo(st, mb, 2, message("t", "2"), c.next())
	appendTo(st, mb, 3, shared, c.next())
	st.Released(mb, 2, c.next())
	st.Remove(mb, 1, shared.Body)
	st.SetCursor(mb, 5)
	st.AddReceipt(mb, 6, c.next())
	st.AddReceipt(mb, 7, c.next())
	st.RemoveReceipt(mb, 6, c.next())
	place := st.AppendLog("a", shared, c.next())
	st.SetRetained("a", "t", message("t", "retained"), c.next())
	st.End(tx)
	r := loadSession(t, st, sessionKey)
	if r == nil {
		t.Fatal("got no record")
	}
	want := found{received: []broker.PacketID{7}, cursor: 5, count: 2, bytes: message("t", "2").Size() + shared.Size()}
	if d := foundDifference(r, want); d != "" {
		t.Error(d)
	}
	es, more := load(t, st, mb, 0, 10, unlimited)
	checkPage(t, "Load", es, more, []broker.Entry{
		{Seq: 2, Message: message("t", "2"), QoS: 1, Released: true}, {Seq: 3, Message: shared, QoS: 1},
	}, 10, unlimited)
	if r := loadSession(t, st, key); r != nil {
		t.Errorf("record that was deleted: got %+v, want nil", r)
	}
	checkEmpty(t, st, "mailbox that was deleted", gone)
	if es, _ := loadLog(t, st, "a", 0, 10, unlimited); len(es) != 1 || es[0].Log != place || st.LogEnd("a") != place {
		t.Errorf("log: got %d entries, end %d, want 1 at place %d", len(es), st.LogEnd("a"), place)
	}
	if d := messageDifference(loadRetained(t, st, "a", "t")[0], message("t", "retained")); d != "" {
		t.Errorf("retained: %s", d)
	}
	c.wait(t)
}

func testEmptyBracket(t *testing.T, st broker.Store) {
	c := newCommits()
	mb := st.NewMailbox()
	for seq := uint64(1); seq <= 20; seq++ {
		st.End(st.Begin())
		appendTo(st, mb, seq, message("t", "p"), c.next())
	}
	c.wait(t)
	if got := seqs(t, st, mb); len(got) != 20 {
		t.Errorf("got %d entries, want 20", len(got))
	}
}

func testLoadInBracket(t *testing.T, st broker.Store) {
	c := newCommits()
	mb := st.NewMailbox()
	tx := st.Begin()
	appendAll(st, mb, 3, c)
	st.SaveSession(sessionKey, &broker.SessionRecord{Expiry: 1, Mailbox: mb}, c.next())
	p, r := newPage(), newRecordLater()
	st.Load(mb, 0, 10, unlimited, p.done)
	st.LoadSession(sessionKey, r.done)
	st.End(tx)
	if es, _ := p.wait(t); !slices.Equal(seqsOf(es), []uint64{1, 2, 3}) {
		t.Errorf("Load inside a bracket: got %v, want [1 2 3]", seqsOf(es))
	}
	if got := r.wait(t); got == nil || got.Count != 3 {
		t.Errorf("LoadSession inside a bracket: got %+v, want 3 entries", got)
	}
	c.wait(t)
}

func testRemoveInBracket(t *testing.T, st broker.Store) {
	c := newCommits()
	mb := st.NewMailbox()
	for round := range uint64(50) {
		tx := st.Begin()
		for i := range uint64(4) {
			appendTo(st, mb, 4*round+i+1, message("t", "p"), c.next())
			if i == 1 {
				st.Remove(mb, 4*round+i+1, nil)
			}
		}
		st.End(tx)
		st.Remove(mb, 4*round+1, nil) // maybe before it is safe
		st.Remove(mb, 4*round+4, nil)
	}
	got := seqs(t, st, mb)
	for i, seq := range got {
		if want := uint64(4*i + 3); seq != want {
			t.Errorf("entry %d: got %d, want %d", i, seq, want)
		}
	}
	if len(got) != 50 {
		t.Errorf("got %d entries, want 50", len(got))
	}
	c.wait(t)
}

func testLargeBracket(t *testing.T, st broker.Store) {
	const n = 20_000
	c := newCommits()
	mbs := newMailboxes(st, n)
	m := sharedMessage("t", "to very many")
	tx := st.Begin()
	for _, mb := range mbs {
		appendTo(st, mb, 1, m, c.next())
	}
	st.End(tx)
	c.wait(t)
	for i := 0; i < n; i += 500 {
		checkOnly(t, st, "large bracket", mbs[i], m)
	}
}

// testBracketsAtOnce has several goroutines in a bracket of their own.
func testBracketsAtOnce(t *testing.T, st broker.Store) {
	c := newCommits()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			mbs := newMailboxes(st, 4)
			for round := range uint64(50) {
				m := sharedMessage("t", "p")
				tx := st.Begin()
				for _, mb := range mbs {
					appendTo(st, mb, round+1, m, c.next())
				}
				st.End(tx)
				if round%10 == 0 {
					if got := seqs(t, st, mbs[3]); uint64(len(got)) != round+1 {
						t.Errorf("after bracket %d: got %d entries, want %d", round, len(got), round+1)
					}
				}
			}
		})
	}
	wg.Wait()
	c.wait(t)
}
