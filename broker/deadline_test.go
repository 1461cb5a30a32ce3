package broker

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/internal/randtest"
)

// TestDeadlines sets, moves and removes deadlines at random and looks at which
// are called back when.
func TestDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := randtest.New(t)
		var mu sync.Mutex
		fired := make(map[*Session]time.Duration) // guarded by mu
		var d *deadlines
		d = newDeadlines(systemClock{}, func(s *Session) {
			mu.Lock()
			defer mu.Unlock()
			if _, twice := fired[s]; twice {
				t.Errorf("called back twice for one deadline")
			}
			fired[s] = d.now()
		})
		want := make(map[*Session]time.Duration)
		extras := make([]*extra, 50)
		for i := range extras {
			extras[i] = &extra{session: new(Session), heapIndex: -1}
		}
		for range 2000 {
			x := extras[r.IntN(len(extras))]
			switch r.IntN(4) {
			case 0:
				d.set(x, 0)
				delete(want, x.session)
			case 1:
				advance(time.Duration(r.IntN(5000)) * time.Millisecond)
				mu.Lock()
				checkFired(t, fired, want, d.now())
				mu.Unlock()
			default:
				at := d.now() + time.Duration(1+r.IntN(20_000))*time.Millisecond
				d.set(x, at)
				want[x.session] = at
			}
		}
		d.stop()
		advance(time.Hour)
		mu.Lock()
		defer mu.Unlock()
		if len(fired) > 0 {
			t.Errorf("called back after stop: %d times", len(fired))
		}
	})
}

// checkFired compares the callbacks with the deadlines that are due, and clears them.
func checkFired(t *testing.T, fired, want map[*Session]time.Duration, now time.Duration) {
	t.Helper()
	for s, at := range want {
		if at > now {
			continue
		}
		if fired[s] != at {
			t.Errorf("deadline at %v: called back at %v", at, fired[s])
		}
		delete(want, s)
		delete(fired, s)
	}
	if len(fired) > 0 {
		t.Fatalf("called back too early, or after removal: %v", fired)
	}
}

// TestDeadlineSetWhileCalledBack sets a deadline anew from its own callback.
func TestDeadlineSetWhileCalledBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := &extra{session: new(Session), heapIndex: -1}
		calls := 0
		var d *deadlines
		d = newDeadlines(systemClock{}, func(*Session) {
			if calls++; calls < 10 {
				d.set(x, d.now()+time.Second)
			}
		})
		d.set(x, time.Second)
		advance(time.Minute)
		if calls != 10 {
			t.Errorf("calls in a minute: got %d, want 10", calls)
		}
		d.stop()
	})
}

// TestDeadlinesStopWaits has stop wait for a callback that is running.
func TestDeadlinesStopWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		running, release := make(chan struct{}), make(chan struct{})
		done := false
		d := newDeadlines(systemClock{}, func(*Session) {
			close(running)
			<-release
			done = true
		})
		d.set(&extra{session: new(Session), heapIndex: -1}, time.Second)
		<-running
		go func() {
			synctest.Wait()
			close(release)
		}()
		d.stop()
		if !done {
			t.Error("stop returned while a callback was running")
		}
	})
}
