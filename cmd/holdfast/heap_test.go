package main

import (
	"testing"
	"time"
)

func TestPacer(t *testing.T) {
	const mib = 1 << 20
	p := pacer{percent: gcPercent}
	for i, step := range []struct {
		h    heap
		want int
	}{
		{heap{live: 4 * mib, cycles: 1}, gcPercent},                      // start
		{heap{live: 8 * mib, cycles: 5}, gcPercent},                      // connections come in: what lives grows
		{heap{live: 8 * mib, cycles: 6}, gcPercent},                      // one collection is not too many
		{heap{live: 8 * mib, cycles: 9}, 200},                            // three are: 16 MiB
		{heap{live: 8 * mib, cycles: 9}, 200},                            // stays while it is used
		{heap{live: 1024 * mib, cycles: 12}, gcPercent},                  // grown
		{heap{live: 1024 * mib, cycles: 15}, gcPercent},                  // half a gigabyte is enough
		{heap{live: mib, cycles: 18}, int(gcHeadroom * 100 / (4 << 20))}, // the runtime's least heap is 4 MiB
		{heap{live: mib, cycles: 18}, int(gcHeadroom * 100 / (4 << 20))}, // calm, but not for long
	} {
		if got := p.next(step.h); got != step.want {
			t.Errorf("step %d: got %d %%, want %d", i, got, step.want)
		}
		p.percent = step.want
	}
	for range calmLooks {
		p.percent = p.next(heap{live: mib, cycles: 18})
	}
	if p.percent != gcPercent {
		t.Errorf("after %d looks without a collection: got %d %%, want %d", calmLooks, p.percent, gcPercent)
	}
}

func TestTrimmer(t *testing.T) {
	const mib = 1 << 20
	start := time.Unix(0, 0)
	var tr trimmer
	for i, step := range []struct {
		at   time.Duration
		work time.Duration // of the loops, in all
		h    heap
		want bool
	}{
		{1 * time.Second, 1 * time.Second, heap{inUse: 40 * mib, slack: 20 * mib}, false}, // busy
		{2 * time.Second, 1 * time.Second, heap{inUse: 60 * mib, slack: 20 * mib}, false}, // quiet, growing
		{3 * time.Second, 1 * time.Second, heap{inUse: 60 * mib, slack: 20 * mib}, true},
		{4 * time.Second, 1 * time.Second, heap{inUse: 60 * mib, slack: 20 * mib}, false}, // not again so soon
		{40 * time.Second, 1 * time.Second, heap{inUse: 45 * mib, slack: 9 * mib}, false}, // 5 could not be given back then
		{50 * time.Second, 1 * time.Second, heap{inUse: 45 * mib, slack: 12 * mib}, true},
		{51 * time.Second, 1 * time.Second, heap{inUse: 60 * mib, slack: 15 * mib, live: 45 * mib}, false},
		{52 * time.Second, 1 * time.Second, heap{inUse: 60 * mib, slack: 15 * mib, live: 45 * mib}, false}, // garbage only
		{53 * time.Second, 1 * time.Second, heap{inUse: 80 * mib, slack: 20 * mib, live: 60 * mib}, false}, // growing
		{54 * time.Second, 1 * time.Second, heap{inUse: 80 * mib, slack: 20 * mib, live: 60 * mib}, true},  // the burst went on
	} {
		now := start.Add(step.at)
		if got := tr.due(now, step.work, step.h); got != step.want {
			t.Errorf("step %d: got %v, want %v", i, got, step.want)
		}
		if step.want {
			tr.trimmed(now, heap{inUse: 45 * mib, slack: 5 * mib, live: 40 * mib})
		}
	}
}

func TestReadHeap(t *testing.T) {
	if h := readHeap(); h.inUse == 0 || h.live > h.inUse || h.slack > h.inUse {
		t.Errorf("got %+v, want live and slack within what is in use", h)
	}
}
