package badger

import (
	"cmp"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/internal/randtest"
)

// bodyTest is a Store with three mailboxes that owe the payload "body".
type bodyTest struct {
	*testing.T
	*Store
	faults  *faults
	a, b, c broker.Mailbox
}

func newBodyTest(t *testing.T, dir string) *bodyTest {
	f := newFaults()
	s := openQuietly(t, Options{Dir: dir, hooks: hooks{fault: f.hook}})
	return &bodyTest{T: t, Store: s, faults: f, a: 1, b: 2, c: 3}
}

// check fails unless there are so many bodies, and the first message of each mailbox can be loaded.
func (t *bodyTest) check(what string, bodies int, boxes ...broker.Mailbox) {
	t.Helper()
	if got := keys(t, t.Store)[kindBody]; got != bodies {
		t.Errorf("%s: got %d bodies, want %d", what, got, bodies)
	}
	for _, mb := range boxes {
		es := loadAll(t, t.Store, mb)
		if len(es) == 0 || string(es[0].Message.Payload) != "body" {
			t.Errorf("%s: mailbox %d: got %v, want the message", what, mb, es)
		}
	}
}

func (t *bodyTest) put(mb broker.Mailbox, seq uint64, m *broker.Message) {
	t.Helper()
	put(t, t.Store, mb, seq, m)
}

// TestBodyLives has a message owed to several mailboxes: its body is stored as long as one of them needs it.
func TestBodyLives(tt *testing.T) {
	t := newBodyTest(tt, tt.TempDir())
	defer closeStore(t, t.Store)
	m := shared("body")
	t.put(t.a, 1, m)
	t.put(t.b, 1, m)
	t.check("two references", 1, t.a, t.b)
	t.Remove(t.a, 1, m.Body)
	t.check("one removed", 1, t.b)
	t.Remove(t.b, 1, m.Body)
	t.check("both removed", 0)
	t.put(t.c, 1, m)
	t.check("owed again", 1, t.c)
}

// TestBodyOfOthers has the first write of a body fail, and be cancelled, when others need it too.
func TestBodyOfOthers(tt *testing.T) {
	t := newBodyTest(tt, tt.TempDir())
	defer closeStore(t, t.Store)
	t.faults.set("commit", syscall.EIO)
	failed, m := newResult(), shared("body")
	t.Append(t.a, &broker.Entry{Seq: 2, Message: m}, failed)
	if err := <-failed; err == nil {
		t.Error("commit: got nil, want an error")
	}
	t.faults.set("commit", nil)
	t.put(t.b, 2, m)
	t.check("after the first write failed", 1, t.b)

	held, resume := t.faults.stall("commit")
	t.SetRetained("a", "t", text("m"), nil)
	<-held
	other := shared("body")
	one, two := newResult(), newResult()
	t.Append(t.a, &broker.Entry{Seq: 3, Message: other}, one)
	t.Append(t.c, &broker.Entry{Seq: 3, Message: other}, two)
	t.Remove(t.a, 3, other.Body)
	one.must(t)
	resume()
	two.must(t)
	t.check("after the first write was cancelled", 2, t.b, t.c)
	t.Remove(t.b, 2, m.Body)
	t.Remove(t.c, 3, other.Body)
	t.check("removed", 1) // m: who knows whether the write that failed is on disk
}

