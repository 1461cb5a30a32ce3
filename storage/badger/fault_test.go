package badger

import (
	"errors"
	"io/fs"
	"sync"
	"syscall"
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// faults makes operations fail, or wait.
type faults struct {
	mu   sync.Mutex
	fail map[string]error
	hold map[string]chan struct{} // closed to go on
	held map[string]chan struct{} // told when one waits
}

func newFaults() *faults {
	return &faults{fail: make(map[string]error), hold: make(map[string]chan struct{}), held: make(map[string]chan struct{})}
}

func (f *faults) hook(what string) error {
	f.mu.Lock()
	err, hold, held := f.fail[what], f.hold[what], f.held[what]
	f.mu.Unlock()
	if hold != nil {
		select {
		case held <- struct{}{}:
		default:
		}
		<-hold
	}
	return err
}

func (f *faults) set(what string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail[what] = err
}

// stall has operations of a kind wait until resume is called. held is told when one does.
func (f *faults) stall(what string) (held <-chan struct{}, resume func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	hold, told := make(chan struct{}), make(chan struct{}, 1)
	f.hold[what], f.held[what] = hold, told
	return told, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.hold, what)
		close(hold)
	}
}

// calls are all kinds of writes that say how they end.
var calls = map[string]func(s *Store, mb broker.Mailbox, c broker.Commit){
	"SaveSession": func(s *Store, mb broker.Mailbox, c broker.Commit) {
		s.SaveSession(broker.SessionKey{App: "a", ClientID: "c"}, &broker.SessionRecord{Mailbox: mb}, c)
	},
	"DeleteSession": func(s *Store, mb broker.Mailbox, c broker.Commit) {
		s.DeleteSession(broker.SessionKey{App: "a", ClientID: "d"}, 0, c)
	},
	"Append": func(s *Store, mb broker.Mailbox, c broker.Commit) {
		s.Append(mb, &broker.Entry{Seq: 10, Message: text("m")}, c)
	},
	"Append of a shared message": func(s *Store, mb broker.Mailbox, c broker.Commit) {
		s.Append(mb, &broker.Entry{Seq: 11, Message: shared("m")}, c)
	},
	"Released":   func(s *Store, mb broker.Mailbox, c broker.Commit) { s.Released(mb, 1, c) },
	"AddReceipt": func(s *Store, mb broker.Mailbox, c broker.Commit) { s.AddReceipt(mb, 1, c) },
	"AddPartialReceipt": func(s *Store, mb broker.Mailbox, c broker.Commit) {
		s.AddPartialReceipt(mb, 2, 0, broker.PartialReceipt{Given: []broker.Mailbox{1}}, c)
	},
	"another part of it": func(s *Store, mb broker.Mailbox, c broker.Commit) {
		s.AddPartialReceipt(mb, 2, 1, broker.PartialReceipt{Given: []broker.Mailbox{2}}, c)
	},
	"RemoveReceipt": func(s *Store, mb broker.Mailbox, c broker.Commit) { s.RemoveReceipt(mb, 1, c) },
	"AppendLog":     func(s *Store, _ broker.Mailbox, c broker.Commit) { s.AppendLog("a", shared("m"), c) },
	"SetRetained":   func(s *Store, _ broker.Mailbox, c broker.Commit) { s.SetRetained("a", "t", text("m"), c) },
	"SetRetained of none": func(s *Store, _ broker.Mailbox, c broker.Commit) {
		s.SetRetained("a", "t", nil, c)
	},
}

// adds tells whether a call is refused when there is no room.
func adds(name string) bool {
	switch name {
	case "DeleteSession", "Released", "another part of it", "RemoveReceipt", "SetRetained of none":
		return false
	}
	return true
}

// deferred is a Commit that is told errors only when the call has returned, as contracts go: the caller holds mu, which
// the Committed of a Session needs.
type deferred struct {
	mu sync.Mutex
	result
}

