package badger

import (
	"strings"
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// TestValueLog fills the value log with messages that are removed, and has it collected. What is left stays.
func TestValueLog(t *testing.T) {
	o := Options{Dir: t.TempDir(), hooks: hooks{valueThreshold: 1 << 10, vlogFile: 1 << 20, memTable: 1 << 20}}
	s := openForTest(t, o)
	mb, m := s.NewMailbox(), text(strings.Repeat("p", 10_000))
	const n, rounds = 200, 8
	fill := func(first uint64) {
		for seq := first; seq < first+n; seq++ {
			s.Append(mb, &broker.Entry{Seq: seq, Message: m, QoS: 1}, nil)
		}
		flush(t, s)
		for seq := first; seq < first+n; seq++ {
			if seq%100 != 0 {
				s.Remove(mb, seq, nil)
			}
		}
		flush(t, s)
	}
	for i := range uint64(rounds) {
		fill(1 + i*n)
		closeStore(t, s) // which writes all to the tree
		s = openForTest(t, o)
	}
	if err := s.db.Flatten(1); err != nil {
		t.Fatal(err)
	}
	s.collect()
	if got := s.Stats().GCRuns; got == 0 {
		t.Error("files collected: got 0, want some")
	}
	for range 2 {
		es := loadAll(t, s, mb)
		if want := rounds * n / 100; len(es) != want {
			t.Errorf("entries: got %d, want %d", len(es), want)
		}
		for _, e := range es {
			if string(e.Message.Payload) != string(m.Payload) {
				t.Errorf("entry %d: got %d other bytes", e.Seq, len(e.Message.Payload))
			}
		}
		closeStore(t, s)
		s = openForTest(t, o)
	}
	closeStore(t, s)
}