// TestBodyAfterRestart owes an old body to others.
func TestBodyAfterRestart(tt *testing.T) {
	dir := tt.TempDir()
	t := newBodyTest(tt, dir)
	t.put(t.a, 1, shared("body"))
	t.put(t.b, 1, shared("body"))
	closeStore(t, t.Store)
	t = newBodyTest(tt, dir)
	defer closeStore(t, t.Store)
	t.check("after a restart", 2, t.a, t.b)
	loaded := loadAll(t, t.Store, t.b)[0].Message
	if again := loadAll(t, t.Store, t.b)[0].Message; again != loaded {
		t.Error("loaded twice: got two messages, want one")
	}
	t.put(t.c, 4, loaded)
	t.Remove(t.b, 1, loaded.Body)
	t.check("handed on", 2, t.a, t.c)
	t.Remove(t.c, 4, loaded.Body)
	t.check("and removed", 1, t.a)
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

// bodyModel is what is owed, by payload.
type bodyModel struct {
	t      *testing.T
	r      *rand.Rand
	s      *Store
	boxes  []broker.Mailbox
	owed   map[entryID]string
	loaded map[entryID]*broker.Message // of this process
	fresh  []*broker.Message
	seq    uint64
}

// load compares what is stored with what is owed.
func (m *bodyModel) load() {
	m.t.Helper()
	clear(m.loaded)
	for _, mb := range m.boxes {
		for _, e := range loadAll(m.t, m.s, mb) {
			id := entryID{mb, e.Seq}
			if want, ok := m.owed[id]; !ok || string(e.Message.Payload) != want {
				m.t.Fatalf("entry %v: got %q, want %q (owed: %t)", id, e.Message.Payload, want, ok)
			}
			m.loaded[id] = e.Message
		}
	}
	if len(m.loaded) != len(m.owed) {
		m.t.Fatalf("entries: got %d, want %d", len(m.loaded), len(m.owed))
	}
}

// step owes a message, new or one that is owed already, to a mailbox, or removes an entry.
func (m *bodyModel) step() {
	ids := slices.SortedFunc(maps.Keys(m.owed), func(a, b entryID) int { return cmp.Compare(a.seq, b.seq) })
	if len(ids) > 0 && m.r.IntN(2) == 0 {
		id := ids[m.r.IntN(len(ids))]
		m.s.Remove(id.mb, id.seq, m.loaded[id].Body)
		delete(m.owed, id)
		delete(m.loaded, id)
		return
	}
	msg := m.fresh[m.r.IntN(len(m.fresh))]
	if len(ids) > 0 && m.r.IntN(3) == 0 {
		msg = m.loaded[ids[m.r.IntN(len(ids))]]
	}
	m.seq++
	id := entryID{m.boxes[m.r.IntN(len(m.boxes))], m.seq}
	m.s.Append(id.mb, &broker.Entry{Seq: m.seq, Message: msg}, nil)
	m.owed[id], m.loaded[id] = string(msg.Payload), msg
}

// bodies is how many are owed.
func (m *bodyModel) bodies() int {
	distinct := make(map[string]bool)
	for _, p := range m.owed {
		distinct[p] = true
	}
	return len(distinct)
}

// TestBodyCounts does random operations on shared messages, with restarts and scans that come late: what is owed can be
// loaded, and bodies that are not owed leave.
func TestBodyCounts(t *testing.T) {
	dir := t.TempDir()
	m := &bodyModel{
		t: t, r: randtest.New(t), boxes: []broker.Mailbox{1, 2, 3},
		owed: make(map[entryID]string), loaded: make(map[entryID]*broker.Message),
	}
	for round := range 8 {
		m.s = openForTest(t, Options{Dir: dir, hooks: hooks{noScan: true}})
		m.fresh = nil
		for i := range 5 {
			m.fresh = append(m.fresh, shared(strconv.Itoa(round*10+i)))
		}
		m.load()
		scan := m.r.IntN(300)
		for step := range 300 {
			if step == scan {
				m.s.scan()
			}
			if m.r.IntN(20) == 0 {
				flush(t, m.s)
			}
			m.step()
		}
		m.load()
		flush(t, m.s) // and deletes the bodies that were found to be unneeded
		if got := keys(t, m.s); got[kindBody] != m.bodies() || got[kindMailbox] != len(m.owed) {
			t.Errorf("round %d: got %d bodies, %d entries, want %d, %d", round, got[kindBody], got[kindMailbox], m.bodies(), len(m.owed))
		}
		closeStore(t, m.s)
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
