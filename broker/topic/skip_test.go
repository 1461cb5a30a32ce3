package topic

import (
	"slices"
	"testing"
)

func TestTopicLess(t *testing.T) {
	sorted := []string{"", "/", "//", "/a", "\x01", "!", "$SYS", "$SYS/a", "%", "a", "a/", "a//", "a/a", "a/a/b", "a/a!", "a/b", "a\x01", "a!", "a!/b", "a0", "ab", "b", "\u00e9"}
	for i, a := range sorted {
		for j, b := range sorted {
			if got, want := topicLess(a, b), i < j; got != want {
				t.Errorf("topicLess(%q, %q) = %v, want %v", a, b, got, want)
			}
		}
	}
}

func TestStep(t *testing.T) {
	tests := []struct {
		filter, name string
		move         move
		to           string
	}{
		{"a/+/c", "", moveSeek, "a/"},
		{"a/b/+/c/d/+", "", moveSeek, "a/b/"},
		{"a/#", "", moveSeek, "a"},
		{"#", "", moveNext, ""},
		{"+/c/d", "", moveSeek, "/c/d"},
		{"a/+/c", "a", moveSeek, "a/"},
		{"a/+/c", "a/b", moveSeek, "a/b/c"},
		{"a/+/c", "a/b/a", moveSeek, "a/b/c"},
		{"a/+/c", "a/b/c", moveNext, ""},
		{"a/+/c", "a/b/c/d", moveSeek, "a/b\x01"},
		{"a/+/c", "a/b/d", moveSeek, "a/b\x01"},
		{"a/+/c", "b", moveEnd, ""},
		{"a/+/c/+/e/f", "a/x/c/y/z", moveSeek, "a/x/c/y\x01"},
		{"a/+/c/+/e/f", "a/x/d", moveSeek, "a/x\x01"},
		{"a/+/c/+/e/f", "a/x/c/y", moveSeek, "a/x/c/y/e/f"},
		{"a/+/c/#", "a/x", moveSeek, "a/x/c"},
		{"a/+", "a/b/c", moveSeek, "a/b\x01"},
		{"+/b", "$SYS/b", moveSeek, "%"},
		{"#", "$SYS/b", moveSeek, "%"},
		{"$SYS/+", "$SYS/b", moveNext, ""},
	}
	for _, tt := range tests {
		got, to := step(tt.filter, tt.name)
		if got != tt.move || to != tt.to {
			t.Errorf("step(%q, %q) = %d, %q, want %d, %q", tt.filter, tt.name, got, to, tt.move, tt.to)
		}
	}
}

// TestStepRandom verifies what a scan relies on: a seek goes forward, and
// skips nothing that matches.
func TestStepRandom(t *testing.T) {
	rng := newRand(t)
	names := make([]string, 300)
	for i := range names {
		names[i] = randomName(rng)
	}
	slices.SortFunc(names, func(a, b string) int {
		switch {
		case topicLess(a, b):
			return -1
		case topicLess(b, a):
			return 1
		}
		return 0
	})
	for range 500 {
		filter := randomFilter(rng)
		if !hasWildcard(filter) {
			continue
		}
		for i, name := range names {
			move, to := step(filter, name)
			if got, want := move == moveNext, Match(filter, name); got != want {
				t.Fatalf("step(%q, %q) says match %v, want %v", filter, name, got, want)
			}
			if move == moveSeek && !topicLess(name, to) {
				t.Fatalf("step(%q, %q) seeks back to %q", filter, name, to)
			}
			for _, later := range names[i+1:] {
				skipped := move == moveEnd || move == moveSeek && topicLess(later, to)
				if skipped && Match(filter, later) {
					t.Fatalf("step(%q, %q) = %d, %q skips %q", filter, name, move, to, later)
				}
			}
		}
	}
}
