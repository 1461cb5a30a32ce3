package badger

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/topic"
)

// commitCount counts what it is told.
type commitCount struct {
	told, failed atomic.Int64
	want         int64
	done         chan struct{}
}

func newCommitCount(want int64) *commitCount {
	return &commitCount{want: want, done: make(chan struct{})}
}

// Committed implements broker.Commit.
func (c *commitCount) Committed(err error) {
	if err != nil {
		c.failed.Add(1)
	}
	if c.told.Add(1) == c.want {
		close(c.done)
	}
}

// payload is a message of so many bytes.
func payload(n int) *broker.Message {
	return &broker.Message{TopicName: "devices/0123456789/inbox", Payload: make([]byte, n), QoS: 1}
}

// BenchmarkCancelledPair is an entry that its device acknowledges before it is written: the path of most messages.
func BenchmarkCancelledPair(b *testing.B) {
	for _, goroutines := range []int{1, 2} {
		b.Run(fmt.Sprint("goroutines=", goroutines), func(b *testing.B) {
			s := openForTest(b, Options{Dir: b.TempDir(), hooks: hooks{memTable: memTableSize}})
			defer s.Close()
			c := newCommitCount(-1)
			m := payload(256)
			b.ReportAllocs()
			b.ResetTimer()
			var wg sync.WaitGroup
			for range goroutines {
				wg.Go(func() {
					mb := s.NewMailbox()
					e := broker.Entry{Message: m, QoS: 1}
					for range b.N / goroutines {
						e.Seq++
						s.Append(mb, &e, c)
						s.Remove(mb, e.Seq, nil)
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			b.ReportMetric(float64(s.Stats().Batches), "commits")
		})
	}
}

// BenchmarkAppend writes entries of 256 bytes from two goroutines, no more than 64 MiB ahead of the disk.
func BenchmarkAppend(b *testing.B) {
	s := openForTest(b, Options{Dir: b.TempDir(), MaxPending: 1 << 30, hooks: hooks{memTable: memTableSize}})
	defer s.Close()
	m := payload(256)
	room := make(chan struct{}, 20_000)
	b.ReportAllocs()
	b.ResetTimer()
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			boxes := make([]broker.Mailbox, 1000)
			for i := range boxes {
				boxes[i] = s.NewMailbox()
			}
			e := broker.Entry{Message: m, QoS: 1}
			for i := range b.N / 2 {
				room <- struct{}{}
				e.Seq = uint64(i + 1)
				s.Append(boxes[i%len(boxes)], &e, purgeRoom(room))
			}
		})
	}
	wg.Wait()
	for range cap(room) {
		room <- struct{}{} // until all are told
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "entries/s")
	st := s.Stats()
	b.ReportMetric(float64(st.Entries)/float64(max(st.Batches, 1)), "entries/commit")
	b.ReportMetric(float64(st.CommitTime.Microseconds())/float64(max(st.Batches, 1)), "µs/commit")
}

// BenchmarkCommit writes one entry at a time.
func BenchmarkCommit(b *testing.B) {
	s := openForTest(b, Options{Dir: b.TempDir(), CommitDelay: -1})
	defer s.Close()
	mb, m := s.NewMailbox(), payload(256)
	seq := uint64(0)
	for b.Loop() {
		seq++
		put(b, s, mb, seq, m)
	}
}

// fanOut owes one message of size bytes to n mailboxes and waits until it is safe. It returns the bytes that Badger's
// log got for each.
func fanOut(t testing.TB, s *Store, size, n int) float64 {
	t.Helper()
	m := payload(size)
	m.Body = new(broker.Body)
	c := newCommitCount(int64(n))
	before := s.counters.walBytes.Load()
	tx := s.Begin()
	for range n {
		s.Append(s.NewMailbox(), &broker.Entry{Seq: 1, Message: m, QoS: 1}, c)
	}
	s.End(tx)
	<-c.done
	if c.failed.Load() > 0 {
		t.Fatalf("appends that failed: got %d, want 0", c.failed.Load())
	}
	return float64(s.counters.walBytes.Load()-before) / float64(n)
}

func BenchmarkFanOut(b *testing.B) {
	const n = 100_000
	s := openForTest(b, Options{Dir: b.TempDir(), hooks: hooks{memTable: memTableSize}})
	defer s.Close()
	var perMailbox float64
	for b.Loop() {
		perMailbox = fanOut(b, s, 1024, n)
	}
	b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "mailboxes/s")
	b.ReportMetric(perMailbox, "B/mailbox")
}

