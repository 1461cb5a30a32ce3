package storetest_test

import (
	"errors"
	"sync"
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/storage/memory"
	"github.com/holdfast-mqtt/holdfast/storage/storetest"
)

var errFault = errors.New("fault")

var faultKey = broker.SessionKey{App: "a", ClientID: "c"}

// result is a Commit, and the callback of a read, that keeps one error.
type result chan error

// Committed implements broker.Commit.
func (r result) Committed(err error) { r <- err }

// everyCall has one call of each operation with a result.
var everyCall = map[storetest.Op]func(st broker.Store, mb broker.Mailbox, r result){
	storetest.OpLoadSession: func(st broker.Store, _ broker.Mailbox, r result) {
		st.LoadSession(faultKey, func(_ *broker.SessionRecord, err error) { r <- err })
	},
	storetest.OpSaveSession: func(st broker.Store, mb broker.Mailbox, r result) {
		st.SaveSession(faultKey, &broker.SessionRecord{Expiry: 2, Mailbox: mb}, r)
	},
	storetest.OpDeleteSession: func(st broker.Store, mb broker.Mailbox, r result) { st.DeleteSession(faultKey, mb, r) },
	storetest.OpAppend:        func(st broker.Store, mb broker.Mailbox, r result) { st.Append(mb, entry(2), r) },
	storetest.OpReleased:      func(st broker.Store, mb broker.Mailbox, r result) { st.Released(mb, 1, r) },
	storetest.OpLoad: func(st broker.Store, mb broker.Mailbox, r result) {
		st.Load(mb, 0, 1, 1, func(_ []broker.Entry, _ bool, err error) { r <- err })
	},
	storetest.OpAddReceipt: func(st broker.Store, mb broker.Mailbox, r result) { st.AddReceipt(mb, 2, r) },
	storetest.OpAddPartialReceipt: func(st broker.Store, mb broker.Mailbox, r result) {
		st.AddPartialReceipt(mb, 1, 0, broker.PartialReceipt{Given: []broker.Mailbox{1}}, r)
	},
	storetest.OpRemoveReceipt: func(st broker.Store, mb broker.Mailbox, r result) { st.RemoveReceipt(mb, 1, r) },
	storetest.OpAppendLog: func(st broker.Store, _ broker.Mailbox, r result) {
		st.AppendLog("a", &broker.Message{TopicName: "t", Body: new(broker.Body)}, r)
	},
	storetest.OpLoadLog: func(st broker.Store, _ broker.Mailbox, r result) {
		st.LoadLog("a", 0, 10, 1, func(_ []broker.Entry, _ bool, err error) { r <- err })
	},
	storetest.OpSetRetained: func(st broker.Store, _ broker.Mailbox, r result) { st.SetRetained("a", "t", nil, r) },
	storetest.OpLoadRetained: func(st broker.Store, _ broker.Mailbox, r result) {
		st.LoadRetained("a", []string{"t"}, func(_ []*broker.Message, err error) { r <- err })
	},
}

// prepare puts something into the Store that each operation finds.
func prepare(st *storetest.Faulty) broker.Mailbox {
	mb := st.NewMailbox()
	st.SaveSession(faultKey, &broker.SessionRecord{Expiry: 1, Mailbox: mb}, nil)
	st.Append(mb, entry(1), nil)
	st.AddReceipt(mb, 1, nil)
	st.SetCursor(mb, 1)
	st.SetRetained("a", "t", entry(1).Message, nil)
	st.Settle()
	return mb
}

