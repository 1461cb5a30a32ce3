package netloop

import (
	"sync/atomic"
	"testing"
	"time"
)

func TestRestAfter(t *testing.T) {
	for _, tt := range []struct {
		computed time.Duration
		load     int
		want     time.Duration
	}{
		{time.Millisecond, 0, 0},
		{time.Second, restFrom, 0},
		{time.Millisecond, restFull, restTimes * time.Millisecond},
		{time.Millisecond, 200, restTimes * time.Millisecond},
		{time.Millisecond, (restFrom + restFull) / 2, restTimes * time.Millisecond / 2},
		{time.Hour, 100, maxRest}, // a clock that was moved
		{-time.Second, 100, 0},
		{time.Millisecond, -1, 0},
	} {
		if got := restAfter(tt.computed, tt.load); got != tt.want {
			t.Errorf("after %v at %d %%: got %v, want %v", tt.computed, tt.load, got, tt.want)
		}
	}
}

func TestLoadMeter(t *testing.T) {
	var worked time.Duration
	m := &loadMeter{loops: 2, worked: func() time.Duration { return worked }}
	for _, tt := range []struct {
		now, worked time.Duration
		want        int
	}{
		{loadWindow / 2, time.Hour, 0},                         // too early to tell
		{loadWindow, loadWindow, 50},                           // one of two loops
		{2*loadWindow - 1, 3 * loadWindow, 50},                 // the window is not over
		{2 * loadWindow, 3 * loadWindow, 100},                  // both
		{2*loadWindow + loadFall, 3*loadWindow + loadFall, 50}, // nobody has asked for long
		{3*loadWindow + loadFall, 3*loadWindow + loadFall, 49}, // it falls slowly
		{13*loadWindow + loadFall, 3*loadWindow + loadFall, 44},
		{13*loadWindow + 2*loadFall, 3*loadWindow + loadFall, 0},
		{14*loadWindow + 2*loadFall, 5*loadWindow + loadFall, 100}, // and rises at once
	} {
		worked = tt.worked
		if got := m.load(tt.now); got != tt.want {
			t.Errorf("at %v: got %d %%, want %d", tt.now, got, tt.want)
		}
	}
}

// busyTask keeps its loop from ever being idle, until done.
type busyTask struct{ done *atomic.Bool }

func (t *busyTask) Run(l *Loop) {
	for end := l.engine.now() + time.Millisecond; l.engine.now() < end; {
	}
	if !t.done.Load() {
		l.Post(t)
	}
}

// While the loops are busy slots rest, and handshakes go on all the same. While they are not,
// there is no rest.
func TestHandshakesRest(t *testing.T) {
	eachEngine(t, func(t *testing.T, cfg Config) {
		cfg.HandshakeWorkers = 1
		e, addr := tlsEcho(t, cfg)
		slot := <-e.handshakes.slots // whoever gets it back sees the change
		e.handshakes.load = func(time.Duration) int { return restFrom }
		e.handshakes.slots <- slot
		for range 10 {
			check(t, tryTLS(t, addr))
		}
		if got := e.Stats().HandshakesRested; got != 0 {
			t.Errorf("rested %v beside idle loops", got)
		}
	})
	eachEngine(t, func(t *testing.T, cfg Config) {
		cfg.HandshakeWorkers = 1
		e, addr := tlsEcho(t, cfg)
		var done atomic.Bool
		for _, l := range e.Loops() {
			l.Post(&busyTask{&done})
		}
		for n := 0; n < 3 || e.Stats().HandshakesRested == 0; n++ {
			check(t, tryTLS(t, addr))
		}
		done.Store(true)
		onLoops(t, e)
	})
}
