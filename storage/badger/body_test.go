package badger

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/storage/storetest"
)

// TestBodyLives has a message owed to several mailboxes, in several ways: its body is stored as long as one of them needs it.
func TestBodyLives(t *testing.T) {
	f := newFaults()
	dir := t.TempDir()
	open := func() *Store { return openQuietly(t, Options{Dir: dir, hooks: hooks{fault: f.hook}}) }
	s := open()
	a, b, c := s.NewMailbox(), s.NewMailbox(), s.NewMailbox()
	m := shared("body")
	check := func(what string, bodies int, boxes ...broker.Mailbox) {
		t.Helper()
		if got := keys(t, s)[kindBody]; got != bodies {
			t.Errorf("%s: got %d bodies, want %d", what, got, bodies)
		}
		for _, mb := range boxes {
			es := loadAll(t, s, mb)
			if len(es) == 0 || string(es[0].Message.Payload) != "body" {
				t.Errorf("%s: mailbox %d: got %v, want the message", what, mb, es)
			}
		}
	}
	put(t, s, a, 1, m)
	put(t, s, b, 1, m)
	check("two references", 1, a, b)
	s.Remove(a, 1, m.Body)
	check("one removed", 1, b)
	s.Remove(b, 1, m.Body)
	check("both removed", 0)
	put(t, s, c, 1, m)
	check("owed again", 1, c)

	f.set("commit", syscall.EIO)
	failed := newResult()
	m2 := shared("body")
	s.Append(a, &broker.Entry{Seq: 2, Message: m2}, failed)
	if err := <-failed; err == nil {
		t.Error("commit: got nil, want an error")
	}
	f.set("commit", nil)
	put(t, s, b, 2, m2)
	check("after the first write failed", 2, b, c)

	held, resume := f.stall("commit")
	put2 := newResult()
	s.SetRetained("a", "t", text("m"), put2)
	<-held
	m3 := shared("body")
	one, two := newResult(), newResult()
	s.Append(a, &broker.Entry{Seq: 3, Message: m3}, one)
	s.Append(b, &broker.Entry{Seq: 3, Message: m3}, two)
	s.Remove(a, 3, m3.Body)
	one.must(t)
	resume()
	two.must(t)
	s.Remove(b, 2, m2.Body)
	check("after the first write was cancelled", 3, b, c) // m2: who knows whether the write that failed is on disk
	closeStore(t, s)

	s = open()
	defer func() { closeStore(t, s) }()
	check("after a restart", 2, b, c)
	loaded := loadAll(t, s, b)[0].Message
	if again := loadAll(t, s, b)[0].Message; again != loaded {
		t.Error("loaded twice: got two messages, want one")
	}
	put(t, s, a, 4, loaded)
	s.Remove(b, 3, loaded.Body)
	check("handed on after the restart", 2, a, c)
	s.Remove(a, 4, loaded.Body)
	check("and removed", 1, c)
}

// TestRemoveOfNothing removes entries that were never stored, or are gone: what others need of their bodies stays.
func TestRemoveOfNothing(t *testing.T) {
	s := openForTest(t, Options{Dir: t.TempDir()})
	defer closeStore(t, s)
	a, b, m := s.NewMailbox(), s.NewMailbox(), shared("m")
	put(t, s, a, 1, m)
	put(t, s, b, 1, m)
	s.q.setFull(errDiskFull)
	refused := newResult()
	s.Append(a, &broker.Entry{Seq: 2, Message: m}, refused)
	if err := <-refused; !errors.Is(err, broker.ErrStoreFull) {
		t.Errorf("Append: got %v, want %v", err, broker.ErrStoreFull)
	}
	s.q.setFull(nil)
	for _, seq := range []uint64{2, 1, 1, 7} {
		s.Remove(a, seq, m.Body)
		flush(t, s)
	}
	s.cache = newCache(cacheBytes) // from the disk
	if got := seqs(t, s, b); len(got) != 1 {
		t.Errorf("the other's entry: got %v, want [1]", got)
	}
	s.Remove(b, 1, m.Body)
	if got := keys(t, s)[kindBody]; got != 0 {
		t.Errorf("bodies at the end: got %d, want 0", got)
	}
}