// checkUnchanged fails unless all is as prepare has left it.
func checkUnchanged(t *testing.T, st *storetest.Faulty) {
	t.Helper()
	r := st.Record(faultKey)
	if r == nil || r.Expiry != 1 || r.Count != 1 || len(r.Received) != 1 || r.Received[0] != 1 || r.Cursor != 1 {
		t.Errorf("record: got %+v, want expiry, count, receipt and cursor 1", r)
		return
	}
	if es := st.Entries(r.Mailbox); len(es) != 1 || es[0].Released {
		t.Errorf("mailbox: got %+v, want one entry that is not released", es)
	}
	names := make(chan int, 1)
	st.LoadRetained("a", []string{"t"}, func(ms []*broker.Message, _ error) {
		n := 0
		for _, m := range ms {
			if m != nil {
				n++
			}
		}
		names <- n
	})
	if got := <-names; got != 1 {
		t.Errorf("retained messages: got %d, want 1", got)
	}
	logged := make(chan int, 1)
	st.LoadLog("a", 0, 10, 1000, func(es []broker.Entry, more bool, _ error) {
		if more {
			t.Error("log: got more, want none")
		}
		logged <- len(es)
	})
	if got := <-logged; got != 0 {
		t.Errorf("log: got %d messages, want 0", got)
	}
}

func TestFaultyFails(t *testing.T) {
	for op, make1 := range everyCall {
		t.Run(op.String(), func(t *testing.T) {
			st := storetest.NewFaulty(t, memory.New(), 1)
			mb := prepare(st)
			st.Fail(storetest.FailOn(errFault, op))
			st.Hold(true)
			r := make(result, 2)
			make1(st, mb, r)
			if len(r) != 0 {
				t.Error("told within the call, want later")
			}
			st.Hold(false)
			if got := <-r; !errors.Is(got, errFault) {
				t.Errorf("got error %v, want %v", got, errFault)
			}
			st.Fail(nil)
			checkUnchanged(t, st)
			make1(st, mb, r)
			if got := <-r; got != nil {
				t.Errorf("without the fault: got error %v, want nil", got)
			}
			st.Settle()
			if len(r) != 0 {
				t.Error("told twice, want once")
			}
		})
	}
}

// TestFaultyFailsInSilence has operations fail that have no result, or whose result nobody wants.
func TestFaultyFailsInSilence(t *testing.T) {
	st := storetest.NewFaulty(t, memory.New(), 1)
	mb := prepare(st)
	st.Fail(func(storetest.Call) error { return errFault })
	st.Remove(mb, 1, nil)
	st.SetCursor(mb, 9)
	st.Append(mb, entry(2), nil)
	st.AddReceipt(mb, 9, nil)
	st.SaveSession(faultKey, &broker.SessionRecord{Expiry: 9}, nil)
	st.AppendLog("a", &broker.Message{TopicName: "t", Body: new(broker.Body)}, nil)
	st.DeleteSession(faultKey, mb, nil)
	st.Settle()
	st.Fail(nil)
	checkUnchanged(t, st)
}

// TestFaultyFailsSome has one of several calls fail.
func TestFaultyFailsSome(t *testing.T) {
	st := storetest.NewFaulty(t, memory.New(), 1)
	mb := st.NewMailbox()
	st.Fail(func(c storetest.Call) error {
		if c.Op == storetest.OpAppend && c.Mailbox == mb && c.Seq == 2 && c.Entry.Seq == 2 {
			return errFault
		}
		return nil
	})
	r := make(result, 1)
	for seq := uint64(1); seq <= 3; seq++ {
		st.Append(mb, entry(seq), r)
		if got := <-r; (got != nil) != (seq == 2) {
			t.Errorf("append %d: got error %v", seq, got)
		}
	}
	inOrder(t, st, mb, 1, 3)
}

