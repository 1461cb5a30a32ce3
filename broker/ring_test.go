package broker

import (
	"slices"
	"testing"

	"github.com/holdfast-mqtt/holdfast/internal/randtest"
)

// TestRing compares a ring with a slice under random operations.
func TestRing(t *testing.T) {
	r := randtest.New(t)
	var got ring[int]
	var want []int
	for i := range 50_000 {
		// The ring swells and shrinks in turn.
		if push := r.IntN(10) < 3+4*(i/5000%2); push {
			got.push(i)
			want = append(want, i)
		} else if len(want) > 0 {
			if v := got.pop(); v != want[0] {
				t.Fatalf("step %d: pop: got %d, want %d", i, v, want[0])
			}
			want = want[1:]
		}
		if got.len() != len(want) {
			t.Fatalf("step %d: len: got %d, want %d", i, got.len(), len(want))
		}
		if n := len(want); n > 0 {
			if at := r.IntN(n); *got.at(at) != want[at] {
				t.Fatalf("step %d: at(%d): got %d, want %d", i, at, *got.at(at), want[at])
			}
		}
	}
	contents := make([]int, 0, len(want))
	for got.len() > 0 {
		contents = append(contents, got.pop())
	}
	if !slices.Equal(contents, want) {
		t.Errorf("contents: got %v, want %v", contents, want)
	}
}

func TestRingGivesMemoryBack(t *testing.T) {
	var r ring[*int]
	for range 1000 {
		r.push(new(int))
	}
	for range 990 {
		r.pop()
	}
	if got := len(r.buf); got > 128 {
		t.Errorf("slots for 10 elements after 1000: got %d, want no more than 128", got)
	}
	live := 0
	for _, p := range r.buf {
		if p != nil {
			live++
		}
	}
	if live != 10 {
		t.Errorf("elements that are referred to: got %d, want 10", live)
	}
	for r.len() > 0 {
		r.pop()
	}
	if got := len(r.buf); got > 64 {
		t.Errorf("slots of an empty ring: got %d, want no more than 64", got)
	}
	r.push(nil)
	r.drop()
	if r.len() != 0 || r.buf != nil {
		t.Errorf("after drop: got len %d and %d slots, want none", r.len(), len(r.buf))
	}
}
