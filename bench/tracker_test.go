package bench

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestTracker(t *testing.T) {
	const (
		o = inOrder
		l = late
		a = again
	)
	for _, tt := range []struct {
		seen []uint32
		want []arrival
	}{
		{[]uint32{0, 1, 2}, []arrival{o, o, o}},
		{[]uint32{0, 0, 1}, []arrival{o, a, o}},
		{[]uint32{0, 2, 1, 3}, []arrival{o, o, l, o}},
		{[]uint32{0, 2, 1, 1}, []arrival{o, o, l, a}},
		{[]uint32{3, 0, 2, 1, 4}, []arrival{o, l, l, l, o}},
		{[]uint32{5, 5, 4, 5}, []arrival{o, a, l, a}},
	} {
		var tr tracker
		for i, s := range tt.seen {
			if got := tr.see(s); got != tt.want[i] {
				t.Errorf("%v: got %d for the %d., want %d", tt.seen, got, i+1, tt.want[i])
			}
		}
	}
}

// TestTrackerAgainstSet compares unique counts with those of a plain set.
func TestTrackerAgainstSet(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	m := newMeter(nil, time.Now())
	var tr tracker
	set := make(map[uint32]bool)
	for i := range 100_000 {
		s := uint32(max(0, i+r.IntN(40)-20))
		if got, want := m.count(&tr, s), !set[s]; got != want {
			t.Fatalf("seed %d, message %d: got new %t, want %t", seed, s, got, want)
		}
		set[s] = true
	}
	if got, want := m.unique(), uint64(len(set)); got != want {
		t.Errorf("seed %d: got %d different messages, want %d", seed, got, want)
	}
}

func TestTrackerIsBounded(t *testing.T) {
	var tr tracker
	tr.see(1 << 30)
	if len(tr.missing) != maxMissing {
		t.Errorf("got %d numbers kept, want %d", len(tr.missing), maxMissing)
	}
}

func TestBitmap(t *testing.T) {
	a, b := newBitmap(130), newBitmap(130)
	for _, i := range []uint32{0, 63, 64, 129} {
		a.set(i)
	}
	b.set(64)
	if !a.has(129) || a.has(128) {
		t.Errorf("got %t, %t, want 129 in and 128 not", a.has(129), a.has(128))
	}
	if got := a.clone().without(b); got != 3 {
		t.Errorf("got %d, want 3", got)
	}
}
