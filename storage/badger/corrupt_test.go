package badger

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"testing"

	bdb "github.com/dgraph-io/badger/v4"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// TestCorrupt damages one of each kind of value: the rest is delivered, and each damage is counted, and logged once.
func TestCorrupt(t *testing.T) {
	var log bytes.Buffer
	s := openForTest(t, Options{Dir: t.TempDir(), Logger: slog.New(slog.NewTextHandler(&log, nil))})
	defer closeStore(t, s)
	mb := s.NewMailbox()
	lost := shared("lost")
	for seq := uint64(1); seq <= 6; seq++ {
		m := text("m")
		if seq == 3 || seq == 4 {
			m = lost
		}
		put(t, s, mb, seq, m)
	}
	names := []broker.SessionKey{{App: "a", ClientID: "good"}, {App: "a", ClientID: "bad"}}
	for _, k := range names {
		s.SaveSession(k, &broker.SessionRecord{Mailbox: mb}, nil)
	}
	s.SetRetained("a", "good", text("m"), nil)
	s.SetRetained("a", "bad", text("m"), nil)
	first := s.AppendLog("a", lost, nil)
	second := s.AppendLog("a", shared("kept"), nil)
	flush(t, s)
	err := s.db.Update(func(txn *bdb.Txn) error {
		for _, w := range []struct{ key, value []byte }{
			{entryKey(mb, 2), []byte{0xff}},
			{entryKey(mb, 5), nil},
			{bodyKey(lost.Body.ID.Load()), nil},
			{sessionKey(names[1]), []byte{9}},
			{retainedKey("a", "bad"), nil},
			{append(mailboxPrefix(mb), 77), nil},
		} {
			if err := txn.Set(w.key, w.value); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got := seqs(t, s, mb); !slices.Equal(got, []uint64{1, 6}) {
			t.Errorf("Load: got %v, want [1 6]", got)
		}
		if got := loadLog(t, s, "a", 0); !slices.Equal(got, []uint64{second}) {
			t.Errorf("LoadLog: got %v, want [%d] and not %d", got, second, first)
		}
		for i, k := range names {
			got := make(chan *broker.SessionRecord, 1)
			s.LoadSession(k, func(r *broker.SessionRecord, err error) {
				if err != nil {
					t.Errorf("LoadSession of %v: got %v, want nil", k, err)
				}
				got <- r
			})
			if r := <-got; (r != nil) != (i == 0) {
				t.Errorf("LoadSession of %v: got %+v", k, r)
			}
		}
		got := make(chan []*broker.Message, 1)
		s.LoadRetained("a", []string{"bad", "none", "good"}, func(ms []*broker.Message, err error) { got <- ms })
		if ms := <-got; ms[0] != nil || ms[1] != nil || ms[2] == nil {
			t.Errorf("LoadRetained: got %v, want the last only", ms)
		}
		n := 0
		if err := s.Sessions(func(k broker.SessionKey, _ *broker.SessionRecord) { n++ }); err != nil || n != 1 {
			t.Errorf("Sessions: got %d, %v, want 1", n, err)
		}
		if err := s.RetainedMessages(func(string, *broker.Message) { n++ }); err != nil || n != 2 {
			t.Errorf("RetainedMessages: got %d, %v, want 1", n-1, err)
		}
	}
	if got := s.Stats().Corrupt; got < 12 {
		t.Errorf("Stats.Corrupt: got %d, want at least 12", got)
	}
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	seen := make(map[string]bool)
	for _, l := range lines {
		_, key, _ := strings.Cut(l, "key=")
		key, _, _ = strings.Cut(key, " ")
		if seen[key] {
			t.Errorf("log: key %s got two lines, want one", key)
		}
		seen[key] = true
	}
	for _, k := range [][]byte{entryKey(mb, 2), entryKey(mb, 3), sessionKey(names[1]), retainedKey("a", "bad")} {
		if !seen[hexOf(k)] {
			t.Errorf("log: got no line for key %s", hexOf(k))
		}
	}
}

// TestPanicInRead has the database panic.
func TestPanicInRead(t *testing.T) {
	s := openQuietly(t, Options{Dir: t.TempDir()})
	defer closeStore(t, s)
	got := make(chan error, 1)
	s.read(op{}, "test", func(*snapshot) error { panic("corrupt block") }, func(err error) { got <- err })
	if err := <-got; err == nil || !strings.Contains(err.Error(), "corrupt block") {
		t.Errorf("read that panics: got %v, want an error that says why", err)
	}
}
