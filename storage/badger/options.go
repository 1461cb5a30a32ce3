package badger

import (
	"errors"
	"log/slog"
	"time"
)

// SyncMode says when what is committed is forced onto the disk.
type SyncMode uint8

const (
	// SyncAlways forces each batch onto the disk before it counts as safe: it survives the loss of power. It is the default.
	SyncAlways SyncMode = iota
	// SyncInterval does so every SyncEvery. What is safe survives the end of the process at any moment; a loss of power takes
	// what was written since the last time.
	SyncInterval
	// SyncNever leaves it to the operating system.
	SyncNever
)

// Options say how a Store works. Zero fields get the default.
type Options struct {
	// Dir is the data directory. It is made, with mode 0700, if it is not there; the directory above must be.
	Dir string
	// Sync says when writes are forced onto the disk.
	Sync SyncMode
	// SyncEvery is the time between two syncs of SyncInterval; default 100 ms.
	SyncEvery time.Duration
	// CommitDelay is how long a write may wait for others, so that the acknowledgement of a device can cancel it; default
	// 1 ms, less than 0 is none.
	CommitDelay time.Duration
	// MaxBatch is how many operations are written at once; default 4096. Brackets may make it more.
	MaxBatch int
	// MaxPending is how many bytes may have been handed over and not be committed yet; default 64 MiB. What would be
	// more is refused.
	MaxPending int64
	// MinFree is how many bytes must be free on the disk; default 512 MiB. Below that only deletions are
	// accepted, and below a quarter of it nothing.
	MinFree int64
	// MailboxAge is how long entries, bodies and messages of logs are kept; default 7 days.
	MailboxAge time.Duration
	// LogMessages and LogBytes bound the log of broadcasts of each App; defaults 1000 and 64 MiB. The oldest messages leave.
	LogMessages int
	LogBytes    int64
	// Progress is told by Backup, Check and Usage, now and then, how many keys they have seen; nil is nobody.
	Progress func(what string, keys uint64)
	// Logger gets what an operator should know; nil is nobody.
	Logger *slog.Logger

	hooks hooks
}

// hooks let tests interfere.
type hooks struct {
	// fault is called before the database is asked to do something; it may wait, and what it returns is taken for the result.
	fault func(what string) error
	// free returns the bytes free on the disk.
	free func(dir string) (int64, error)
	// now is the wall clock at the start.
	now func() time.Time
	// memTable and valueThreshold replace the sizes of Badger's if they are not 0.
	memTable, valueThreshold, vlogFile int64
	// noScan leaves the scan at the start out, until the test calls scan.
	noScan bool
}

// cacheBytes is how much of the messages owed to many is kept in memory.
const cacheBytes = 32 << 20

func (o Options) withDefaults() (Options, error) {
	if o.Dir == "" {
		return o, errors.New("no data directory is named")
	}
	if o.Sync > SyncNever {
		return o, errors.New("unknown sync mode")
	}
	defaultTo(&o.SyncEvery, 100*time.Millisecond)
	defaultTo(&o.CommitDelay, time.Millisecond)
	defaultTo(&o.MaxBatch, 4096)
	defaultTo(&o.MaxPending, 64<<20)
	defaultTo(&o.MinFree, 512<<20)
	defaultTo(&o.MailboxAge, 7*24*time.Hour)
	defaultTo(&o.LogMessages, 1000)
	defaultTo(&o.LogBytes, 64<<20)
	defaultTo(&o.hooks.memTable, memTableSize)
	defaultTo(&o.hooks.valueThreshold, valueThreshold)
	defaultTo(&o.hooks.vlogFile, vlogFileSize)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.hooks.fault == nil {
		o.hooks.fault = func(string) error { return nil }
	}
	if o.hooks.free == nil {
		o.hooks.free = freeBytes
	}
	if o.hooks.now == nil {
		o.hooks.now = time.Now
	}
	return o, nil
}

func defaultTo[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}
