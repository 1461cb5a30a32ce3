package storetest

import (
	"sync/atomic"
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker"
)

var callbackTests = []test{
	{"commits told once", testCommitsOnce},
	{"no commits", testNoCommits},
	{"calls from callbacks", testCallsFromCallbacks},
}

// testCommitsOnce has every operation told, also those that change nothing.
func testCommitsOnce(t *testing.T, st broker.Store) {
	c := newCommits()
	mb := st.NewMailbox()
	for seq := uint64(1); seq <= 200; seq++ {
		m := message("t", "p")
		appendTo(st, mb, seq, m, c.next())
		st.Released(mb, seq, c.next())
		if seq%2 == 0 {
			st.Remove(mb, seq, nil)
		}
		st.AddReceipt(mb, 1, c.next())
		st.AddReceipt(mb, 1, c.next())
		st.RemoveReceipt(mb, 1, c.next())
		st.RemoveReceipt(mb, 1, c.next())
		st.SaveSession(sessionKey, &broker.SessionRecord{Expiry: 1}, c.next())
		st.SetRetained("a", "t", m, c.next())
		st.SetRetained("a", "t", nil, c.next())
		st.AppendLog("a", sharedMessage("t", "p"), c.next())
		if seq%50 == 0 {
			st.DeleteSession(sessionKey, mb, c.next())
			mb = st.NewMailbox()
		}
	}
	c.wait(t)
	loadSession(t, st, sessionKey)
	c.check(t) // nothing was told again
}

func testNoCommits(t *testing.T, st broker.Store) {
	mb := st.NewMailbox()
	appendTo(st, mb, 1, message("t", "p"), nil)
	appendTo(st, mb, 2, message("t", "p"), nil)
	st.Released(mb, 1, nil)
	st.Remove(mb, 2, nil)
	st.AddReceipt(mb, 1, nil)
	st.RemoveReceipt(mb, 1, nil)
	st.SaveSession(sessionKey, &broker.SessionRecord{Expiry: 1, Mailbox: mb}, nil)
	st.SetRetained("a", "t", message("t", "p"), nil)
	st.SetRetained("a", "t", nil, nil)
	st.AppendLog("a", sharedMessage("t", "p"), nil)
	if got := loadSession(t, st, sessionKey); got == nil || got.Count != 1 {
		t.Errorf("got %+v, want one entry", got)
	}
	st.DeleteSession(sessionKey, mb, nil)
	checkEmpty(t, st, "deleted", mb)
}

// testCallsFromCallbacks makes each call in the callback of the one before.
func testCallsFromCallbacks(t *testing.T, st broker.Store) {
	const n = 50
	mb := st.NewMailbox()
	end := make(chan int, 1)
	var next func(i int)
	next = func(i int) {
		if i == n {
			end <- i
			return
		}
		seq := uint64(i + 1)
		appendTo(st, mb, seq, message("t", "p"), commitFunc(func(err error) {
			if err != nil {
				t.Errorf("commit %d: got error %v, want nil", i, err)
			}
			st.AddReceipt(mb, broker.PacketID(i+1), nil)
			st.Load(mb, uint64(i), 10, unlimited, func(es []broker.Entry, _ bool, err error) {
				if err != nil || len(es) != 1 {
					t.Errorf("Load %d: got %d entries, error %v, want 1", i, len(es), err)
				}
				st.LoadRetained("a", []string{"t"}, func([]*broker.Message, error) {
					st.LoadSession(sessionKey, func(*broker.SessionRecord, error) { next(i + 1) })
				})
			})
		}))
	}
	next(0)
	<-end
	if got := seqs(t, st, mb); len(got) != n {
		t.Errorf("got %d entries, want %d", len(got), n)
	}
}

// testCloseWaits hands over all that Close must wait for.
func testCloseWaits(t *testing.T, st broker.Store) {
	c := newCommits()
	mb := st.NewMailbox()
	var loads atomic.Int64
	const n = 500
	appendAll(st, mb, n, c)
	for i := range n {
		st.SetRetained("a", "t", message("t", "p"), c.next())
		if i%50 == 0 {
			st.Load(mb, 0, 10, unlimited, func([]broker.Entry, bool, error) { loads.Add(1) })
			st.LoadSession(sessionKey, func(*broker.SessionRecord, error) { loads.Add(1) })
		}
	}
	if err := st.Close(); err != nil {
		t.Fatalf("Close: got %v, want nil", err)
	}
	if issued, told := c.counts(); told != issued {
		t.Errorf("commits told when Close returned: got %d, want %d", told, issued)
	}
	c.check(t)
	if got := loads.Load(); got != 2*n/50 {
		t.Errorf("loads answered when Close returned: got %d, want %d", got, 2*n/50)
	}
}
