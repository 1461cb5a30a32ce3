package badger

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// TestExpiry lets the lifetimes of all kinds end.
func TestExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := Options{Dir: t.TempDir(), MailboxAge: 10 * time.Minute}
		s := openForTest(t, o)
		mb := s.NewMailbox()
		soon := text("soon")
		soon.Expires = time.Now().Add(time.Minute)
		late := text("late")
		late.Expires = time.Now().Add(time.Hour)
		put(t, s, mb, 1, soon)
		put(t, s, mb, 2, late)
		put(t, s, mb, 3, text("never"))
		retained := newResult()
		s.SetRetained("a", "soon", soon, nil)
		s.SetRetained("a", "late", late, nil)
		s.SetRetained("a", "never", text("m"), retained)
		retained.must(t)
		logged := newResult()
		place := s.AppendLog("a", shared("m"), logged)
		logged.must(t)
		check := func(when string, entries, kept, inLog int) {
			t.Helper()
			if got := seqs(t, s, mb); len(got) != entries {
				t.Errorf("%s: entries: got %v, want %d", when, got, entries)
			}
			n := 0
			if err := s.RetainedMessages(func(string, *broker.Message) { n++ }); err != nil || n != kept {
				t.Errorf("%s: retained: got %d, %v, want %d", when, n, err, kept)
			}
			if got := loadLog(t, s, "a", 0); len(got) != inLog {
				t.Errorf("%s: log: got %v, want %d", when, got, inLog)
			}
			if got := s.LogEnd("a"); got != place {
				t.Errorf("%s: LogEnd: got %d, want %d", when, got, place)
			}
		}
		check("at once", 3, 3, 1)
		<-time.After(59 * time.Second)
		check("before the first expires", 3, 3, 1)
		<-time.After(3 * time.Second)
		check("after it has", 2, 2, 1)
		closeStore(t, s)
		s = openForTest(t, o)
		check("after a restart", 2, 2, 1)
		<-time.After(10 * time.Minute)
		check("after the mailbox's age", 0, 2, 0)
		<-time.After(time.Hour)
		check("after the other expired", 0, 1, 0)
		closeStore(t, s)
	})
}

// TestSessionExpiry lets a Session expire: nobody sees it any more, and what it leaves behind is deleted when the Store is opened.
func TestSessionExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := Options{Dir: t.TempDir()}
		s := openForTest(t, o)
		key := broker.SessionKey{App: "a", ClientID: "c"}
		mb, r := s.NewMailbox(), newResult()
		s.SaveSession(key, &broker.SessionRecord{Mailbox: mb, Expiry: 60, SleptAt: time.Now().UnixMilli()}, nil)
		s.AddReceipt(mb, 1, nil)
		s.SetCursor(mb, 1)
		s.Append(mb, &broker.Entry{Seq: 1, Message: shared("m")}, r)
		r.must(t)
		check := func(when string, want bool) {
			t.Helper()
			got := make(chan *broker.SessionRecord, 1)
			s.LoadSession(key, func(r *broker.SessionRecord, err error) { got <- r })
			if r := <-got; (r != nil) != want {
				t.Errorf("%s: LoadSession: got %+v, want one: %t", when, r, want)
			}
			n := 0
			if err := s.Sessions(func(broker.SessionKey, *broker.SessionRecord) { n++ }); err != nil || (n == 1) != want {
				t.Errorf("%s: Sessions: got %d, %v, want one: %t", when, n, err, want)
			}
		}
		<-time.After(59 * time.Second)
		check("before it expires", true)
		<-time.After(2 * time.Second)
		check("after", false)
		if got := keys(t, s)[kindMailbox]; got != 3 {
			t.Errorf("keys of its mailbox: got %d, want 3", got)
		}
		closeStore(t, s)
		s = openForTest(t, o)
		<-time.After(3 * time.Second)
		if got := keys(t, s); got[kindMailbox] != 0 || got[kindBody] != 0 || got[kindTombstone] != 0 {
			t.Errorf("keys after a restart: got %v, want none of its mailbox", got)
		}
		closeStore(t, s)
	})
}

// TestClock stores times and reads them with clocks that have gone back, or ahead.
func TestClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClock(time.Now().Add(1234567), 0, time.Hour)
		for _, d := range []time.Duration{0, 1, time.Millisecond, time.Hour, 100 * 365 * 24 * time.Hour, -time.Hour} {
			at := c.start.Add(d)
			got := c.decode(c.encode(at))
			if got.Before(at) || got.Sub(at) >= time.Millisecond {
				t.Errorf("%v from the start: got %v later, want less than 1ms", d, got.Sub(at))
			}
		}
		<-time.After(time.Minute)
		if got, want := c.now(), time.Now().UnixMilli(); got != want {
			t.Errorf("now: got %d, want %d", got, want)
		}
		for _, ms := range []uint64{0, 1 << 62, 1<<64 - 1} {
			if got := c.decode(ms); ms > 1 && got.Before(c.start) {
				t.Errorf("decode(%d): got %v, want a time far ahead", ms, got)
			}
		}
		back := newClock(time.Now().Add(-365*24*time.Hour), c.now(), time.Hour)
		if got := back.now(); got < c.now() {
			t.Errorf("clock that went back: got %d, want at least %d", got, c.now())
		}
		if got := back.encode(time.Now().Add(-365 * 24 * time.Hour).Add(time.Hour)); got < uint64(c.now()) {
			t.Errorf("message that expires in an hour, on a clock that went back: got %d, want after %d", got, c.now())
		}
	})
}

// TestClockWentBack restarts with a wall clock of long ago: nothing that had expired comes back, and nothing is lost.
func TestClockWentBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		ago := time.Duration(0)
		open := func() *Store {
			return openForTest(t, Options{Dir: dir, hooks: hooks{now: func() time.Time { return time.Now().Add(-ago) }}})
		}
		s := open()
		key := broker.SessionKey{App: "a", ClientID: "c"}
		s.SaveSession(key, &broker.SessionRecord{Expiry: 60, SleptAt: time.Now().UnixMilli()}, nil)
		<-time.After(2 * time.Minute)
		mb := s.NewMailbox()
		put(t, s, mb, 1, text("m")) // and the time
		closeStore(t, s)
		ago = time.Hour
		s = open()
		defer closeStore(t, s)
		if err := s.Sessions(func(broker.SessionKey, *broker.SessionRecord) { t.Error("a Session that had expired is back") }); err != nil {
			t.Fatal(err)
		}
		put(t, s, mb, 2, text("m"))
		if got := seqs(t, s, mb); len(got) != 2 {
			t.Errorf("entries: got %v, want [1 2]", got)
		}
	})
}