// TestBodyCounts does random operations on shared messages, with restarts and scans that come late: what is owed can be
// loaded, and bodies that are not owed leave.
func TestBodyCounts(t *testing.T) {
	r := storetest.Rand(t)
	dir := t.TempDir()
	var boxes []broker.Mailbox
	owed := make(map[entryID]string) // payloads
	seq := uint64(0)
	for round := range 8 {
		s := openForTest(t, Options{Dir: dir, hooks: hooks{noScan: true}})
		if boxes == nil {
			boxes = []broker.Mailbox{s.NewMailbox(), s.NewMailbox(), s.NewMailbox()}
		}
		var messages []*broker.Message
		for i := range 5 {
			messages = append(messages, shared(strconv.Itoa(round*10+i)))
		}
		loaded := make(map[entryID]*broker.Message)
		load := func() {
			for _, mb := range boxes {
				for _, e := range loadAll(t, s, mb) {
					id := entryID{mb, e.Seq}
					if want, ok := owed[id]; !ok || string(e.Message.Payload) != want {
						t.Fatalf("round %d: entry %v: got %q, want %q (owed: %t)", round, id, e.Message.Payload, want, ok)
					}
					loaded[id] = e.Message
				}
			}
			if len(loaded) != len(owed) {
				t.Fatalf("round %d: got %d entries, want %d", round, len(loaded), len(owed))
			}
		}
		load()
		for step := range 300 {
			if step == 150 && round%2 == 0 {
				s.scan()
			}
			if r.IntN(20) == 0 {
				flush(t, s)
			}
			if len(owed) == 0 || r.IntN(100) < 50 {
				m := messages[r.IntN(len(messages))]
				for _, old := range loaded { // sometimes one that is owed already is handed on
					if r.IntN(3) == 0 {
						m = old
					}
					break
				}
				seq++
				id := entryID{boxes[r.IntN(len(boxes))], seq}
				s.Append(id.mb, &broker.Entry{Seq: seq, Message: m}, nil)
				owed[id], loaded[id] = string(m.Payload), m
				continue
			}
			for id := range owed {
				s.Remove(id.mb, id.seq, loaded[id].Body)
				delete(owed, id)
				delete(loaded, id)
				break
			}
		}
		clear(loaded)
		load()
		if round%2 == 1 {
			s.scan()
		}
		distinct := make(map[string]bool)
		for _, p := range owed {
			distinct[p] = true
		}
		s.q.poke()
		if got := keys(t, s); got[kindBody] < len(distinct) || got[kindMailbox] != len(owed) {
			t.Errorf("round %d: got %d bodies, %d entries, want at least %d, %d", round, got[kindBody], got[kindMailbox], len(distinct), len(owed))
		}
		if round%2 == 0 || round == 7 {
			flush(t, s)
			if got := keys(t, s)[kindBody]; got != len(distinct) {
				t.Errorf("round %d: when all is counted: got %d bodies, want %d", round, got, len(distinct))
			}
		}
		closeStore(t, s)
	}
}

// TestBodyOutlivesEntries hands a message on from Session to Session for longer than bodies are kept.
func TestBodyOutlivesEntries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openForTest(t, Options{Dir: t.TempDir(), MailboxAge: 30 * time.Minute})
		defer closeStore(t, s)
		from, m := s.NewMailbox(), shared("m")
		put(t, s, from, 1, m)
		for i := range 10 {
			<-time.After(25 * time.Minute)
			to := s.NewMailbox()
			es := loadAll(t, s, from)
			if len(es) != 1 {
				t.Fatalf("handed on %d times: got %d entries, want 1", i, len(es))
			}
			s.cache = newCache(cacheBytes) // from the disk
			m := es[0].Message
			put(t, s, to, 1, m)
			s.Remove(from, 1, m.Body)
			from = to
		}
		<-time.After(31 * time.Minute)
		if es := loadAll(t, s, from); len(es) != 0 {
			t.Errorf("entries that are too old: got %d, want 0", len(es))
		}
		<-time.After(4 * time.Hour)
		if got := s.Stats().Bodies; got != 0 {
			t.Errorf("bodies known when all have left: got %d, want 0", got)
		}
	})
}

func TestCache(t *testing.T) {
	c := newCache(10 * 1100)
	message := func(id uint64) *broker.Message {
		m := shared(strings.Repeat("p", 1000))
		m.Body.ID.Store(id)
		return m
	}
	var kept []uint64
	for id := uint64(1); id <= 20; id++ {
		m := message(id)
		if got := c.put(m); got != m {
			t.Errorf("put of %d: got another message", id)
		}
		if got := c.put(message(id)); got != m {
			t.Errorf("second put of %d: got another message than the first", id)
		}
		c.get(1) // keep it
	}
	for id := uint64(1); id <= 20; id++ {
		if c.get(id) != nil {
			kept = append(kept, id)
		}
	}
	if want := []uint64{1, 12, 13, 14, 15, 16, 17, 18, 19, 20}; !slices.Equal(kept, want) {
		t.Errorf("kept: got %v, want %v", kept, want)
	}
	large := shared(strings.Repeat("p", 5000))
	large.Body.ID.Store(99)
	if c.put(large) != large || c.get(99) != nil {
		t.Error("message as large as half the cache: got it kept, want it not")
	}
}
