package memory_test

import (
	"slices"
	"testing"

	"go.uber.org/goleak"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/storage/memory"
	"github.com/holdfast-mqtt/holdfast/storage/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStore(t *testing.T) {
	storetest.Run(t, func(*testing.T) broker.Store { return memory.New() })
}

func TestSessions(t *testing.T) {
	st := memory.New()
	a, b := broker.SessionKey{App: "x", ClientID: "a"}, broker.SessionKey{App: "y", ClientID: "b"}
	st.SaveSession(a, &broker.SessionRecord{Expiry: 1})
	st.Append(b, broker.Entry{Seq: 1, Message: &broker.Message{TopicName: "t"}}, nil)
	byApp := func(x, y broker.SessionKey) int { return int(x.App[0]) - int(y.App[0]) }
	if got := slices.SortedFunc(slices.Values(st.Sessions()), byApp); !slices.Equal(got, []broker.SessionKey{a, b}) {
		t.Errorf("Sessions: got %v, want %v and %v", got, a, b)
	}
	st.DeleteSession(a)
	if got := st.Sessions(); !slices.Equal(got, []broker.SessionKey{b}) {
		t.Errorf("Sessions after a delete: got %v, want %v", got, b)
	}
}

// TestMemoryIsGivenBack keeps a mailbox at 10 entries while 100,000 pass
// through it, and looks at what that costs.
func TestMemoryIsGivenBack(t *testing.T) {
	st := memory.New()
	key := broker.SessionKey{App: "a", ClientID: "c"}
	e := broker.Entry{Message: &broker.Message{TopicName: "t"}}
	for seq := uint64(1); seq <= 10; seq++ {
		e.Seq = seq
		st.Append(key, e, nil)
	}
	seq := uint64(10)
	result := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			seq++
			e.Seq = seq
			st.Append(key, e, nil)
			st.Remove(key, seq-10)
		}
	})
	if got := result.AllocedBytesPerOp(); got > 1024 {
		t.Errorf("bytes allocated per message: got %d, want no more than 1024", got)
	}
	st.Load(key, 0, 100, func(es []broker.Entry, more bool, err error) {
		if len(es) != 10 || more || err != nil {
			t.Errorf("got %d entries, more %t, error %v, want 10", len(es), more, err)
		}
	})
}
