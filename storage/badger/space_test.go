package badger

import (
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
)

func TestRoomFor(t *testing.T) {
	const minFree = 800
	for _, c := range []struct {
		was  room
		free int64
		want room
	}{
		{roomy, 800, roomy}, {roomy, 799, full}, {roomy, 200, full}, {roomy, 199, reserve},
		{full, 800, full}, {full, 899, full}, {full, 900, roomy}, {full, 199, reserve}, {full, 200, full},
		{reserve, 200, reserve}, {reserve, 299, reserve}, {reserve, 300, full}, {reserve, 899, full}, {reserve, 900, roomy},
	} {
		if got := roomFor(c.was, c.free, minFree); got != c.want {
			t.Errorf("roomFor(%d, %d free): got %d, want %d", c.was, c.free, got, c.want)
		}
	}
}

// TestDiskFull fills the disk and makes room again.
func TestDiskFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var free atomic.Int64
		free.Store(1000)
		s := openQuietly(t, Options{Dir: t.TempDir(), MinFree: 800, hooks: hooks{
			free: func(string) (int64, error) { return free.Load(), nil },
		}})
		defer closeStore(t, s)
		mb := s.NewMailbox()
		put(t, s, mb, 1, text("m"))
		for _, step := range []struct {
			free          int64
			adds, deletes bool // work
		}{
			{1000, true, true}, {700, false, true}, {850, false, true}, {100, false, false}, {250, false, false},
			{400, false, true}, {1000, true, true}, {100, false, false}, {1000, true, true},
		} {
			free.Store(step.free)
			<-time.After(pokeEvery + spaceEvery)
			s.SetRetained("a", "poke", nil, nil) // has the committer look
			<-time.After(pokeEvery + spaceEvery)
			for name, call := range calls {
				c := newResult()
				call(s, mb, c)
				err := <-c
				works := step.deletes
				if adds(name) {
					works = step.adds
				}
				if (err == nil) != works || err != nil && !errors.Is(err, broker.ErrStoreFull) {
					t.Errorf("%s with %d bytes free: got %v, works should be %t", name, step.free, err, works)
				}
			}
			if got := s.Stats().Full; got == step.adds {
				t.Errorf("Stats.Full with %d bytes free: got %t, want %t", step.free, got, !step.adds)
			}
		}
	})
}