// TestFaultyFailsBracket has all writes of a bracket fail with one of them; what is read in it is read, and
// what was cancelled has not failed.
func TestFaultyFailsBracket(t *testing.T) {
	st := storetest.NewFaulty(t, memory.New(), 1)
	mb := prepare(st)
	st.Fail(storetest.FailOn(errFault, storetest.OpSetRetained))
	cancelled, appended, retained, read := make(result, 1), make(result, 1), make(result, 1), make(result, 1)
	tx := st.Begin()
	st.Append(mb, entry(2), cancelled)
	st.Append(mb, entry(3), appended)
	st.Remove(mb, 1, nil)
	st.Remove(mb, 2, nil)
	st.SetRetained("a", "t", nil, retained)
	st.Load(mb, 0, 10, 1000, func(es []broker.Entry, _ bool, err error) {
		if len(es) != 1 || es[0].Seq != 1 {
			t.Errorf("load in the bracket: got %+v, want entry 1", es)
		}
		read <- err
	})
	st.End(tx)
	for name, c := range map[string]struct {
		r    result
		want error
	}{"cancelled": {cancelled, nil}, "append": {appended, errFault}, "retained": {retained, errFault}, "read": {read, nil}} {
		if got := <-c.r; !errors.Is(got, c.want) {
			t.Errorf("%s: got error %v, want %v", name, got, c.want)
		}
	}
	st.Fail(nil)
	checkUnchanged(t, st)
}

// TestFaultyFailsReadInBracket has a read fail in a bracket: that is no reason for the writes to.
func TestFaultyFailsReadInBracket(t *testing.T) {
	st := storetest.NewFaulty(t, memory.New(), 1)
	mb := st.NewMailbox()
	st.Fail(storetest.FailOn(errFault, storetest.OpLoad))
	appended, read := make(result, 1), make(result, 1)
	tx := st.Begin()
	st.Append(mb, entry(1), appended)
	st.Load(mb, 0, 10, 1000, func(_ []broker.Entry, _ bool, err error) { read <- err })
	st.End(tx)
	if got := <-read; !errors.Is(got, errFault) {
		t.Errorf("read: got error %v, want %v", got, errFault)
	}
	if got := <-appended; got != nil {
		t.Errorf("append: got error %v, want nil", got)
	}
	inOrder(t, st, mb, 1)
}

// TestFaultyErrorsMayLock has Commits that need the lock with which the calls are made, as an error may.
func TestFaultyErrorsMayLock(t *testing.T) {
	st := storetest.NewFaulty(t, memory.New(), 1)
	mb := st.NewMailbox()
	st.Fail(storetest.FailOn(errFault, storetest.OpAppend))
	var mu sync.Mutex
	failed := 0
	for seq := uint64(1); seq <= 200; seq++ {
		mu.Lock()
		st.Append(mb, entry(seq), locking{&mu, &failed})
		if seq%3 == 0 {
			st.Remove(mb, seq, nil)
		}
		mu.Unlock()
	}
	st.Settle()
	mu.Lock()
	defer mu.Unlock()
	if want := 200 - st.Cancelled(); failed != want {
		t.Errorf("appends that failed: got %d, want %d", failed, want)
	}
}

type locking struct {
	mu     *sync.Mutex
	failed *int
}

// Committed implements broker.Commit.
func (l locking) Committed(err error) {
	if err != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		*l.failed++
	}
}

// TestFaultyLog hides what has failed among what has not.
func TestFaultyLog(t *testing.T) {
	st := storetest.NewFaulty(t, memory.New(), 1)
	st.Fail(func(c storetest.Call) error {
		if c.Op == storetest.OpAppendLog && c.Message.TopicName == "bad" {
			return errFault
		}
		return nil
	})
	var good []uint64
	for i := range 40 {
		name := "bad"
		if i%10 == 5 {
			name = "good"
		}
		seq := st.AppendLog("a", &broker.Message{TopicName: name, Body: new(broker.Body)}, nil)
		if name == "good" {
			good = append(good, seq)
		}
	}
	after := uint64(0)
	for _, want := range good {
		got := make(chan []broker.Entry, 1)
		st.LoadLog("a", after, 3, 1000, func(es []broker.Entry, _ bool, _ error) { got <- es })
		if es := <-got; len(es) != 1 || es[0].Log != want {
			t.Fatalf("LoadLog after %d: got %+v, want place %d", after, es, want)
		}
		after = want
	}
	if got := st.LogEnd("a"); got < good[len(good)-1] {
		t.Errorf("LogEnd: got %d, want %d or more", got, good[len(good)-1])
	}
}
