package badger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	bdb "github.com/dgraph-io/badger/v4"
)

// Backup writes to w all that is stored, as it is at one moment while the Store goes on. What was handed over before the call is in
// it. It blocks until that is done, or ctx ends.
func (s *Store) Backup(ctx context.Context, w io.Writer) error {
	err := s.tool(ctx, "backup", func(txn *bdb.Txn) error {
		b := newBackupWriter(w)
		it := iterate(txn, nil)
		defer it.Close()
		p := progress{s: s, ctx: ctx, what: "backup"}
		for it.Rewind(); it.Valid(); it.Next() {
			if err := p.step(); err != nil {
				return err
			}
			item := it.Item()
			if err := item.Value(func(value []byte) error {
				return b.add(frame{key: item.Key(), value: value, until: item.ExpiresAt()})
			}); err != nil {
				return err
			}
		}
		return b.end()
	})
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	return nil
}

// tool runs a long walk of an operator's. The walk has a snapshot of its own and runs on the caller's goroutine, so that
// it does not keep a reader busy; ctx is for the walk to look at.
func (s *Store) tool(ctx context.Context, what string, walk func(txn *bdb.Txn) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	snaps := make(chan *snapshot, 1)
	var err error
	s.read(op{}, what, func(snap *snapshot) error {
		snaps <- snap.hold()
		return nil
	}, func(e error) {
		if err = e; e != nil {
			close(snaps)
		}
	})
	snap := <-snaps
	if snap == nil {
		return err
	}
	s.tools.RLock()
	defer s.tools.RUnlock()
	defer snap.release()
	p := progress{s: s, ctx: ctx}
	if err := p.step(); err != nil {
		return err
	}
	return guard(func() error { return walk(snap.txn) })
}

// progress is how far a walk is.
type progress struct {
	s    *Store
	ctx  context.Context // of the walk
	what string
	keys uint64
}

// progressKeys is how many keys lie between two calls of Options.Progress.
const progressKeys = 100_000

// step counts a key, and ends the walk when its context has, or the Store is closed.
func (p *progress) step() error {
	if err := p.ctx.Err(); err != nil {
		return err
	}
	if p.s.isClosed() {
		return ErrClosed
	}
	if p.keys++; p.keys%progressKeys == 0 && p.s.opts.Progress != nil {
		p.s.opts.Progress(p.what, p.keys)
	}
	return nil
}

// Restore makes a data directory of a backup. dir must be empty, or not be there. When Restore fails it leaves the directory
// as it found it. Session Expiry Intervals and the lifetimes of messages go on from the time they were stored.
func Restore(ctx context.Context, dir string, r io.Reader) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	there, err := isEmpty(dir)
	if err != nil {
		return fmt.Errorf("restore into %s: %w", dir, err)
	}
	err = restore(ctx, dir, r)
	if err == nil {
		return nil
	}
	return errors.Join(fmt.Errorf("restore into %s: %w", dir, err), clearDir(dir, there))
}

// isEmpty tells whether dir is there. It must be empty if it is.
func isEmpty(dir string) (there bool, err error) {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err == nil && len(entries) > 0:
		return true, ErrNotEmpty
	}
	return true, err
}

// clearDir removes what a failed Restore has made.
func clearDir(dir string, keep bool) error {
	if !keep {
		return os.RemoveAll(dir)
	}
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	return err
}

func restore(ctx context.Context, dir string, r io.Reader) error {
	lock, err := prepareDir(dir)
	if err != nil {
		return err
	}
	defer lock.Close()
	o, err := Options{Dir: dir, Sync: SyncNever}.withDefaults()
	if err != nil {
		return err
	}
	db, err := openBadger(o)
	if err != nil {
		return err
	}
	batch := db.NewWriteBatch()
	defer batch.Cancel()
	layout := uint64(0)
	err = readBackup(r, func(f frame) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if bytes.Equal(f.key, metaKey(metaLayout, "")) {
			layout, _ = decodeNumber(f.value)
		}
		return batch.SetEntry(&bdb.Entry{Key: f.key, Value: f.value, ExpiresAt: f.until})
	})
	if err == nil && layout != layoutVersion {
		err = fmt.Errorf("%w: the backup has version %d, this program knows %d", ErrLayout, layout, layoutVersion)
	}
	if err == nil {
		err = batch.Flush()
	}
	if err == nil {
		err = db.Sync()
	}
	return errors.Join(err, db.Close())
}
