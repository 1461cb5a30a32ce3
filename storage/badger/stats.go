package badger

import (
	"sync/atomic"
	"time"
)

// LatencyBuckets are the upper bounds of Stats.CommitLatency; the last bucket has none.
var LatencyBuckets = [...]time.Duration{
	250 * time.Microsecond, 500 * time.Microsecond, time.Millisecond, 2 * time.Millisecond, 4 * time.Millisecond,
	8 * time.Millisecond, 16 * time.Millisecond, 32 * time.Millisecond, 64 * time.Millisecond, 128 * time.Millisecond,
	256 * time.Millisecond, 512 * time.Millisecond, time.Second, 4 * time.Second,
}

// Stats is what a Store has done since it was opened, and how it is.
type Stats struct {
	Batches   uint64 // commits
	Entries   uint64 // keys written or deleted
	Cancelled uint64 // Appends that were acknowledged before they were written
	Refused   uint64 // calls that were told broker.ErrStoreFull, or ErrClosed
	Reads     uint64
	Corrupt   uint64 // values that were left out: corrupt, or without a body
	GCRuns    uint64 // value log files rewritten
	Errors    uint64 // times that the disk or the database did not do what it should

	PendingOps   int
	PendingBytes int64 // handed over and not committed
	Bodies       int   // messages owed to many
	Full         bool  // the disk is, so that writes are refused
	Broken       bool  // the disk has failed, and nothing is written until the Store is opened again

	LSMBytes, VlogBytes int64 // on disk, as of the last minute

	// CommitLatency counts commits by how long they took: bucket i those of at most LatencyBuckets[i].
	CommitLatency [len(LatencyBuckets) + 1]uint64
	CommitTime    time.Duration // of all commits

	LastError   string // of the disk or the database; "" if there was none
	LastErrorAt time.Time
}

// counters are what Stats is made of.
type counters struct {
	batches, entries, reads, corrupt, gcRuns atomic.Uint64
	errors                                   atomic.Uint64
	walBytes                                 atomic.Uint64 // as Badger encodes them, without its value log
	lsmBytes, vlogBytes                      atomic.Int64
	latency                                  [len(LatencyBuckets) + 1]atomic.Uint64
	commitTime                               atomic.Int64
	lastError                                atomic.Pointer[failure]
}

type failure struct {
	at   time.Time
	text string
}

func (c *counters) committed(d time.Duration) {
	c.batches.Add(1)
	c.commitTime.Add(int64(d))
	i := 0
	for i < len(LatencyBuckets) && d > LatencyBuckets[i] {
		i++
	}
	c.latency[i].Add(1)
}

// Stats returns the figures. It may be called at any time, and costs little.
func (s *Store) Stats() Stats {
	c := &s.counters
	st := Stats{
		Batches: c.batches.Load(), Entries: c.entries.Load(), Reads: c.reads.Load(), Corrupt: c.corrupt.Load(), GCRuns: c.gcRuns.Load(),
		Errors: c.errors.Load(),
		Bodies: s.bodies.live(), Full: s.space.room() != roomy, Broken: s.broken.Load() != nil,
		LSMBytes: c.lsmBytes.Load(), VlogBytes: c.vlogBytes.Load(), CommitTime: time.Duration(c.commitTime.Load()),
	}
	for i := range c.latency {
		st.CommitLatency[i] = c.latency[i].Load()
	}
	if f := c.lastError.Load(); f != nil {
		st.LastError, st.LastErrorAt = f.text, f.at
	}
	q := s.q
	q.mu.Lock()
	defer q.mu.Unlock()
	st.Cancelled, st.Refused, st.PendingOps, st.PendingBytes = q.cancelled, q.refused, q.live, q.bytes
	return st
}
