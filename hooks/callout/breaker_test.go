package callout

import (
	"testing"
	"time"
)

func TestBreaker(t *testing.T) {
	b := &breaker{limit: 2, cooldown: time.Minute}
	now := time.Unix(0, 0)
	begin := func(want bool) ticket {
		t.Helper()
		k, ok := b.begin(now)
		if ok != want {
			t.Errorf("at %v: got begin %v, want %v", now.Sub(time.Unix(0, 0)), ok, want)
		}
		return k
	}
	// A success in between starts the count anew.
	b.end(begin(true), now, false)
	b.end(begin(true), now, true)
	b.end(begin(true), now, false)
	late := begin(true)
	b.end(begin(true), now, false)
	if !b.isOpen() {
		t.Error("not open after two failures")
	}
	begin(false)
	now = now.Add(30 * time.Second)
	b.end(late, now, false) // does not make it last longer
	now = now.Add(30 * time.Second)
	probe := begin(true)
	begin(false) // one at a time
	b.abandon(probe)
	probe = begin(true)
	b.end(probe, now, false)
	begin(false)
	now = now.Add(time.Minute)
	probe = begin(true)
	b.end(probe, now, true)
	begin(true)
	begin(true)
	if b.isOpen() {
		t.Error("open after a success")
	}
}
