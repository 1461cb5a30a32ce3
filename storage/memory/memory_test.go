package memory_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/storage/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestMemoryIsGivenBack keeps a mailbox at 10 entries while many pass
// through it, and looks at what that costs.
func TestMemoryIsGivenBack(t *testing.T) {
	st := memory.New()
	mb := st.NewMailbox()
	e := broker.Entry{Message: &broker.Message{TopicName: "t"}}
	for e.Seq < 10 {
		e.Seq++
		st.Append(mb, &e, nil)
	}
	result := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			e.Seq++
			st.Append(mb, &e, nil)
			st.Remove(mb, e.Seq-10, nil)
		}
	})
	if got := result.AllocedBytesPerOp(); got > 1024 {
		t.Errorf("bytes allocated per message: got %d, want no more than 1024", got)
	}
	st.Load(mb, 0, 100, 1<<20, func(es []broker.Entry, more bool, err error) {
		if len(es) != 10 || more || err != nil {
			t.Errorf("got %d entries, more %t, error %v, want 10", len(es), more, err)
		}
	})
	for seq := e.Seq - 9; seq <= e.Seq; seq++ {
		st.Remove(mb, seq, nil)
	}
	if got := st.Mailboxes(); got != 0 {
		t.Errorf("mailboxes held after the last entry has left: got %d, want 0", got)
	}
}
