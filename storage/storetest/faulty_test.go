package storetest_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/internal/randtest"
	"github.com/holdfast-mqtt/holdfast/storage/memory"
	"github.com/holdfast-mqtt/holdfast/storage/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestFaultyIsAStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) broker.Store {
		return storetest.NewFaulty(t, memory.New(), randtest.New(t).Uint64())
	})
}

// TestFaultyAroundFaulty has an inner Store that calls back from elsewhere.
func TestFaultyAroundFaulty(t *testing.T) {
	storetest.Run(t, func(t *testing.T) broker.Store {
		r := randtest.New(t)
		return storetest.NewFaulty(t, storetest.NewFaulty(t, memory.New(), r.Uint64()), r.Uint64())
	})
}

func TestFaultyReopens(t *testing.T) {
	inner := make(map[string]*memory.Store)
	storetest.RunReopen(t, func(t *testing.T, dir string) broker.Store {
		if inner[dir] == nil {
			inner[dir] = memory.New()
		}
		return storetest.NewFaulty(t, inner[dir], randtest.New(t).Uint64())
	})
}

// tally notes which Commits are told, and errors, in that order.
type tally struct {
	mu   sync.Mutex
	told []string
}

type tallied struct {
	all  *tally
	name string
}

// Committed implements broker.Commit.
func (c tallied) Committed(err error) {
	c.all.mu.Lock()
	defer c.all.mu.Unlock()
	name := c.name
	if err != nil {
		name += ": " + err.Error()
	}
	c.all.told = append(c.all.told, name)
}

func (l *tally) of(format string, args ...any) broker.Commit {
	return tallied{l, fmt.Sprintf(format, args...)}
}

func (l *tally) names() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.told)
}

func entry(seq uint64) *broker.Entry {
	return &broker.Entry{Seq: seq, Message: &broker.Message{TopicName: "t"}, QoS: 1}
}

// inOrder fails unless the Seqs of a mailbox of the inner Store are these.
func inOrder(t *testing.T, st *storetest.Faulty, mb broker.Mailbox, want ...uint64) {
	t.Helper()
	var got []uint64
	for _, e := range st.Entries(mb) {
		got = append(got, e.Seq)
	}
	if !slices.Equal(got, want) {
		t.Errorf("mailbox %d: got %v, want %v", mb, got, want)
	}
}

// TestFaultyHolds runs in a bubble, so that it is known that nothing more will happen.
func TestFaultyHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := storetest.NewFaulty(t, memory.New(), 1)
		key := broker.SessionKey{App: "a", ClientID: "c"}
		mb := st.NewMailbox()
		var told tally
		loaded := 0
		st.Hold(true)
		st.Append(mb, entry(1), told.of("append"))
		st.SaveSession(key, &broker.SessionRecord{Expiry: 1, Mailbox: mb}, told.of("save"))
		st.LoadSession(key, func(r *broker.SessionRecord, _ error) { loaded = r.Count })
		synctest.Wait()
		if got := told.names(); len(got) != 0 || loaded != 0 {
			t.Errorf("held: got %v told and %d loaded, want nothing", got, loaded)
		}
		inOrder(t, st, mb)
		if got := st.Record(key); got != nil {
			t.Errorf("held: got record %+v, want none", got)
		}
		st.Hold(false)
		st.Settle()
		if got := told.names(); len(got) != 2 || loaded != 1 {
			t.Errorf("released: got %v told and %d entries loaded, want 2 and 1", got, loaded)
		}
		inOrder(t, st, mb, 1)
		if got := st.Record(key); got == nil || got.Mailbox != mb {
			t.Errorf("released: got record %+v, want mailbox %d", got, mb)
		}
		st.Hold(true)
		st.Append(mb, entry(2), told.of("close"))
		if err := st.Close(); err != nil {
			t.Errorf("Close: got %v, want nil", err)
		}
		inOrder(t, st, mb, 1, 2)
	})
}

// TestFaultySettles has an inner Store that calls back later: Settle waits for that too.
func TestFaultySettles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := storetest.NewFaulty(t, memory.New(), 1)
		st := storetest.NewFaulty(t, inner, 1)
		mb := st.NewMailbox()
		var told tally
		inner.Hold(true)
		st.Append(mb, entry(1), told.of("append"))
		settled := make(chan []string, 1)
		go func() {
			st.Settle()
			settled <- told.names()
		}()
		synctest.Wait()
		select {
		case <-settled:
			t.Error("settled before the inner Store has called back")
		default:
		}
		inner.Hold(false)
		if got := <-settled; !slices.Equal(got, []string{"append"}) {
			t.Errorf("told when it has settled: got %v, want append", got)
		}
	})
}

// TestFaultyOrder looks at the order in which calls take effect, over many seeds.
func TestFaultyOrder(t *testing.T) {
	orders := make(map[string]bool)
	for seed := range uint64(50) {
		st := storetest.NewFaulty(t, memory.New(), seed)
		a, b := st.NewMailbox(), st.NewMailbox()
		var told tally
		st.Hold(true)
		for seq := uint64(1); seq <= 3; seq++ {
			st.Append(a, entry(seq), told.of("a%d", seq))
			st.Append(b, entry(seq), told.of("b%d", seq))
		}
		st.Hold(false)
		st.Settle()
		got := told.names()
		for _, mb := range []string{"a", "b"} {
			var own []string
			for _, name := range got {
				if name[:1] == mb {
					own = append(own, name)
				}
			}
			if !slices.IsSorted(own) || len(own) != 3 {
				t.Errorf("seed %d: mailbox %s: got %v, want all in order", seed, mb, own)
			}
		}
		orders[fmt.Sprint(got)] = true
	}
	if got := len(orders); got < 5 {
		t.Errorf("orders over 50 seeds: got %d, want more", got)
	}
}

func TestFaultyCancels(t *testing.T) {
	st := storetest.NewFaulty(t, memory.New(), 1)
	mb := st.NewMailbox()
	var told tally
	st.Append(mb, entry(1), told.of("1"))
	st.Settle()
	st.Hold(true)
	tx := st.Begin()
	st.Append(mb, entry(2), told.of("2"))
	st.Append(mb, entry(3), told.of("3"))
	st.Remove(mb, 2, nil)
	st.End(tx)
	st.Append(mb, entry(4), told.of("4"))
	st.Append(mb, entry(5), nil)
	st.Remove(mb, 4, nil)
	st.Remove(mb, 5, nil)
	st.Remove(mb, 1, nil) // is safe, and so removed in its turn
	if got, want := told.names(), []string{"1", "2", "4"}; !slices.Equal(got, want) {
		t.Errorf("told when the calls have returned: got %v, want %v", got, want)
	}
	inOrder(t, st, mb, 1)
	st.Hold(false)
	st.Settle()
	inOrder(t, st, mb, 3)
	if got, want := told.names(), []string{"1", "2", "4", "3"}; !slices.Equal(got, want) {
		t.Errorf("told in the end: got %v, want %v", got, want)
	}
	if got := st.Cancelled(); got != 3 {
		t.Errorf("cancelled: got %d, want 3", got)
	}
	for op, want := range map[storetest.Op]int{storetest.OpAppend: 5, storetest.OpRemove: 4, storetest.OpLoad: 0} {
		if got := st.Calls(op); got != want {
			t.Errorf("calls of %s: got %d, want %d", op, got, want)
		}
	}
}