// BenchmarkWake has Sessions come back that are owed one message: each reads its record and its mailbox, and
// acknowledges.
func BenchmarkWake(b *testing.B) {
	const n = 100_000
	s := openForTest(b, Options{Dir: b.TempDir(), hooks: hooks{memTable: memTableSize}})
	defer s.Close()
	m := payload(1024)
	m.Body = new(broker.Body)
	key := func(i int) broker.SessionKey {
		return broker.SessionKey{App: "default", ClientID: fmt.Sprintf("device-%08d", i)}
	}
	for b.Loop() {
		b.StopTimer()
		for i := range n {
			mb := s.NewMailbox()
			s.Append(mb, &broker.Entry{Seq: 1, Message: m, QoS: 1}, nil)
			s.SaveSession(key(i), &broker.SessionRecord{Mailbox: mb, Expiry: 3600, Next: 2, Head: 1}, nil)
		}
		flush(b, s)
		b.StartTimer()
		c := newCommitCount(n)
		room := make(chan struct{}, 1000) // Sessions that wake at the same time
		for i := range n {
			room <- struct{}{}
			s.LoadSession(key(i), func(r *broker.SessionRecord, err error) {
				if err != nil || r == nil || r.Count != 1 {
					b.Errorf("LoadSession: got %+v, %v, want one with an entry", r, err)
				}
				s.Load(r.Mailbox, 0, 32, 1<<20, func(es []broker.Entry, _ bool, err error) {
					if err != nil || len(es) != 1 {
						b.Errorf("Load: got %d entries, %v, want 1", len(es), err)
					}
					s.Remove(r.Mailbox, 1, es[0].Message.Body)
					<-room
					c.Committed(err)
				})
			})
		}
		<-c.done
	}
	b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "sessions/s")
}

// BenchmarkLoadSession reads the record of a Session of which 100,000 entries were removed that Badger has not forgotten yet.
func BenchmarkLoadSession(b *testing.B) {
	s := openForTest(b, Options{Dir: b.TempDir(), hooks: hooks{memTable: memTableSize}})
	defer s.Close()
	mb, m, key := s.NewMailbox(), payload(1), broker.SessionKey{App: "default", ClientID: "c"}
	for seq := uint64(1); seq <= 100_000; seq++ {
		s.Append(mb, &broker.Entry{Seq: seq, Message: m, QoS: 1}, nil)
	}
	flush(b, s)
	for seq := uint64(1); seq <= 100_000; seq++ {
		s.Remove(mb, seq, nil)
	}
	s.SaveSession(key, &broker.SessionRecord{Mailbox: mb, Expiry: 3600, Next: 100_001, Head: 100_001}, nil)
	done := make(chan error, 1)
	for b.Loop() {
		s.LoadSession(key, func(_ *broker.SessionRecord, err error) { done <- err })
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpenSessions(b *testing.B) {
	const n = 1_000_000
	dir := b.TempDir()
	s := openForTest(b, Options{Dir: dir, MaxPending: 1 << 30, hooks: hooks{memTable: memTableSize}})
	c := newCommitCount(n)
	for i := range n {
		id := fmt.Sprintf("device-%08d", i)
		s.SaveSession(broker.SessionKey{App: "default", ClientID: id}, &broker.SessionRecord{
			Mailbox: s.NewMailbox(), Expiry: 3600, Next: 1, Head: 1,
			Subscriptions: []broker.Subscribe{{TopicFilter: "devices/" + id + "/inbox", Options: topic.NewOptions(1, false, false, 0)}},
		}, c)
	}
	<-c.done
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	for b.Loop() {
		began := time.Now()
		s := openForTest(b, Options{Dir: dir, hooks: hooks{memTable: memTableSize, noScan: true}})
		opened := time.Now()
		got := 0
		if err := s.Sessions(func(broker.SessionKey, *broker.SessionRecord) { got++ }); err != nil || got != n {
			b.Fatalf("Sessions: got %d and %v, want %d", got, err, n)
		}
		b.ReportMetric(opened.Sub(began).Seconds()*1000, "open-ms")
		b.ReportMetric(time.Since(opened).Seconds()*1000, "sessions-ms")
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
	runtime.KeepAlive(s)
}
