package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"syscall"

	"github.com/holdfast-mqtt/holdfast/center"
	"github.com/holdfast-mqtt/holdfast/cmd/holdfast/config"
	"github.com/holdfast-mqtt/holdfast/storage/badger"
)

// disk is an open data directory as the API and the store commands see it: a center.Store and a storeTool.
type disk struct {
	store *badger.Store

	mu       sync.Mutex                   // guards the rest
	watchers map[string]func(keys uint64) // by what they watch
}

// openDisk opens the data directory that c names. Whoever opens must close disk.store.
func openDisk(ctx context.Context, c *config.Config, log *slog.Logger) (*disk, error) {
	d := &disk{watchers: make(map[string]func(uint64))}
	o := diskOptions(c)
	o.Logger, o.Progress = log, d.progress
	var err error
	if d.store, err = badger.Open(ctx, o); err != nil {
		return nil, adviseOnOpen(c.Data, err)
	}
	return d, nil
}

// diskOptions is what c says about the store.
func diskOptions(c *config.Config) badger.Options {
	s := &c.Storage
	return badger.Options{
		Dir: c.Data,
		Sync: map[string]badger.SyncMode{
			config.SyncAlways: badger.SyncAlways, config.SyncInterval: badger.SyncInterval, config.SyncNever: badger.SyncNever,
		}[s.Sync],
		SyncEvery:   s.SyncEvery,
		CommitDelay: orNone(s.CommitDelay),
		MaxPending:  int64(s.MaxPending),
		MinFree:     int64(s.MinFree),
		MailboxAge:  s.MailboxAge,
		LogMessages: s.LogMessages,
		LogBytes:    int64(s.LogBytes),
	}
}

// adviseOnOpen says what can be done about a data directory that can't be opened.
func adviseOnOpen(dir string, err error) error {
	info, statErr := os.Stat(dir)
	advice := ""
	switch {
	case errors.Is(err, badger.ErrInUse):
		advice = "stop it or choose another --data"
	case errors.Is(err, badger.ErrLayout):
		advice = "use the version of holdfast that has written it, or choose another --data"
	case errors.Is(err, syscall.EROFS):
		advice = "the file system is read-only; choose another --data"
	case errors.Is(err, fs.ErrPermission):
		advice = "make it belong to the user that holdfast runs as, or choose another --data"
	case statErr == nil && !info.IsDir():
		advice = "choose another --data"
	case errors.Is(err, fs.ErrNotExist):
		advice = "make the directory above it, or choose another --data"
	default:
		return err
	}
	return fmt.Errorf("%w: %s", err, advice)
}

// watch has f told how far what is. The returned function ends that.
func (d *disk) watch(what string, f func(keys uint64)) (end func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.watchers[what] = f
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.watchers, what)
	}
}

func (d *disk) progress(what string, keys uint64) {
	d.mu.Lock()
	f := d.watchers[what]
	d.mu.Unlock()
	if f != nil {
		f(keys)
	}
}

// Stats implements center.Store.
func (d *disk) Stats() center.StoreStats {
	st := d.store.Stats()
	out := center.StoreStats{
		Commits: st.Batches, Entries: st.Entries, Cancelled: st.Cancelled, Refused: st.Refused, Reads: st.Reads,
		Corrupt: st.Corrupt, GCRuns: st.GCRuns, Errors: st.Errors,
		PendingOperations: st.PendingOps, PendingBytes: st.PendingBytes, Bodies: st.Bodies, Full: st.Full,
		LSMBytes: st.LSMBytes, VlogBytes: st.VlogBytes, CommitSeconds: st.CommitTime.Seconds(),
		LastError: st.LastError, LastErrorAt: st.LastErrorAt,
	}
	n := uint64(0)
	for i, le := range badger.LatencyBuckets {
		n += st.CommitLatency[i]
		out.CommitLatency = append(out.CommitLatency, center.LatencyBucket{Seconds: le.Seconds(), Count: n})
	}
	// The counters are read one by one while commits go on: the sum is what the buckets have.
	out.Commits = n + st.CommitLatency[len(badger.LatencyBuckets)]
	return out
}

// Usage implements center.Store.
func (d *disk) Usage(ctx context.Context) (center.StoreUsage, error) {
	u, err := d.store.Usage(ctx)
	return usageOf(&u), err
}

func usageOf(u *badger.Usage) center.StoreUsage {
	amount := func(a badger.Amount) center.StoreAmount { return center.StoreAmount{Count: a.Count, Bytes: a.Bytes} }
	return center.StoreUsage{
		Sessions: amount(u.Sessions), Mailboxes: u.Mailboxes, Entries: amount(u.Entries), Receipts: amount(u.Receipts),
		Cursors: amount(u.Cursors), Bodies: amount(u.Bodies), Logs: amount(u.Logs), Retained: amount(u.Retained), Other: amount(u.Other),
		LSMBytes: u.LSMBytes, VlogBytes: u.VlogBytes,
	}
}

// Check implements center.Store.
func (d *disk) Check(ctx context.Context, progress func(uint64), fault func(center.StoreFault)) (center.StoreCheck, error) {
	defer d.watch("check", progress)()
	r, err := d.store.Check(ctx, func(f badger.Fault) {
		fault(center.StoreFault{Key: hex.EncodeToString(f.Key), Error: f.Err.Error()})
	})
	return center.StoreCheck{Usage: usageOf(&r.Usage), Faults: r.Faults, Unneeded: r.Unneeded}, err
}

// Backup implements center.Store.
func (d *disk) Backup(ctx context.Context, w io.Writer) error { return d.store.Backup(ctx, w) }

// report implements storeTool.
func (d *disk) report(ctx context.Context, progress func(uint64)) (center.StoreReport, error) {
	defer d.watch("usage", progress)()
	u, err := d.Usage(ctx)
	return center.StoreReport{Usage: &u}, err
}

// Close implements storeTool.
func (d *disk) Close() error { return d.store.Close() }
