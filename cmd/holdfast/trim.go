package main

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

// How the heap is kept near what is in use. A broker's live heap is its idle connections; what it
// allocates beyond that comes in bursts, such as ten thousand clients connecting at once.
const (
	gcPercent    = 50               // growth before a collection, in percent of a large live heap
	gcHeadroom   = 16 << 20         // growth before a collection, in bytes, for a small one
	trimInterval = time.Second      // between two looks
	trimAgain    = 30 * time.Second // at least between two trims
	trimSlack    = 8                // worth it when an eighth of the memory is slack
	trimQuiet    = trimInterval / 5 // the loops' work per look below which the node is quiet
)

// keepHeapLean sets how eagerly the heap is collected, unless the operator has (GOGC), and gives memory
// back to the system when the node is quiet after a burst. It returns when ctx ends.
func keepHeapLean(ctx context.Context, engine *netloop.Engine) {
	percent := 0
	tune := func(live uint64) {
		if p := percentFor(live); p != percent && os.Getenv("GOGC") == "" {
			percent = p
			debug.SetGCPercent(p)
		}
	}
	tune(readHeap().live)
	tick := time.NewTicker(trimInterval)
	defer tick.Stop()
	var t trimmer
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			h := readHeap()
			tune(h.live)
			if t.due(now, engine.Stats().TurnTime, h) {
				debug.FreeOSMemory()
				t.trimmed(now, readHeap())
			}
		}
	}
}

// percentFor is the growth to allow, in percent of the live heap, in steps of 10: setting it stops the
// world for a moment and should be rare.
func percentFor(live uint64) int {
	p := gcHeadroom * 100 / max(live, 4<<20)
	return max(int(p/10*10), gcPercent)
}

// heap is what the process has of the system's memory for its heap, in bytes.
type heap struct{ live, inUse, slack uint64 }

func readHeap() heap {
	s := []metrics.Sample{
		{Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/unused:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
	}
	metrics.Read(s)
	objects, unused, free := s[1].Value.Uint64(), s[2].Value.Uint64(), s[3].Value.Uint64()
	live := min(s[0].Value.Uint64(), objects)
	return heap{live: live, inUse: objects + unused + free, slack: objects + unused + free - live}
}

// trimmer decides when memory should be given back.
type trimmer struct {
	last  time.Time     // of the last trim
	work  time.Duration // of the loops, at the last look
	floor uint64        // slack that the last trim has left: fragments, which another would not change
	inUse uint64        // at the last look
}

// due tells whether to trim now: the node is quiet, memory has stopped growing, and there is enough slack.
func (t *trimmer) due(now time.Time, work time.Duration, h heap) bool {
	quiet := work-t.work < trimQuiet && h.inUse <= t.inUse+t.inUse/64
	t.work, t.inUse = work, h.inUse
	return quiet && now.Sub(t.last) >= trimAgain && h.slack > t.floor+h.inUse/trimSlack
}

func (t *trimmer) trimmed(now time.Time, h heap) {
	t.last, t.floor, t.inUse = now, h.slack, h.inUse
}
