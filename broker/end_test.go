package broker

import (
	"sync"
	"testing"
)

// forgetful is a Store that keeps nothing, of which these tests need little.
type forgetful struct{ Store }

func (forgetful) SaveSession(SessionKey, *SessionRecord, Commit)             {}
func (forgetful) DeleteSession(SessionKey, Mailbox, Commit)                  {}
func (forgetful) LoadSession(_ SessionKey, done func(*SessionRecord, error)) { done(nil, nil) }
func (forgetful) LogEnd(string) uint64                                       { return 0 }
func (forgetful) Begin() Tx                                                  { return 0 }
func (forgetful) End(Tx)                                                     {}

// deaf is a Link to nobody.
type deaf struct{}

func (deaf) Deliver(*Delivery) Verdict { return Gone }
func (deaf) Release(PacketID, any)     {}
func (deaf) Yield(any)                 {}
func (deaf) End(error)                 {}

// TestCleanStartFindsEnded has a clean start come between the end of a Session
// and its removal from the registry. The Session must be counted out once, with
// what its mailbox held.
func TestCleanStartFindsEnded(t *testing.T) {
	for _, c := range []struct {
		name          string
		count, bytes  int
		before, after Stats
	}{
		{"empty", 0, 0, Stats{Sessions: 1}, Stats{Sessions: 1, Connected: 1}},
		{"with a mailbox", 3, 300, Stats{Sessions: 1, Queued: 3, QueuedBytes: 300}, Stats{Sessions: 1, Connected: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := New(Config{Store: forgetful{}})
			defer b.Close()
			sc := b.NewScratch(nil)
			old := newSession(b.App(DefaultApp), "c")
			b.App(DefaultApp).register(old)
			old.app.usage.sessions.Add(1)
			old.restore(sc, &SessionRecord{Mailbox: 1, Expiry: 60, SleptAt: 1, Count: c.count, Bytes: c.bytes})
			wantGauges(t, "before", b.Stats(), c.before)

			old.mu.Lock()
			left := old.retire(sc, ErrTakenOver) // the first half of finish
			old.mu.Unlock()
			connected := make(chan Connected, 1)
			go b.Connect(b.NewScratch(nil), &Connect{App: old.app, ClientID: "c", CleanStart: true, Link: deaf{}},
				func(got Connected) { connected <- got })
			old.app.forget(old) // the second half
			left.settle(sc)
			if got := <-connected; got.Err != nil || got.Present {
				t.Errorf("Connect: got error %v, Session Present %t, want nil and false", got.Err, got.Present)
			}
			wantGauges(t, "after", b.Stats(), c.after)
		})
	}
}

func wantGauges(t *testing.T, when string, got, want Stats) {
	t.Helper()
	if got.Sessions != want.Sessions || got.Connected != want.Connected ||
		got.Queued != want.Queued || got.QueuedBytes != want.QueuedBytes {
		t.Errorf("%s: got %d sessions, %d connected, %d messages of %d bytes queued, want %d, %d, %d of %d", when,
			got.Sessions, got.Connected, got.Queued, got.QueuedBytes,
			want.Sessions, want.Connected, want.Queued, want.QueuedBytes)
	}
}

// watched is a Store that looks, when a mailbox is read, at whether the registry is locked.
type watched struct {
	forgetful
	shard   *sync.Mutex
	reads   *int
	blocked *bool
}

func (st watched) Load(_ Mailbox, _ uint64, _, _ int, done func([]Entry, bool, error)) {
	*st.reads++
	if st.shard.TryLock() {
		st.shard.Unlock()
	} else {
		*st.blocked = true
	}
	done(nil, false, nil)
}

func (watched) DeleteMailbox(Mailbox, Commit) {}

// TestScansUnlocked ends a Session in its sleep that has messages of a Shared Subscription, with a Store that answers at once.
// Handing them on locks other Sessions and may end them: no lock may be held meanwhile.
func TestScansUnlocked(t *testing.T) {
	reads, blocked := 0, false
	st := &watched{reads: &reads, blocked: &blocked}
	b := New(Config{Store: st})
	defer b.Close()
	sc := b.NewScratch(nil)
	a := b.App(DefaultApp)
	st.shard = &a.shard("c").mu
	s := newSession(a, "c")
	a.register(s)
	a.usage.sessions.Add(1)
	s.live, s.expiry, s.box.id, s.flags = nil, 60, 1, flagStored|flagShared|flagUncounted // it sleeps
	s.mu.Lock()
	s.finish(sc)
	if reads != 1 || blocked {
		t.Errorf("got the mailbox read %d times, registry locked meanwhile: %t; want once, false", reads, blocked)
	}
}
