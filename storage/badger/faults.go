package badger

import (
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	bdb "github.com/dgraph-io/badger/v4"
)

// maxKnownFaults bounds the memory of which keys were reported.
const maxKnownFaults = 1000

// faultLog remembers what was reported already.
type faultLog struct {
	mu      sync.Mutex
	keys    map[string]struct{}
	texts   map[string]time.Time
	ignored bool // there were more
}

// corrupt notes a value that is left out. Each key is logged once.
func (s *Store) corrupt(key []byte, err error) {
	s.counters.corrupt.Add(1)
	f := &s.faults
	f.mu.Lock()
	_, known := f.keys[string(key)]
	if !known && len(f.keys) < maxKnownFaults {
		if f.keys == nil {
			f.keys = make(map[string]struct{})
		}
		f.keys[string(key)] = struct{}{}
	}
	known = known || len(f.keys) >= maxKnownFaults && f.ignored
	f.ignored = len(f.keys) >= maxKnownFaults
	f.mu.Unlock()
	if !known {
		s.log.Error("stored value is corrupt, it is left out", "key", hex.EncodeToString(key[:min(len(key), 64)]), "error", err)
	}
}

// breakOn has nothing written any more once the database has failed to write, if err is that. Badger's log may have a hole
// then: the system forgets what it could not force onto the disk. What came behind the hole would be lost with the next
// start, although it was acknowledged.
func (s *Store) breakOn(err error) {
	if err == nil || errors.Is(err, bdb.ErrTxnTooBig) {
		return
	}
	broken := fmt.Errorf("%w: %w", ErrBroken, err)
	if s.broken.CompareAndSwap(nil, &broken) {
		s.log.Error("disk has failed, nothing is stored until the next start", "dir", s.opts.Dir, "error", err)
	}
}

// failureEvery is how often one kind of failure is logged.
const failureEvery = 10 * time.Second

// failed notes that the disk or the database did not do what it should. Each kind is logged now and then.
func (s *Store) failed(what string, err error) {
	now := time.Now()
	s.counters.errors.Add(1)
	s.counters.lastError.Store(&failure{at: now, text: err.Error()})
	f := &s.faults
	f.mu.Lock()
	last, known := f.texts[what]
	report := !known || now.Sub(last) >= failureEvery
	if report {
		if f.texts == nil {
			f.texts = make(map[string]time.Time)
		}
		f.texts[what] = now
	}
	f.mu.Unlock()
	if report {
		s.log.Error("store does not work", "operation", what, "error", err)
	}
}
