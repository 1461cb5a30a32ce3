package storetest_test

import (
	"slices"
	"testing"
	"testing/synctest"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/storage/memory"
	"github.com/holdfast-mqtt/holdfast/storage/storetest"
)

// spy is an inner Store that notes some of its calls in a tally.
type spy struct {
	*memory.Store
	tally *tally
}

func (s spy) note(name string)                 { s.tally.of("%s", name).Committed(nil) }
func (s spy) Begin() broker.Tx                 { s.note("Begin"); return s.Store.Begin() }
func (s spy) End(tx broker.Tx)                 { s.note("End"); s.Store.End(tx) }
func (s spy) SetCursor(broker.Mailbox, uint64) { s.note("SetCursor") }
func (s spy) Append(mb broker.Mailbox, e *broker.Entry, c broker.Commit) {
	s.note("Append")
	s.Store.Append(mb, e, c)
}

// TestFaultyBracket lets many calls that are ready go before, between and after those of a bracket.
func TestFaultyBracket(t *testing.T) {
	for seed := range uint64(20) {
		var told tally
		st := storetest.NewFaulty(t, spy{memory.New(), &told}, seed)
		mbs := make([]broker.Mailbox, 8)
		for i := range mbs {
			mbs[i] = st.NewMailbox()
		}
		st.Hold(true)
		cursors := func() {
			for _, mb := range mbs {
				st.SetCursor(mb, 1)
				st.SetCursor(st.NewMailbox(), 1)
			}
		}
		cursors()
		tx := st.Begin()
		for i, mb := range mbs[2:6] {
			st.Append(mb, entry(1), told.of("told %d", i))
		}
		st.End(tx)
		cursors()
		st.Hold(false)
		st.Settle()
		want := []string{"Begin", "Append", "Append", "Append", "Append", "End", "told 0", "told 1", "told 2", "told 3"}
		names := told.names()
		at := slices.Index(names, "Begin")
		if at < 0 || len(names) < at+len(want) || !slices.Equal(names[at:at+len(want)], want) {
			t.Fatalf("seed %d: got %v, want %v in one piece", seed, names, want)
		}
		if n := len(names); n != len(want)+4*len(mbs) {
			t.Errorf("seed %d: got %d calls, want %d: %v", seed, n, len(want)+4*len(mbs), names)
		}
		if at < 4 { // the bracket's four mailboxes have a cursor before
			t.Errorf("seed %d: calls before the bracket: got %d, want 4 or more", seed, at)
		}
	}
}

// TestFaultyOpenBracket looks at what an open bracket keeps from taking effect, in a bubble.
func TestFaultyOpenBracket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := storetest.NewFaulty(t, memory.New(), 1)
		a, b := st.NewMailbox(), st.NewMailbox()
		var told tally
		st.Append(a, entry(1), told.of("before"))
		one := st.Begin()
		st.Append(a, entry(2), told.of("one"))
		two := st.Begin() // another goroutine's
		st.Append(b, entry(1), told.of("two"))
		st.End(one)
		synctest.Wait()
		if got := told.names(); !slices.Equal(got, []string{"before"}) {
			t.Errorf("with a bracket open: got %v told, want before", got)
		}
		inOrder(t, st, a, 1)
		st.End(two)
		st.Settle()
		if got := told.names(); !slices.Equal(got, []string{"before", "one", "two"}) {
			t.Errorf("with the brackets ended: got %v told, want before, one, two", got)
		}
		inOrder(t, st, a, 1, 2)
		inOrder(t, st, b, 1)
		st.Begin() // and never ended
		st.Append(b, entry(2), told.of("close"))
		if err := st.Close(); err != nil {
			t.Errorf("Close: got %v, want nil", err)
		}
		inOrder(t, st, b, 1, 2)
	})
}