// Committed implements broker.Commit.
func (d *deferred) Committed(err error) {
	d.mu.Lock() // hangs for ever if this is within the call
	defer d.mu.Unlock()
	d.result <- err
}

func TestCommitFails(t *testing.T) {
	for name, call := range calls {
		for _, want := range []error{syscall.EIO, syscall.ENOSPC} {
			f := newFaults()
			s := openQuietly(t, Options{Dir: t.TempDir(), hooks: hooks{fault: f.hook}})
			mb := s.NewMailbox()
			put(t, s, mb, 1, text("before"))
			f.set("commit", want)
			c := &deferred{result: newResult()}
			c.mu.Lock()
			call(s, mb, c)
			c.mu.Unlock()
			if got := <-c.result; !errors.Is(got, want) || errors.Is(got, broker.ErrStoreFull) != errors.Is(want, syscall.ENOSPC) {
				t.Errorf("%s: got %v, want %v, and that the Store is full if the disk is", name, got, want)
			}
			if st := s.Stats(); st.LastError == "" || st.Errors == 0 {
				t.Errorf("%s: Stats: got LastError %q, Errors %d, want one", name, st.LastError, st.Errors)
			}
			if got := seqs(t, s, mb); len(got) != 1 {
				t.Errorf("%s: Load after the failure: got %v, want [1]", name, got)
			}
			f.set("commit", nil)
			again := newResult()
			call(s, mb, again)
			if err := <-again; err != nil {
				t.Errorf("%s: when the disk works again: got %v, want nil", name, err)
			}
			closeStore(t, s)
		}
	}
}

// TestBroken has the disk fail to keep what was written: nothing is written behind it until the next start, and reads go on.
func TestBroken(t *testing.T) {
	f := newFaults()
	o := Options{Dir: t.TempDir(), hooks: hooks{fault: f.hook}}
	s := openQuietly(t, o)
	mb := s.NewMailbox()
	put(t, s, mb, 1, text("m"))
	f.set("force", syscall.EIO)
	first := newResult()
	s.Append(mb, &broker.Entry{Seq: 2, Message: text("m")}, first)
	if err := <-first; !errors.Is(err, syscall.EIO) {
		t.Errorf("Append: got %v, want %v", err, syscall.EIO)
	}
	f.set("force", nil)
	for name, call := range calls {
		c := newResult()
		call(s, mb, c)
		if err := <-c; !errors.Is(err, ErrBroken) || !errors.Is(err, syscall.EIO) {
			t.Errorf("%s: got %v, want %v", name, err, ErrBroken)
		}
	}
	if got := seqs(t, s, mb); len(got) == 0 || got[0] != 1 {
		t.Errorf("Load: got %v, want 1", got)
	}
	if !s.Stats().Broken {
		t.Error("Stats.Broken: got false, want true")
	}
	closeStore(t, s)
	s = openQuietly(t, o)
	defer closeStore(t, s)
	put(t, s, mb, 3, text("m"))
}

// TestReadAfterFailedCommit has a read queued behind a write that fails.
func TestReadAfterFailedCommit(t *testing.T) {
	f := newFaults()
	s := openQuietly(t, Options{Dir: t.TempDir(), hooks: hooks{fault: f.hook}})
	defer closeStore(t, s)
	mb := s.NewMailbox()
	put(t, s, mb, 1, text("m"))
	f.set("commit", syscall.EIO)
	s.Append(mb, &broker.Entry{Seq: 2, Message: text("m")}, nil)
	if got := seqs(t, s, mb); len(got) != 1 {
		t.Errorf("Load: got %v, want [1]", got)
	}
	f.set("commit", nil)
}

