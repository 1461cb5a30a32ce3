package wiretest

import "runtime"

// LiveHeap is what the garbage collector leaves, in bytes.
func LiveHeap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
