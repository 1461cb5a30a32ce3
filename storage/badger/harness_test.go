package badger

import (
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// openForTest opens a Store that needs no more memory than a test should. The test closes it.
func openForTest(t testing.TB, o Options) *Store {
	t.Helper()
	if o.hooks.memTable == 0 {
		o.hooks.memTable = 16 << 20
	}
	if o.MinFree == 0 {
		o.MinFree = 1 << 20
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	}
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatalf("Open: got %v, want nil", err)
	}
	return s
}

// openQuietly is openForTest for directories that are known to be damaged.
func openQuietly(t testing.TB, o Options) *Store {
	t.Helper()
	o.Logger = slog.New(slog.DiscardHandler)
	return openForTest(t, o)
}

// closeStore closes s and fails the test if that does not work.
func closeStore(t testing.TB, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Errorf("Close: got %v, want nil", err)
	}
}

// result is a Commit that can be waited for.
type result chan error

func newResult() result { return make(result, 1) }

// Committed implements broker.Commit.
func (r result) Committed(err error) { r <- err }

// must fails the test unless the write ends well.
func (r result) must(t testing.TB) {
	t.Helper()
	if err := <-r; err != nil {
		t.Fatalf("commit: got %v, want nil", err)
	}
}

// text is a message owed to one.
func text(s string) *broker.Message {
	return &broker.Message{TopicName: "t", Payload: []byte(s), QoS: 1}
}

// shared is a message that may be owed to many.
func shared(s string) *broker.Message {
	m := text(s)
	m.Body = new(broker.Body)
	return m
}

// put appends a message and waits until it is safe.
func put(t testing.TB, s *Store, mb broker.Mailbox, seq uint64, m *broker.Message) {
	t.Helper()
	r := newResult()
	s.Append(mb, &broker.Entry{Seq: seq, Message: m, QoS: 1}, r)
	r.must(t)
}

// flush waits until all that was called before is written, and told.
func flush(t testing.TB, s *Store) {
	t.Helper()
	r := newResult()
	s.SetRetained("flush", "flush", nil, r)
	r.must(t)
}

// loadAll returns all that is in a mailbox.
func loadAll(t testing.TB, s *Store, mb broker.Mailbox) []broker.Entry {
	t.Helper()
	type loaded struct {
		es  []broker.Entry
		err error
	}
	c := make(chan loaded, 1)
	s.Load(mb, 0, 1<<30, 1<<30, func(es []broker.Entry, _ bool, err error) { c <- loaded{es, err} })
	l := <-c
	if l.err != nil {
		t.Fatalf("Load: got %v, want nil", l.err)
	}
	return l.es
}

// seqs returns the Seqs of all that is in a mailbox.
func seqs(t testing.TB, s *Store, mb broker.Mailbox) []uint64 {
	t.Helper()
	var out []uint64
	for _, e := range loadAll(t, s, mb) {
		out = append(out, e.Seq)
	}
	return out
}

// keys counts what is stored, by kind. Sequences and times are left out.
func keys(t testing.TB, s *Store) map[byte]int {
	t.Helper()
	flush(t, s)
	n := make(map[byte]int)
	snap := newSnapshot(s.db)
	defer snap.release()
	it := iterate(snap.txn, nil)
	defer it.Close()
	for it.Rewind(); it.Valid(); it.Next() {
		n[it.Item().Key()[0]]++
	}
	delete(n, kindMeta)
	return n
}

// copyDir copies the data directory of a Store that runs, as it is at one moment, but not its locks.
func copyDir(t testing.TB, from string) string {
	t.Helper()
	for {
		to := t.TempDir()
		before := listDir(t, from)
		err := copyFiles(from, to, before)
		switch {
		case err != nil && !errors.Is(err, os.ErrNotExist):
			t.Fatal(err)
		case err == nil && slices.Equal(listDir(t, from), before):
			return to
		} // Badger has made or removed a file meanwhile, which would be neither here nor there
	}
}

// listDir is the names of the files of a Store that are copied.
func listDir(t testing.TB, dir string) (names []string) {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if f.Name() != lockName && f.Name() != "LOCK" {
			names = append(names, f.Name())
		}
	}
	return names
}

func copyFiles(from, to string, names []string) error {
	for _, name := range names {
		if err := copySparse(filepath.Join(from, name), filepath.Join(to, name)); err != nil {
			return err
		}
	}
	return nil
}

// copySparse copies a file and leaves holes where there are zeros: Badger's logs are made of them.
func copySparse(from, to string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.Create(to)
	if err != nil {
		return err
	}
	defer dst.Close()
	info, err := src.Stat()
	if err != nil {
		return err
	}
	for off := int64(0); ; {
		data, err := unix.Seek(int(src.Fd()), off, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			break
		}
		if err != nil {
			return err
		}
		hole, err := unix.Seek(int(src.Fd()), data, unix.SEEK_HOLE)
		if err != nil {
			return err
		}
		if _, err := dst.Seek(data, io.SeekStart); err != nil {
			return err
		}
		if _, err := io.Copy(dst, io.NewSectionReader(src, data, hole-data)); err != nil {
			return err
		}
		off = hole
	}
	return dst.Truncate(info.Size())
}

// loadLog returns the places of what is in an App's log.
func loadLog(t testing.TB, s *Store, app string, after uint64) []uint64 {
	t.Helper()
	c := make(chan []uint64, 1)
	s.LoadLog(app, after, 1<<30, 1<<30, func(es []broker.Entry, _ bool, err error) {
		if err != nil {
			t.Errorf("LoadLog: got %v, want nil", err)
		}
		var places []uint64
		for _, e := range es {
			places = append(places, e.Log)
		}
		c <- places
	})
	return <-c
}

func hexOf(key []byte) string { return hex.EncodeToString(key) }

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
