package badger

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	bdb "github.com/dgraph-io/badger/v4"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/internal/randtest"
)

// fill stores some of everything, larger with scale, and returns the mailboxes.
func fill(t *testing.T, s *Store, scale int) []broker.Mailbox {
	t.Helper()
	m := shared("shared")
	m.Expires = time.Now().Add(time.Hour)
	var boxes []broker.Mailbox
	for i := range 20 {
		mb := s.NewMailbox()
		boxes = append(boxes, mb)
		key := broker.SessionKey{App: "a", ClientID: strings.Repeat("c", 1+i*scale)}
		if i == 19 {
			key.ClientID = strings.Repeat("c", maxName)
		}
		s.SaveSession(key, &broker.SessionRecord{Mailbox: mb, Will: &broker.Will{Message: text("will")}}, nil)
		s.Append(mb, &broker.Entry{Seq: 1, Message: m, Group: "$share/g/f", SubscriptionIDs: []uint32{1, 2}}, nil)
		s.Append(mb, &broker.Entry{Seq: 2, Message: text(strings.Repeat("own", i*scale))}, nil)
		s.AddReceipt(mb, broker.PacketID(i), nil)
		s.SetCursor(mb, uint64(i))
		s.SetRetained("a", key.ClientID, text("retained"), nil)
		s.AppendLog("a", m, nil)
	}
	flush(t, s)
	return boxes
}

// dump is all that is stored.
func dump(t *testing.T, s *Store) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := s.Backup(t.Context(), &b); err != nil {
		t.Fatalf("Backup: got %v, want nil", err)
	}
	return b.Bytes()
}

// counts leaves out the bytes, which depend on where Badger keeps a value.
func counts(u Usage) [8]int64 {
	return [...]int64{
		u.Sessions.Count, u.Mailboxes, u.Entries.Count, u.Receipts.Count, u.Cursors.Count, u.Bodies.Count, u.Logs.Count, u.Retained.Count,
	}
}

func TestBackup(t *testing.T) {
	o := Options{Dir: t.TempDir(), hooks: hooks{valueThreshold: 1 << 10}}
	s := openForTest(t, o)
	boxes := fill(t, s, 1000)
	backup := dump(t, s)
	want, err := s.Usage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	next := s.NewMailbox()
	closeStore(t, s)

	for _, made := range []bool{false, true} {
		o.Dir = filepath.Join(t.TempDir(), "restored")
		if made {
			if err := os.Mkdir(o.Dir, 0o700); err != nil {
				t.Fatal(err)
			}
		}
		if err := Restore(t.Context(), o.Dir, bytes.NewReader(backup)); err != nil {
			t.Fatalf("Restore: got %v, want nil", err)
		}
		s = openForTest(t, o)
		got, err := s.Usage(t.Context())
		if err != nil || counts(got) != counts(want) {
			t.Errorf("restored: got %v, %v, want %v", counts(got), err, counts(want))
		}
		if r, err := s.Check(t.Context(), func(f Fault) { t.Errorf("fault: %x: %v", f.Key, f.Err) }); err != nil || r.Faults != 0 {
			t.Errorf("Check: got %+v, %v, want no faults", r, err)
		}
		for _, mb := range boxes {
			if es := loadAll(t, s, mb); len(es) != 2 || string(es[0].Message.Payload) != "shared" {
				t.Errorf("mailbox %d: got %v, want two entries", mb, es)
			}
		}
		if mb := s.NewMailbox(); mb <= next {
			t.Errorf("NewMailbox: got %d, want more than %d", mb, next)
		}
		closeStore(t, s)
		if err := Restore(t.Context(), o.Dir, bytes.NewReader(backup)); !errors.Is(err, ErrNotEmpty) {
			t.Errorf("Restore over a Store: got %v, want %v", err, ErrNotEmpty)
		}
	}
}

