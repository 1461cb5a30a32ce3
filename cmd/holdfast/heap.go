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
	paceInterval = time.Second / 5  // between two looks at the collector
	busyCycles   = 2                // collections in that time that are too many
	calmLooks    = 50               // looks without a collection after which the bytes are asked back
	trimInterval = time.Second      // between two looks at what could be given back
	trimAgain    = 30 * time.Second // at least between two trims, unless much has come to stay since
	trimSlack    = 8                // worth it when an eighth of the memory is slack
	trimQuiet    = trimInterval / 5 // the loops' work per look below which the node is quiet
)

// keepHeapLean sets how eagerly the heap is collected, unless the operator has (GOGC), and gives memory
// back to the system when the node is quiet after a burst. It returns when ctx ends.
func keepHeapLean(ctx context.Context, engine *netloop.Engine) {
	p := pacer{percent: gcPercent, fixed: os.Getenv("GOGC") != ""}
	p.set(gcPercent)
	tick := time.NewTicker(paceInterval)
	defer tick.Stop()
	var t trimmer
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			h := readHeap()
			p.set(p.next(h))
			if t.looks(now) && t.due(now, engine.Stats().TurnTime, h) {
				debug.FreeOSMemory()
				t.trimmed(now, readHeap())
			}
		}
	}
}

// pacer decides how much the heap may grow before it is collected. While connections come in, little:
// garbage between what stays leaves holes that no trim can give back. When messages cause
// collections one after the other although nothing stays, more.
type pacer struct {
	percent int
	fixed   bool   // the operator has decided
	live    uint64 // at the last look
	cycles  uint64 // of the collector, at the last look
	calm    int    // looks in a row without collections
}

// next returns the percentage for the time until the next look.
func (p *pacer) next(h heap) int {
	cycles, grown := h.cycles-p.cycles, h.live > p.live+p.live/16
	p.cycles, p.live = h.cycles, h.live
	if cycles > 0 {
		p.calm = 0
	} else {
		p.calm++
	}
	switch {
	case grown, p.calm > calmLooks:
		return gcPercent
	case cycles >= busyCycles:
		return max(int(gcHeadroom*100/max(h.live, 4<<20)), gcPercent)
	}
	return p.percent
}

// set makes percent the one in force. It stops the world for a moment, so only when it is another.
func (p *pacer) set(percent int) {
	if p.fixed || percent == p.percent && p.cycles != 0 {
		return
	}
	p.percent = percent
	debug.SetGCPercent(percent)
}

// heap is what the process has of the system's memory for its heap, in bytes, and how often it has been
// collected.
type heap struct{ live, inUse, slack, cycles uint64 }

func readHeap() heap {
	s := []metrics.Sample{
		{Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/unused:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
		{Name: "/gc/cycles/total:gc-cycles"},
	}
	metrics.Read(s)
	objects, unused, free := s[1].Value.Uint64(), s[2].Value.Uint64(), s[3].Value.Uint64()
	live := min(s[0].Value.Uint64(), objects)
	return heap{live: live, inUse: objects + unused + free, slack: objects + unused + free - live, cycles: s[4].Value.Uint64()}
}

// trimmer decides when memory should be given back.
type trimmer struct {
	looked time.Time     // when due was asked last
	last   time.Time     // of the last trim
	work   time.Duration // of the loops, at the last look
	floor  uint64        // slack that the last trim has left: fragments, which another would not change
	inUse  uint64        // at the last look
	live   uint64        // at the last trim
}

// looks tells whether it is time for a look.
func (t *trimmer) looks(now time.Time) bool {
	if now.Sub(t.looked) < trimInterval {
		return false
	}
	t.looked = now
	return true
}

// due tells whether to trim now: the node is quiet, memory has stopped growing, and there is enough slack.
func (t *trimmer) due(now time.Time, work time.Duration, h heap) bool {
	quiet := work-t.work < trimQuiet && h.inUse <= t.inUse+t.inUse/64
	t.work, t.inUse = work, h.inUse
	// A pause in a burst of connections looks like its end: what comes after it has slack of its own.
	again := now.Sub(t.last) >= trimAgain || h.live > t.live+t.live/4
	return quiet && again && h.slack > t.floor+h.inUse/trimSlack
}

func (t *trimmer) trimmed(now time.Time, h heap) {
	t.last, t.floor, t.inUse, t.live = now, h.slack, h.inUse, h.live
}
