package badger

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// TestPurgeResumes ends a mailbox, has the database fail and the process end before all of it is deleted, and opens again.
func TestPurgeResumes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFaults()
		o := Options{Dir: t.TempDir(), hooks: hooks{fault: f.hook}}
		s := openQuietly(t, o)
		mb, other, m := s.NewMailbox(), s.NewMailbox(), shared("m")
		const n = 3*purgeKeys + 1
		for seq := uint64(1); seq <= n; seq++ {
			s.Append(mb, &broker.Entry{Seq: seq, Message: m}, nil)
		}
		put(t, s, other, 1, m)
		dropped := newResult()
		held, resume := f.stall("commit")
		s.DeleteSession(broker.SessionKey{App: "a", ClientID: "c"}, mb, dropped)
		<-held
		resume()
		f.set("commit", errors.New("broken"))
		if err := <-dropped; err != nil {
			t.Logf("the end of the mailbox has failed: %v", err)
		}
		closeStore(t, s)
		f.set("commit", nil)

		s = openForTest(t, o)
		defer closeStore(t, s)
		if got := seqs(t, s, mb); len(got) != 0 && len(got) != n {
			t.Errorf("entries after it was opened: got %d, want none, or all if the end of the mailbox has failed", len(got))
		}
		s.DeleteSession(broker.SessionKey{App: "a", ClientID: "c"}, mb, nil)
		if got := seqs(t, s, mb); len(got) != 0 {
			t.Errorf("entries at last: got %d, want none", len(got))
		}
		<-time.After(2 * pokeEvery)
		if got := keys(t, s); got[kindMailbox] != 1 || got[kindBody] != 1 || got[kindTombstone] != 0 {
			t.Errorf("keys: got %v, want one entry, one body, no tombstone", got)
		}
	})
}

// TestTombstone leaves the deletion of a mailbox to the next process.
func TestTombstone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := Options{Dir: t.TempDir()}
		s := openForTest(t, o)
		mb := s.NewMailbox()
		put(t, s, mb, 1, shared("m"))
		s.q.push(&op{kind: opPut, cost: opCost, x: &opExtra{key: tombstoneKey(mb)}}, false)
		flush(t, s)
		closeStore(t, s)
		s = openForTest(t, o)
		defer closeStore(t, s)
		if got := seqs(t, s, mb); len(got) != 0 {
			t.Errorf("entries: got %v, want none", got)
		}
		<-time.After(2 * pokeEvery)
		if got := keys(t, s); len(got) != 0 {
			t.Errorf("keys: got %v, want none", got)
		}
	})
}

// TestLogBounds fills an App's log over its bounds, across restarts.
func TestLogBounds(t *testing.T) {
	o := Options{Dir: t.TempDir(), LogMessages: 10, LogBytes: 4000}
	var places []uint64
	add := func(s *Store, m *broker.Message) {
		places = append(places, s.AppendLog("a", m, nil))
	}
	for range 3 {
		s := openForTest(t, o)
		for range 7 {
			add(s, shared("m"))
		}
		if got, want := loadLog(t, s, "a", 0), places[max(len(places)-10, 0):]; !slices.Equal(got, want) {
			t.Errorf("log of small messages: got %v, want %v", got, want)
		}
		if got, want := s.LogEnd("a"), places[len(places)-1]; got != want {
			t.Errorf("LogEnd: got %d, want %d", got, want)
		}
		closeStore(t, s)
	}
	s := openForTest(t, o)
	defer closeStore(t, s)
	large := payload(1800)
	large.Body = new(broker.Body)
	for range 2 {
		add(s, large)
	}
	got := loadLog(t, s, "a", 0)
	if want := places[len(places)-len(got):]; !slices.Equal(got, want) || len(got) < 3 || len(got) > 9 {
		t.Errorf("log over its bytes: got %v, want the last of %v", got, want)
	}
	if !slices.IsSorted(places) {
		t.Errorf("places: got %v, want them to grow", places)
	}
}
