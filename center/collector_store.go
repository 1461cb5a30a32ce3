package center

import "github.com/prometheus/client_golang/prometheus"

// The metrics of the durable store.
var (
	storeEntries   = counter("store_entries_total", "Keys written or deleted; divided by the commits it is the size of a batch.")
	storeCancelled = counter("store_cancelled_total", "Messages that their device has acknowledged before they were written.")
	storeRefused   = counter("store_refused_total", "Writes refused: the disk is full, too much waits, or the store is closed.")
	storeReads     = counter("store_reads_total", "Reads.")
	storeCorrupt   = counter("store_corrupt_total", "Values left out because they are corrupt or have lost their body.")
	storeGCRuns    = counter("store_gc_runs_total", "Files of the value log rewritten to free space.")
	storeErrors    = counter("store_errors_total", "Times that the disk or the database did not do what it should.")
	storePending   = gauge("store_pending_operations", "Operations handed over and not committed.")
	storePendingBy = gauge("store_pending_bytes", "Bytes handed over and not committed.")
	storeBodies    = gauge("store_bodies", "Messages that are stored once for several Sessions.")
	storeFull      = gauge("store_full", "1 while writes are refused because too little of the disk is free, else 0.")
	storeDisk      = gauge("store_disk_bytes", "Bytes on disk, as of the last minute.", "part")
	storeCommits   = prometheus.NewDesc("holdfast_store_commit_seconds", "Time of a commit.", nil, nil)
)

func collectStore(st StoreStats, emit emitFunc, ch chan<- prometheus.Metric) {
	emit(storeEntries, float64(st.Entries))
	emit(storeCancelled, float64(st.Cancelled))
	emit(storeRefused, float64(st.Refused))
	emit(storeReads, float64(st.Reads))
	emit(storeCorrupt, float64(st.Corrupt))
	emit(storeGCRuns, float64(st.GCRuns))
	emit(storeErrors, float64(st.Errors))
	emit(storePending, float64(st.PendingOperations))
	emit(storePendingBy, float64(st.PendingBytes))
	emit(storeBodies, float64(st.Bodies))
	full := 0.0
	if st.Full {
		full = 1
	}
	emit(storeFull, full)
	emit(storeDisk, float64(st.LSMBytes), "lsm")
	emit(storeDisk, float64(st.VlogBytes), "value_log")
	buckets := make(map[float64]uint64, len(st.CommitLatency))
	for _, b := range st.CommitLatency {
		buckets[b.Seconds] = b.Count
	}
	ch <- prometheus.MustNewConstHistogram(storeCommits, st.Commits, st.CommitSeconds, buckets)
}