func TestReadFails(t *testing.T) {
	f := newFaults()
	s := openQuietly(t, Options{Dir: t.TempDir(), hooks: hooks{fault: f.hook}})
	defer closeStore(t, s)
	key := broker.SessionKey{App: "a", ClientID: "c"}
	for what, read := range map[string]func(done func(error)){
		"load session": func(done func(error)) {
			s.LoadSession(key, func(r *broker.SessionRecord, err error) { done(err) })
		},
		"load": func(done func(error)) { s.Load(1, 0, 1, 1, func(_ []broker.Entry, _ bool, err error) { done(err) }) },
		"load log": func(done func(error)) {
			s.LoadLog("a", 0, 1, 1, func(_ []broker.Entry, _ bool, err error) { done(err) })
		},
		"load retained": func(done func(error)) {
			s.LoadRetained("a", []string{"t"}, func(_ []*broker.Message, err error) { done(err) })
		},
		"sessions":          func(done func(error)) { done(s.Sessions(func(broker.SessionKey, *broker.SessionRecord) {})) },
		"retained messages": func(done func(error)) { done(s.RetainedMessages(func(string, *broker.Message) {})) },
	} {
		f.set(what, fs.ErrInvalid)
		got := newResult()
		read(func(err error) { got <- err })
		if err := <-got; !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%s: got %v, want %v", what, err, fs.ErrInvalid)
		}
		f.set(what, nil)
		read(func(err error) { got <- err })
		if err := <-got; err != nil {
			t.Errorf("%s when the disk works again: got %v, want nil", what, err)
		}
	}
}

// TestStall has the disk hang: what is handed over is bounded, refused calls are told so meanwhile, and acknowledgements
// still cancel.
func TestStall(t *testing.T) {
	f := newFaults()
	s := openQuietly(t, Options{Dir: t.TempDir(), MaxPending: 100_000, hooks: hooks{fault: f.hook}})
	defer closeStore(t, s)
	mb := s.NewMailbox()
	held, resume := f.stall("commit")
	first := newResult()
	s.Append(mb, &broker.Entry{Seq: 1, Message: text("m")}, first)
	<-held
	big := &broker.Message{TopicName: "t", Payload: make([]byte, 40_000)}
	second, third, fourth := newResult(), newResult(), newResult()
	s.Append(mb, &broker.Entry{Seq: 2, Message: big}, second)
	s.Append(mb, &broker.Entry{Seq: 3, Message: big}, third)
	refused := &deferred{result: newResult()}
	refused.mu.Lock()
	s.Append(mb, &broker.Entry{Seq: 3, Message: big}, refused)
	refused.mu.Unlock()
	if err := <-refused.result; !errors.Is(err, broker.ErrStoreFull) {
		t.Errorf("Append with %d bytes pending: got %v, want %v", s.Stats().PendingBytes, err, broker.ErrStoreFull)
	}
	s.Remove(mb, 2, nil)
	second.must(t)
	s.Append(mb, &broker.Entry{Seq: 4, Message: big}, fourth) // there is room again
	resume()
	for _, r := range []result{first, third, fourth} {
		r.must(t)
	}
	if got := seqs(t, s, mb); len(got) != 3 {
		t.Errorf("Load: got %v, want [1 3 4]", got)
	}
	if st := s.Stats(); st.Cancelled != 1 || st.Refused == 0 || st.PendingBytes != 0 {
		t.Errorf("Stats: got %d cancelled, %d refused, %d bytes pending, want 1, some, 0", st.Cancelled, st.Refused, st.PendingBytes)
	}
}

func TestClosed(t *testing.T) {
	s := openForTest(t, Options{Dir: t.TempDir()})
	mb := s.NewMailbox()
	closeStore(t, s)
	closeStore(t, s)
	for name, call := range calls {
		c := newResult()
		call(s, mb, c)
		if err := <-c; !errors.Is(err, ErrClosed) {
			t.Errorf("%s: got %v, want %v", name, err, ErrClosed)
		}
	}
	got := newResult()
	s.Load(mb, 0, 1, 1, func(_ []broker.Entry, _ bool, err error) { got <- err })
	if err := <-got; !errors.Is(err, ErrClosed) {
		t.Errorf("Load: got %v, want %v", err, ErrClosed)
	}
}
