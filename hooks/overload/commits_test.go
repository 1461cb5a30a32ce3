package overload

import (
	"testing"
	"time"
)

func TestCommits(t *testing.T) {
	const ms = time.Millisecond
	var c Commits
	for i, tt := range []struct {
		name    string
		count   uint64
		took    time.Duration
		pending int
		want    time.Duration
	}{
		{"nothing was written", 0, 0, 0, 0},
		{"two commits", 2, 10 * ms, 0, 5 * ms},
		{"nothing since", 2, 10 * ms, 0, 0},
		{"one that is slow", 3, 60 * ms, 4, 50 * ms},
		{"the disk has stopped", 3, 60 * ms, 4, time.Second},
		{"and is still", 3, 60 * ms, 9, 2 * time.Second},
		{"it goes on", 4, 2060 * ms, 9, 2 * time.Second},
		{"and stops again", 4, 2060 * ms, 9, time.Second},
		{"what waited was given up", 4, 2060 * ms, 0, 0},
		{"it stops once more", 4, 2060 * ms, 1, time.Second},
	} {
		if got := c.Sample(time.Duration(i)*time.Second, tt.count, tt.took, tt.pending); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}
