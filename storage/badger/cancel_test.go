package badger

import (
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// never is a CommitDelay that no test waits for.
const never = time.Hour

// commitFunc is a Commit.
type commitFunc func(error)

// Committed implements broker.Commit.
func (f commitFunc) Committed(err error) { f(err) }

// TestCancel removes entries before they are written: their Commits are told during the call that all is well, and nothing is
// written.
func TestCancel(t *testing.T) {
	s := openForTest(t, Options{Dir: t.TempDir(), CommitDelay: never})
	defer closeStore(t, s)
	mb := s.NewMailbox()
	m := shared("m")
	told := 0
	for seq := uint64(1); seq <= 100; seq++ {
		e := &broker.Entry{Seq: seq, Message: text("m")}
		if seq%2 == 0 {
			e.Message = m
		}
		s.Append(mb, e, commitFunc(func(err error) {
			if told++; err != nil {
				t.Errorf("commit of %d: got %v, want nil", seq, err)
			}
		}))
		if told != int(seq-1) {
			t.Errorf("commits told before Remove(%d): got %d, want %d", seq, told, seq-1)
		}
		s.Remove(mb, seq, e.Message.Body)
	}
	if told != 100 {
		t.Errorf("commits told: got %d, want 100", told)
	}
	st := s.Stats()
	if st.Batches != 0 || st.Entries != 0 || st.Cancelled != 100 || st.PendingOps != 0 || st.PendingBytes != 0 || st.Bodies != 0 {
		t.Errorf("Stats: got %+v, want 100 cancelled and nothing else", st)
	}
	s.Append(mb, &broker.Entry{Seq: 101, Message: text("m")}, nil)
	s.Remove(mb, 101, nil)
	if got := seqs(t, s, mb); len(got) != 0 {
		t.Errorf("Load: got %v, want none", got)
	}
}

// TestCancelInBracket cancels one entry of a bracket; the others are safe together.
func TestCancelInBracket(t *testing.T) {
	s := openForTest(t, Options{Dir: t.TempDir(), CommitDelay: -1})
	defer closeStore(t, s)
	a, b := s.NewMailbox(), s.NewMailbox()
	tx := s.Begin()
	kept, cancelled := newResult(), newResult()
	s.Append(a, &broker.Entry{Seq: 1, Message: text("m")}, kept)
	s.Append(b, &broker.Entry{Seq: 1, Message: text("m")}, cancelled)
	s.Remove(b, 1, nil)
	cancelled.must(t)
	if len(kept) > 0 {
		t.Error("an entry is safe before its bracket ends")
	}
	s.End(tx)
	kept.must(t)
	if got := len(seqs(t, s, a)) + len(seqs(t, s, b)); got != 1 {
		t.Errorf("entries: got %d, want 1", got)
	}
}

// TestManyAreNotKeptWaiting has so many writes that they go at once, whatever the delay.
func TestManyAreNotKeptWaiting(t *testing.T) {
	s := openForTest(t, Options{Dir: t.TempDir(), CommitDelay: never, MaxBatch: 400})
	defer closeStore(t, s)
	mb := s.NewMailbox()
	c := newCommitCount(100)
	for seq := uint64(1); seq <= 100; seq++ {
		s.Append(mb, &broker.Entry{Seq: seq, Message: text("m")}, c)
	}
	<-c.done
}

// TestReadIsNotKeptWaiting has a read write at once what is before it.
func TestReadIsNotKeptWaiting(t *testing.T) {
	s := openForTest(t, Options{Dir: t.TempDir(), CommitDelay: never})
	defer closeStore(t, s)
	mb := s.NewMailbox()
	s.Append(mb, &broker.Entry{Seq: 1, Message: text("m")}, nil)
	if got := seqs(t, s, mb); len(got) != 1 {
		t.Errorf("Load: got %v, want [1]", got)
	}
}

// TestReadSeesNothingLater queues a read and, behind it, a write to the same mailbox while the disk hangs.
func TestReadSeesNothingLater(t *testing.T) {
	f := newFaults()
	s := openForTest(t, Options{Dir: t.TempDir(), hooks: hooks{fault: f.hook}})
	defer closeStore(t, s)
	mb := s.NewMailbox()
	held, resume := f.stall("commit")
	s.Append(mb, &broker.Entry{Seq: 1, Message: text("m")}, nil)
	<-held
	got := make(chan int, 2)
	load := func() {
		s.Load(mb, 0, 10, 1000, func(es []broker.Entry, _ bool, err error) { got <- len(es) })
	}
	load()
	s.Append(mb, &broker.Entry{Seq: 2, Message: text("m")}, nil)
	load()
	s.Remove(mb, 1, nil)
	resume()
	if a, b := <-got, <-got; min(a, b) != 1 || max(a, b) != 2 { // told in any order
		t.Errorf("entries read: got %d and %d, want 1 and 2", a, b)
	}
}

// TestWritesCollapse writes one key many times in a batch.
func TestWritesCollapse(t *testing.T) {
	f := newFaults()
	s := openForTest(t, Options{Dir: t.TempDir(), hooks: hooks{fault: f.hook}})
	defer closeStore(t, s)
	held, resume := f.stall("commit")
	s.SetRetained("a", "t", text("m"), nil)
	<-held
	mb := s.NewMailbox()
	for place := uint64(1); place <= 1000; place++ {
		s.SetCursor(mb, place)
	}
	before := s.counters.batches.Load()
	resume()
	flush(t, s)
	if got := s.counters.batches.Load() - before; got != 2 {
		t.Errorf("batches: got %d, want 2", got)
	}
	if got := keys(t, s)[kindMailbox]; got != 1 {
		t.Errorf("keys: got %d, want 1", got)
	}
}

// TestMoreThanATransaction has brackets that are more than Badger's transaction can hold: as operations, and only when they
// are written.
func TestMoreThanATransaction(t *testing.T) {
	s := openForTest(t, Options{Dir: t.TempDir(), LogMessages: 10, hooks: hooks{memTable: 8 << 20}})
	defer closeStore(t, s)
	mb := s.NewMailbox()
	const n = 20_000
	entries := newCommitCount(n)
	tx := s.Begin()
	for seq := uint64(1); seq <= n; seq++ {
		s.Append(mb, &broker.Entry{Seq: seq, Message: text("m")}, entries)
	}
	s.End(tx)
	<-entries.done
	if got := len(seqs(t, s, mb)); got != n || entries.failed.Load() != 0 {
		t.Errorf("entries: got %d, %d failed, want %d", got, entries.failed.Load(), n)
	}
	before := s.Stats().Batches
	logged := newCommitCount(6000)
	tx = s.Begin()
	var last []uint64
	for range 6000 {
		last = append(last, s.AppendLog("a", shared("m"), logged))
	}
	s.End(tx)
	<-logged.done
	if got := loadLog(t, s, "a", 0); !slices.Equal(got, last[len(last)-10:]) || logged.failed.Load() != 0 {
		t.Errorf("log: got %v, %d failed, want %v", got, logged.failed.Load(), last[len(last)-10:])
	}
	if got := s.Stats().Batches - before; got < 2 {
		t.Errorf("transactions for the log: got %d, want several", got)
	}
	if got := keys(t, s); got[kindBody] != 10 || got[kindLog] != 10 {
		t.Errorf("keys: got %v, want 10 messages of the log", got)
	}
}

// TestCancelledPairAllocates nothing: it is the path of most messages.
func TestCancelledPairAllocates(t *testing.T) {
	s := openForTest(t, Options{Dir: t.TempDir(), CommitDelay: never})
	defer closeStore(t, s)
	mb := s.NewMailbox()
	var told atomic.Int64
	c := commitFunc(func(error) { told.Add(1) })
	e := broker.Entry{Message: text("m"), QoS: 1}
	if got := testing.AllocsPerRun(1000, func() {
		e.Seq++
		s.Append(mb, &e, c)
		s.Remove(mb, e.Seq, nil)
	}); got != 0 {
		t.Errorf("allocations for an entry that is cancelled: got %v, want 0", got)
	}
}

// TestFanOutBytes owes one message to many mailboxes, and counts what Badger writes to its log for each.
func TestFanOutBytes(t *testing.T) {
	s := openForTest(t, Options{Dir: t.TempDir(), hooks: hooks{memTable: memTableSize}})
	defer closeStore(t, s)
	n := 100_000
	if testing.Short() {
		n = 10_000
	}
	s.number.Store(1 << 34) // numbers as they are after years
	if got := fanOut(t, s, 1024, n); got > 50 {
		t.Errorf("bytes of log per mailbox: got %.1f, want at most 50", got)
	}
	if got, want := keys(t, s), n; got[kindMailbox] != want || got[kindBody] != 1 {
		t.Errorf("keys: got %v, want %d entries and one body", got, want)
	}
}

// TestWALBytes compares what is counted with what Badger's log has in it.
func TestWALBytes(t *testing.T) {
	dir := t.TempDir()
	s := openForTest(t, Options{Dir: dir})
	start := used(t, newest(t, dir, ".mem"))
	before := s.counters.walBytes.Load()
	fanOut(t, s, 1024, 1000)
	counted := int(s.counters.walBytes.Load() - before)
	got := used(t, newest(t, dir, ".mem")) - start
	// The log has the lease, the time and the end of each transaction too.
	if got < counted || got > counted+200 {
		t.Errorf("bytes of log: got %d, counted %d", got, counted)
	}
	closeStore(t, s)
}

// TestDelay looks at how long writes wait: at least half of the delay, and no more than all of it.
func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const delay = 100 * time.Millisecond
		s := openForTest(t, Options{Dir: t.TempDir(), CommitDelay: delay})
		defer closeStore(t, s)
		mb := s.NewMailbox()
		for seq := uint64(1); seq <= 20; seq++ {
			<-time.After(time.Duration(seq) * 13 * time.Millisecond)
			began := time.Now()
			s.Append(mb, &broker.Entry{Seq: seq, Message: text("m")}, commitFunc(func(err error) {
				if waited := time.Since(began); err != nil || waited < delay/2 || waited > delay {
					t.Errorf("entry %d: got %v after %v, want nil after %v to %v", seq, err, waited, delay/2, delay)
				}
			}))
		}
		<-time.After(delay)
		if got := s.counters.batches.Load(); got == 0 || got > 20 {
			t.Errorf("batches: got %d, want 1 to 20", got)
		}
	})
}

// TestLateCancels acknowledges each message a little after it was appended, as devices do, while there always are others:
// none is written.
func TestLateCancels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const delay = 100 * time.Millisecond
		s := openForTest(t, Options{Dir: t.TempDir(), CommitDelay: delay})
		defer closeStore(t, s)
		mb := s.NewMailbox()
		for seq := uint64(1); seq <= 1000; seq++ {
			s.Append(mb, &broker.Entry{Seq: seq, Message: text("m")}, nil)
			<-time.After(time.Millisecond)
			if seq > 45 {
				s.Remove(mb, seq-45, nil)
			}
		}
		if st := s.Stats(); st.Entries != 0 || st.Cancelled != 1000-45 {
			t.Errorf("got %d entries written, %d cancelled, want 0, %d", st.Entries, st.Cancelled, 1000-45)
		}
	})
}
