package center

import (
	"context"
	"io"
	"time"
)

// Store is what the API and the metrics show of a node's durable store. Its methods may be called from
// several goroutines. Those with a context block until they are done or it has ended.
type Store interface {
	// Stats returns what the store has done and how it is. It costs little.
	Stats() StoreStats
	// Usage counts what is stored.
	Usage(ctx context.Context) (StoreUsage, error)
	// Check reads and verifies all that is stored. progress is told how many keys have been read, fault each
	// that is wrong; both are called on the caller's goroutine. There is one Check at a time.
	Check(ctx context.Context, progress func(keys uint64), fault func(StoreFault)) (StoreCheck, error)
	// Backup writes all that is stored to w. What w has got tells by itself whether it is whole.
	Backup(ctx context.Context, w io.Writer) error
}

// StoreReport is the answer of /v1/store/stats.
type StoreReport struct {
	Activity *StoreStats `json:"activity,omitempty"` // nil: nobody serves from the store
	Usage    *StoreUsage `json:"usage,omitempty"`    // nil: it was not asked for
}

// StoreStats is what a store has done since it was opened, and how it is.
type StoreStats struct {
	Commits   uint64 `json:"commits"`
	Entries   uint64 `json:"entries"`   // keys written or deleted
	Cancelled uint64 `json:"cancelled"` // messages acknowledged by the device before they were written
	Refused   uint64 `json:"refused"`   // writes that there was no room for
	Reads     uint64 `json:"reads"`
	Corrupt   uint64 `json:"corrupt"` // values that were left out
	GCRuns    uint64 `json:"gc_runs"` // files of the value log rewritten
	Errors    uint64 `json:"errors"`  // of the disk or the database

	PendingOperations int   `json:"pending_operations"`
	PendingBytes      int64 `json:"pending_bytes"`
	Bodies            int   `json:"bodies"` // messages stored once for many Sessions
	Full              bool  `json:"full"`   // writes are refused: too little of the disk is free

	LSMBytes  int64 `json:"lsm_bytes"` // on disk, as of the last minute
	VlogBytes int64 `json:"vlog_bytes"`

	CommitSeconds float64         `json:"commit_seconds"` // of all commits together
	CommitLatency []LatencyBucket `json:"commit_latency"` // ascending; slower ones are in Commits only

	LastError   string    `json:"last_error,omitempty"`
	LastErrorAt time.Time `json:"last_error_at,omitzero"`
}

// LatencyBucket is how many took at most so long, the faster ones included.
type LatencyBucket struct {
	Seconds float64 `json:"le_seconds"`
	Count   uint64  `json:"count"`
}

// StoreAmount is how many there are of something, and the bytes of their keys and values.
type StoreAmount struct {
	Count int64 `json:"count"`
	Bytes int64 `json:"bytes"`
}

// StoreUsage is what a store is full of.
type StoreUsage struct {
	Sessions  StoreAmount `json:"sessions"`
	Mailboxes int64       `json:"mailboxes"` // in which there is anything
	Entries   StoreAmount `json:"entries"`   // of mailboxes
	Receipts  StoreAmount `json:"receipts"`  // QoS 2 publishes that are not released
	Cursors   StoreAmount `json:"cursors"`   // places in logs of broadcasts
	Bodies    StoreAmount `json:"bodies"`    // messages stored once for many Sessions
	Logs      StoreAmount `json:"logs"`      // messages in logs of broadcasts
	Retained  StoreAmount `json:"retained"`
	Other     StoreAmount `json:"other"` // the store's own, and further parts of receipts
	LSMBytes  int64       `json:"lsm_bytes"`
	VlogBytes int64       `json:"vlog_bytes"`
}

// StoreCheck is what a check has seen.
type StoreCheck struct {
	Usage    StoreUsage `json:"usage"`
	Faults   int        `json:"faults"`
	Unneeded int        `json:"unneeded"` // bodies that nobody refers to: no fault, they leave at the next start
}

// StoreFault is something wrong with what is stored.
type StoreFault struct {
	Key   string `json:"key,omitempty"` // in hexadecimal; "" if it is of no single key
	Error string `json:"error"`
}

// CheckLine is one line of the answer of /v1/store/check. One field of it is set. The last line has Result or
// Error; an answer that ends with another one was cut off.
type CheckLine struct {
	Keys   uint64      `json:"keys,omitempty"` // read so far
	Fault  *StoreFault `json:"fault,omitempty"`
	Result *StoreCheck `json:"result,omitempty"`
	Error  string      `json:"error,omitempty"` // why the check has ended early
}
