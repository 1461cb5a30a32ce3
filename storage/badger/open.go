package badger

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	bdb "github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// layoutVersion is the version of the format in the package comment.
const layoutVersion = 1

// Sizes of Badger's. One table of memTableSize is filled in memory while up to memTables wait to be written to disk, each
// of them with a log of the same size; levelZeroStall of them on disk hold up writes until they are compacted. All that
// must fit into the reserve of disk space: 3 flushed, 10 compacted. A value from valueThreshold on goes into the value log.
const (
	memTableSize   = 32 << 20
	memTables      = 3
	levelZeroStall = 10
	valueThreshold = 1 << 20
	vlogFileSize   = 256 << 20
)

// Open opens the data directory, which it makes if need be, and starts the Store. It blocks while Badger replays
// its log, which ctx does not interrupt: it is looked at before. Whoever opens must Close.
//
// Errors: ErrInUse, ErrLayout, fs.ErrPermission, or what Badger finds wrong.
func Open(ctx context.Context, o Options) (*Store, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	lock, err := prepareDir(o.Dir)
	if err != nil {
		return nil, err
	}
	s := &Store{opts: o, log: o.Logger, lock: lock, done: make(chan struct{})}
	if s.db, err = openBadger(o); err != nil {
		lock.Close()
		return nil, fmt.Errorf("open data directory %s: %w", o.Dir, err)
	}
	if err := s.init(); err != nil {
		err = errors.Join(fmt.Errorf("open data directory %s: %w", o.Dir, err), s.db.Close())
		lock.Close()
		return nil, err
	}
	s.start()
	return s, nil
}

// prepareDir makes the directory, locks it, and mends what a crash may have left of Badger's logs.
func prepareDir(dir string) (*os.File, error) {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("make data directory: %w", err)
	}
	switch info, err := os.Stat(dir); {
	case err != nil:
		return nil, fmt.Errorf("data directory: %w", err)
	case !info.IsDir():
		return nil, fmt.Errorf("data directory %s is not a directory", dir)
	}
	lock, err := lockDir(dir)
	switch {
	case errors.Is(err, ErrInUse):
		return nil, err
	case errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS):
		return nil, fmt.Errorf("data directory %s is not writable: %w", dir, err)
	case err != nil:
		return nil, fmt.Errorf("lock data directory: %w", err)
	}
	if err := mendLogs(dir); err != nil {
		lock.Close()
		return nil, fmt.Errorf("mend data directory %s: %w", dir, err)
	}
	return lock, nil
}

func openBadger(o Options) (*bdb.DB, error) {
	opt := bdb.DefaultOptions(o.Dir).
		WithLogger(badgerLog{o.Logger}).
		WithSyncWrites(o.Sync == SyncAlways).
		WithNumVersionsToKeep(1).
		WithDetectConflicts(false).
		WithMetricsEnabled(false).
		WithMemTableSize(o.hooks.memTable).
		WithNumMemtables(memTables).
		WithNumLevelZeroTablesStall(levelZeroStall).
		WithNumCompactors(2).
		WithNumGoroutines(2).
		WithCompression(options.None).
		WithBlockCacheSize(0).
		WithChecksumVerificationMode(options.OnBlockRead).
		WithValueThreshold(o.hooks.valueThreshold).
		WithValueLogFileSize(o.hooks.vlogFile).
		WithVerifyValueChecksum(true)
	var db *bdb.DB
	err := guard(func() (err error) { db, err = bdb.Open(opt); return err })
	return db, err
}

// init reads what the Store must know before it serves.
func (s *Store) init() error {
	txn := s.db.NewTransaction(false)
	defer txn.Discard()
	if err := s.checkLayout(txn); err != nil {
		return err
	}
	last, err := getNumber(txn, metaKey(metaTime, ""))
	if err != nil {
		return err
	}
	s.clock = newClock(s.opts.hooks.now(), int64(last), s.opts.MailboxAge)
	s.timeSaved = int64(last)
	if s.lease, err = getNumber(txn, metaKey(metaLease, "")); err != nil {
		return err
	}
	s.lease = max(s.lease, 1)
	s.number.Store(s.lease)
	s.bodies = newBodies(s.lease, s.newNumber)
	s.bodies.expire(s.clock.badgerNow())
	s.cache = newCache(cacheBytes)
	return s.openLogs(txn)
}

// checkLayout refuses a directory of a version that is not known, and claims one that is empty.
func (s *Store) checkLayout(txn *bdb.Txn) error {
	v, err := getNumber(txn, metaKey(metaLayout, ""))
	if err != nil {
		return err
	}
	if v == layoutVersion {
		return nil
	}
	if v != 0 {
		return fmt.Errorf("%w: it has version %d, this program knows %d", ErrLayout, v, layoutVersion)
	}
	it := txn.NewIterator(bdb.IteratorOptions{})
	defer it.Close()
	if it.Rewind(); it.Valid() {
		return fmt.Errorf("%w: it is a Badger database, but not of holdfast", ErrLayout)
	}
	return s.db.Update(func(txn *bdb.Txn) error {
		return txn.Set(metaKey(metaLayout, ""), appendNumber(nil, layoutVersion))
	})
}

func getNumber(txn *bdb.Txn, key []byte) (uint64, error) {
	b, err := get(txn, key)
	if b == nil || err != nil {
		return 0, err
	}
	return decodeNumber(b)
}

// start runs the goroutines.
func (s *Store) start() {
	s.q = newQueue(s.opts.MaxPending, max(s.opts.MaxBatch/4, 1))
	s.purging = make(map[broker.Mailbox]*purging)
	s.readers.cond.L, s.purges.cond.L = &s.readers.mu, &s.purges.mu
	s.notes, s.free = make(chan *batch, batches), make(chan *batch, batches)
	for range batches {
		s.free <- new(batch)
	}
	s.checkSpace(0)
	s.started = newSnapshot(s.db)
	s.resumePurges()
	s.commits.Go(s.commitLoop)
	s.commits.Go(s.tellLoop)
	s.workers.Go(s.q.refuseLoop)
	for range readerCount {
		s.workers.Go(s.readers.loop)
	}
	s.workers.Go(s.purgeLoop)
	s.workers.Go(s.upkeep)
	if !s.opts.hooks.noScan {
		s.workers.Go(s.scan)
	}
}

// resumePurges goes on with the mailboxes whose end a crash or Close has interrupted.
func (s *Store) resumePurges() {
	it := iterate(s.started.txn, []byte{kindTombstone})
	defer it.Close()
	for it.Rewind(); it.Valid(); it.Next() {
		mb, err := numberOf(it.Item().Key())
		if err != nil {
			s.corrupt(it.Item().Key(), err)
			continue
		}
		s.startPurge(broker.Mailbox(mb), s.started.hold())
	}
}

// Close implements broker.Store. Calls made afterwards are told ErrClosed.
func (s *Store) Close() error {
	s.closing.Do(func() {
		close(s.done)
		s.purges.close()
		s.q.close()
		s.commits.Wait()
		s.q.finish()
		s.readers.close()
		s.workers.Wait()
		if s.opts.hooks.noScan {
			s.started.release()
		}
		s.tools.Lock()
		s.closed = s.db.Close()
		s.tools.Unlock()
		s.lock.Close()
	})
	return s.closed
}
