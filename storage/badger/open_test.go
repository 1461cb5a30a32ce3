package badger

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	bdb "github.com/dgraph-io/badger/v4"
)

func TestOpenRefuses(t *testing.T) {
	layout := func(v uint64) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			closeStore(t, openForTest(t, Options{Dir: dir}))
			update(t, dir, func(txn *bdb.Txn) error { return txn.Set(metaKey(metaLayout, ""), appendNumber(nil, v)) })
		}
	}
	for _, c := range []struct {
		name    string
		prepare func(t *testing.T, dir string)
		want    error  // nil: any
		text    string // part of it
		asRoot  bool   // root is refused too
	}{
		{"in use", func(t *testing.T, dir string) {
			s := openForTest(t, Options{Dir: dir})
			t.Cleanup(func() { closeStore(t, s) })
		}, ErrInUse, "is in use by another process", true},
		{"newer layout", layout(layoutVersion + 1), ErrLayout, fmt.Sprintf("has version %d", layoutVersion+1), true},
		{"another's database", func(t *testing.T, dir string) {
			update(t, dir, func(txn *bdb.Txn) error { return txn.Set([]byte("k"), nil) })
		}, ErrLayout, "not of holdfast", true},
		{"file", func(t *testing.T, dir string) {
			os.Remove(dir)
			if err := os.WriteFile(dir, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}, nil, "is not a directory", true},
		{"read-only directory", func(t *testing.T, dir string) {
			if err := os.Chmod(dir, 0o500); err != nil {
				t.Fatal(err)
			}
		}, fs.ErrPermission, "is not writable", false},
		{"no directory above", func(t *testing.T, dir string) { os.Remove(dir); os.Remove(filepath.Dir(dir)) }, fs.ErrNotExist, "make data directory", true},
	} {
		if !c.asRoot && os.Geteuid() == 0 {
			continue // root may write everywhere
		}
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "above", "data")
			if err := os.MkdirAll(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			c.prepare(t, dir)
			s, err := Open(t.Context(), Options{Dir: dir})
			if err == nil {
				s.Close()
				t.Fatal("Open: got nil, want an error")
			}
			if c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("Open: got %v, want %v with %q", err, c.want, c.text)
			}
		})
	}
}

// update changes a database that no Store has open.
func update(t *testing.T, dir string, f func(*bdb.Txn) error) {
	t.Helper()
	db, err := bdb.Open(bdb.DefaultOptions(dir).WithLogger(nil).WithMetricsEnabled(false))
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Update(f); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestOpenOptions(t *testing.T) {
	for _, o := range []Options{{}, {Dir: t.TempDir(), Sync: SyncNever + 1}} {
		if s, err := Open(t.Context(), o); err == nil {
			s.Close()
			t.Errorf("Open with %+v: got nil, want an error", o)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if s, err := Open(ended, Options{Dir: t.TempDir()}); !errors.Is(err, context.Canceled) {
		s.Close()
		t.Errorf("Open with a context that has ended: got %v, want %v", err, context.Canceled)
	}
}

func TestOpenMakesDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	closeStore(t, openForTest(t, Options{Dir: dir}))
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("data directory: got %v, %v, want mode 0700", info, err)
	}
}

// TestSyncModes keeps what is stored with each of them, if nothing but the process ends.
func TestSyncModes(t *testing.T) {
	for _, mode := range []SyncMode{SyncAlways, SyncInterval, SyncNever} {
		f := newFaults()
		synced := make(chan struct{}, 1)
		o := Options{Dir: t.TempDir(), Sync: mode, SyncEvery: 1, hooks: hooks{fault: func(what string) error {
			if what == "sync" {
				select {
				case synced <- struct{}{}:
				default:
				}
			}
			return f.hook(what)
		}}}
		s := openForTest(t, o)
		mb := s.NewMailbox()
		put(t, s, mb, 1, text("m"))
		if mode == SyncInterval {
			<-synced
		}
		image := copyDir(t, o.Dir)
		closeStore(t, s)
		o.Dir = image
		s = openForTest(t, o)
		if got := seqs(t, s, mb); len(got) != 1 {
			t.Errorf("mode %d: after the process has ended: got %v, want [1]", mode, got)
		}
		closeStore(t, s)
	}
}
