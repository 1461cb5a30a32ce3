package badger

import (
	"errors"
	"io/fs"
	"path/filepath"
	"time"

	bdb "github.com/dgraph-io/badger/v4"
)

// How often upkeep looks after things.
const (
	pokeEvery   = time.Second      // bodies to delete, room on the disk
	expireEvery = time.Minute      // bodies that have left by themselves, sizes of files
	gcEvery     = 10 * time.Minute // the value log
)

// gcFiles bounds how many files of the value log are rewritten at a time, gcRatio is how much of one must be garbage.
const (
	gcFiles = 4
	gcRatio = 0.5
)

// upkeep does what has to be done now and then.
func (s *Store) upkeep() {
	every := s.opts.SyncEvery
	if s.opts.Sync != SyncInterval {
		every = time.Hour
	}
	sync, poke := time.NewTicker(every), time.NewTicker(pokeEvery)
	expire, gc := time.NewTicker(expireEvery), time.NewTicker(gcEvery)
	defer func() {
		for _, t := range []*time.Ticker{sync, poke, expire, gc} {
			t.Stop()
		}
	}()
	s.measure()
	for {
		select {
		case <-s.done:
			return
		case <-sync.C:
			s.sync()
		case <-poke.C:
			s.q.poke()
		case <-expire.C:
			s.bodies.expire(s.clock.badgerNow())
			s.measure()
		case <-gc.C:
			s.collect()
		}
	}
}

// sync forces onto the disk what was written since the last time.
func (s *Store) sync() {
	if s.opts.Sync != SyncInterval {
		return
	}
	err := s.opts.hooks.fault("sync")
	if err == nil {
		err = s.db.Sync()
		s.breakOn(err)
	}
	if err != nil {
		s.failed("sync", err)
	}
}

// collect rewrites files of the value log that are mostly garbage. It needs room for what is left of them.
func (s *Store) collect() {
	for range gcFiles {
		if s.space.room() != roomy {
			return
		}
		err := s.db.RunValueLogGC(gcRatio)
		if errors.Is(err, bdb.ErrNoRewrite) || errors.Is(err, bdb.ErrRejected) {
			return
		}
		if err != nil {
			s.failed("value log collection", err)
			return
		}
		s.counters.gcRuns.Add(1)
		if s.isClosed() {
			return
		}
	}
}

// measure looks how large the files are. Badger makes its logs larger than they are filled.
func (s *Store) measure() {
	var lsm, vlog int64
	err := filepath.WalkDir(s.opts.Dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // compacted meanwhile
		}
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return nil
		}
		if filepath.Ext(path) == ".vlog" {
			vlog += diskBytes(info)
		} else {
			lsm += diskBytes(info)
		}
		return nil
	})
	if err != nil {
		s.failed("measure", err)
		return
	}
	s.counters.lsmBytes.Store(lsm)
	s.counters.vlogBytes.Store(vlog)
}
