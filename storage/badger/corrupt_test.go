package badger

import (
	"bytes"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"

	bdb "github.com/dgraph-io/badger/v4"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// damaged is a Store in which one of each kind of value is corrupt, or misses its body.
type damaged struct {
	*Store
	mb       broker.Mailbox
	sessions []broker.SessionKey // the second one is corrupt
	place    uint64              // the only message of the log that is not
}

func newDamaged(t *testing.T, log io.Writer) *damaged {
	t.Helper()
	s := openForTest(t, Options{Dir: t.TempDir(), Logger: slog.New(slog.NewTextHandler(log, nil))})
	d := &damaged{Store: s, mb: s.NewMailbox(), sessions: []broker.SessionKey{{App: "a", ClientID: "good"}, {App: "a", ClientID: "bad"}}}
	lost := shared("lost")
	for seq := uint64(1); seq <= 6; seq++ {
		m := text("m")
		if seq == 3 || seq == 4 {
			m = lost
		}
		put(t, s, d.mb, seq, m)
	}
	for _, k := range d.sessions {
		s.SaveSession(k, &broker.SessionRecord{Mailbox: d.mb}, nil)
		s.SetRetained(k.App, k.ClientID, text("m"), nil)
	}
	s.AppendLog("a", lost, nil)
	d.place = s.AppendLog("a", shared("kept"), nil)
	flush(t, s)
	err := s.db.Update(func(txn *bdb.Txn) error {
		for _, w := range []struct{ key, value []byte }{
			{entryKey(d.mb, 2), []byte{0xff}},
			{entryKey(d.mb, 5), nil},
			{bodyKey(lost.Body.ID.Load()), nil},
			{sessionKey(d.sessions[1]), []byte{9}},
			{retainedKey("a", "bad"), nil},
			{append(mailboxPrefix(d.mb), 77), nil},
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
	return d
}

// TestCorrupt reads what is damaged: the rest is delivered, and each damage is counted, and logged once.
func TestCorrupt(t *testing.T) {
	var log bytes.Buffer
	d := newDamaged(t, &log)
	for range 2 {
		d.check(t)
	}
	closeStore(t, d.Store)
	if got := d.Stats().Corrupt; got < 12 {
		t.Errorf("Stats.Corrupt: got %d, want at least 12", got)
	}
	seen := make(map[string]bool)
	for l := range strings.Lines(log.String()) {
		_, key, _ := strings.Cut(l, "key=")
		key, _, _ = strings.Cut(key, " ")
		if seen[key] {
			t.Errorf("log: key %s got two lines, want one", key)
		}
		seen[key] = true
	}
	for _, k := range [][]byte{entryKey(d.mb, 2), entryKey(d.mb, 3), sessionKey(d.sessions[1]), retainedKey("a", "bad")} {
		if !seen[hexOf(k)] {
			t.Errorf("log: got no line for key %s", hexOf(k))
		}
	}
}

// check reads everything.
func (d *damaged) check(t *testing.T) {
	t.Helper()
	if got := seqs(t, d.Store, d.mb); !slices.Equal(got, []uint64{1, 6}) {
		t.Errorf("Load: got %v, want [1 6]", got)
	}
	if got := loadLog(t, d.Store, "a", 0); !slices.Equal(got, []uint64{d.place}) {
		t.Errorf("LoadLog: got %v, want [%d]", got, d.place)
	}
	for i, k := range d.sessions {
		got := make(chan *broker.SessionRecord, 1)
		d.LoadSession(k, func(r *broker.SessionRecord, err error) {
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
	d.LoadRetained("a", []string{"bad", "none", "good"}, func(ms []*broker.Message, err error) { got <- ms })
	if ms := <-got; ms[0] != nil || ms[1] != nil || ms[2] == nil {
		t.Errorf("LoadRetained: got %v, want the last only", ms)
	}
	n := 0
	if err := d.Sessions(func(broker.SessionKey, *broker.SessionRecord) { n++ }); err != nil || n != 1 {
		t.Errorf("Sessions: got %d, %v, want 1", n, err)
	}
	if err := d.RetainedMessages(func(string, *broker.Message) { n++ }); err != nil || n != 2 {
		t.Errorf("RetainedMessages: got %d, %v, want 1", n-1, err)
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
