package netloop

import (
	"sync/atomic"
	"testing"
	"time"
)

// TestLag holds up a loop while a clock of the test's goes on.
func TestLag(t *testing.T) {
	eachEngine(t, func(t *testing.T, cfg Config) {
		var passed atomic.Int64
		start := time.Now()
		cfg.Now = func() time.Time { return start.Add(time.Duration(passed.Load())) }
		e := startEngine(t, cfg)
		lag := e.NewLag()
		settle := func() {
			for _, l := range e.Loops() {
				l.sync()
			}
		}
		want := func(when string, d time.Duration) {
			t.Helper()
			if got := lag.Sample(); got != d {
				t.Errorf("%s: got %v, want %v", when, got, d)
			}
		}
		want("at first", 0)
		settle()
		want("loops that have nothing to do", 0)
		settle()
		free := make(chan struct{})
		held := make(chan struct{})
		e.Loops()[0].PostFunc(func() { close(held); <-free })
		receive(t, held, "turn that is held up")
		want("nothing was posted since", 0)
		passed.Add(int64(2 * time.Second))
		want("still held up", 2*time.Second)
		passed.Add(int64(time.Second))
		want("longer", 3*time.Second)
		close(free)
		settle()
		want("it has gone on after so long", 3*time.Second)
		settle()
		want("and is in time again", 0)
	})
}

// An engine that has ended is never late.
func TestLagAfterShutdown(t *testing.T) {
	e := startEngine(t, Config{})
	lag := e.NewLag()
	shutdown(t, e, nil)
	for range 3 {
		if got := lag.Sample(); got != 0 {
			t.Errorf("got %v, want 0", got)
		}
	}
}