// TestBackupDamaged restores backups that are cut short, or changed anywhere.
func TestBackupDamaged(t *testing.T) {
	r := randtest.New(t)
	s := openForTest(t, Options{Dir: t.TempDir()})
	put(t, s, s.NewMailbox(), 1, shared("m"))
	backup := dump(t, s)
	closeStore(t, s)
	check := func(what string, b []byte, want error) {
		t.Helper()
		dir := filepath.Join(t.TempDir(), "restored")
		if err := Restore(t.Context(), dir, bytes.NewReader(b)); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", what, err, want)
		}
		if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: got a directory, want none", what)
		}
	}
	for range 10 {
		check("cut short", backup[:r.IntN(len(backup))], ErrBackup)
		changed := bytes.Clone(backup)
		changed[r.IntN(len(changed))] ^= byte(1 + r.IntN(255))
		if err := readBackup(bytes.NewReader(changed), func(frame) error { return nil }); !errors.Is(err, ErrBackup) {
			t.Errorf("changed: got %v, want %v", err, ErrBackup)
		}
	}
	check("with something behind", append(bytes.Clone(backup), 0), ErrBackup)
	check("nothing", nil, ErrBackup)
	dir := t.TempDir()
	if err := Restore(t.Context(), dir, bytes.NewReader(backup[:len(backup)-1])); !errors.Is(err, ErrBackup) {
		t.Errorf("into a directory that is there: got %v, want %v", err, ErrBackup)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("directory that was there: got %v, %v, want it empty", left, err)
	}
	var b bytes.Buffer
	w := newBackupWriter(&b)
	if err := errors.Join(w.add(frame{key: metaKey(metaLayout, ""), value: appendNumber(nil, 9)}), w.end()); err != nil {
		t.Fatal(err)
	}
	check("of a newer layout", b.Bytes(), ErrLayout)
}

// TestToolsEnd ends tools by their context, and by closing the Store.
func TestToolsEnd(t *testing.T) {
	s := openForTest(t, Options{Dir: t.TempDir()})
	fill(t, s, 1000)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, tool := range map[string]func(context.Context) error{
		"Backup": func(ctx context.Context) error { return s.Backup(ctx, io.Discard) },
		"Check":  func(ctx context.Context) error { _, err := s.Check(ctx, nil); return err },
		"Usage":  func(ctx context.Context) error { _, err := s.Usage(ctx); return err },
	} {
		if err := tool(ended); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v, want %v", name, err, context.Canceled)
		}
	}
	closed := make(chan struct{})
	var once bool
	err := s.Backup(t.Context(), writerFunc(func(p []byte) (int, error) {
		if !once {
			once = true
			go func() { defer close(closed); closeStore(t, s) }()
			<-s.done
		}
		return len(p), nil
	}))
	<-closed
	if err != nil && !errors.Is(err, ErrClosed) { // nil if the first write was the last
		t.Errorf("Backup while the Store is closed: got %v, want %v", err, ErrClosed)
	}
	if err := s.Backup(t.Context(), io.Discard); !errors.Is(err, ErrClosed) {
		t.Errorf("Backup of a Store that is closed: got %v, want %v", err, ErrClosed)
	}
}

type writerFunc func([]byte) (int, error)

// Write implements io.Writer.
func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// TestCheckFinds damages what is stored, and checks it.
func TestCheckFinds(t *testing.T) {
	s := openQuietly(t, Options{Dir: t.TempDir()})
	defer closeStore(t, s)
	mb := s.NewMailbox()
	m, lost := shared("m"), shared("lost")
	put(t, s, mb, 1, m)
	put(t, s, mb, 2, lost)
	put(t, s, mb, 3, text("m"))
	s.AppendLog("a", lost, nil)
	flush(t, s)
	damage := map[string][]byte{
		hexOf(entryKey(mb, 3)):                 {0xff},
		hexOf(sessionKey(broker.SessionKey{})): nil,
		hexOf(retainedKey("a", "t")):           {messageReserved},
		hexOf([]byte("unknown")):               nil,
		hexOf(append(mailboxPrefix(mb), 9)):    nil,
		hexOf(metaKey(metaLease, "x")):         nil,
		hexOf(append(bodyKey(1), 0)):           nil,
		hexOf(append(tombstoneKey(1), 0)):      nil,
		hexOf(append(logKey("a", 1), 0)):       nil,
		hexOf(bodyKey(77)):                     {0, 0}, // nobody needs it
	}
	want := map[string]bool{hexOf(entryKey(mb, 2)): true, hexOf(logKey("a", s.LogEnd("a"))): true}
	err := s.db.Update(func(txn *bdb.Txn) error {
		for key, value := range damage {
			k := unhex(t, key)
			if err := txn.Set(k, value); err != nil {
				return err
			}
			want[key] = k[0] != kindBody || len(k) != 9
		}
		delete(want, hexOf(bodyKey(77)))
		return txn.Delete(bodyKey(lost.Body.ID.Load()))
	})
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]bool)
	r, err := s.Check(t.Context(), func(f Fault) { got[hexOf(f.Key)] = true })
	if err != nil {
		t.Fatalf("Check: got %v, want nil", err)
	}
	for key := range want {
		if !got[key] {
			t.Errorf("Check: got no fault of key %s", key)
		}
	}
	if r.Faults != len(want) || len(got) != len(want) || r.Unneeded != 1 || r.Entries.Count != 3 {
		t.Errorf("Check: got %d faults %v, %d unneeded, %d entries, want %d, 1, 3", r.Faults, got, r.Unneeded, r.Entries.Count, len(want))
	}
}
