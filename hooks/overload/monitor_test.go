package overload

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestMonitor hands readings to the Machine, and tells what becomes of them, in no real time.
func TestMonitor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now atomic.Pointer[Reading]
		now.Store(new(Reading))
		seconds := func(m Measure) time.Duration { return time.Duration(now.Load()[m] * float64(time.Second)) }
		var levels []Level
		changes := 0
		m := NewMonitor(MachineConfig{Thresholds: [measures]Thresholds{LoopLag: {1}, MemoryShare: {0, 0.5}, CommitTime: {0, 0, 3}}, Quiet: time.Second},
			Sources{
				LoopLag:    func() time.Duration { return seconds(LoopLag) },
				Memory:     func() float64 { return now.Load()[MemoryShare] },
				CommitTime: func(time.Duration) time.Duration { return seconds(CommitTime) },
			}, func(s Status, changed bool) {
				levels = append(levels, s.Level)
				if changed {
					changes++
				}
			})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); m.Run(ctx) }()
		step := func(n int) {
			time.Sleep(time.Duration(n)*time.Second + time.Millisecond)
			synctest.Wait()
		}
		now.Store(&Reading{LoopLag: 2})
		step(2)
		now.Store(&Reading{LoopLag: 2, MemoryShare: 0.5})
		step(1)
		now.Store(&Reading{LoopLag: 2, MemoryShare: 0.5, CommitTime: 3})
		step(2)
		cancel()
		<-done
		want := []Level{Normal, Elevated, High, High, Critical}
		if len(levels) != len(want) {
			t.Fatalf("got %v, want %v", levels, want)
		}
		for i := range want {
			if levels[i] != want[i] {
				t.Fatalf("got %v, want %v", levels, want)
			}
		}
		s := m.Status()
		if s.Level != Critical || s.Cause != CommitTime || s.Reading != (Reading{2, 0.5, 3}) || s.Entered != [4]uint64{0, 1, 1, 1} || changes != 3 {
			t.Errorf("got %+v and %d changes, want critical by commit_time, each level entered once", s, changes)
		}
	})
}

// A Monitor without sources stays where it is.
func TestMonitorWithoutSources(t *testing.T) {
	told := 0
	m := NewMonitor(MachineConfig{Thresholds: [measures]Thresholds{LoopLag: {1}}}, Sources{}, func(Status, bool) { told++ })
	m.Sample(0)
	m.Sample(time.Second)
	if s := m.Status(); s.Level != Normal || told != 2 {
		t.Errorf("got %+v, told %d times, want normal, 2", s, told)
	}
}
