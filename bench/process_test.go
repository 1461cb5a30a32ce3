package bench

import (
	"os"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	const rest = " S 1 2 3 4 5 6 7 8 9 10 150 50 7 7 20 0 4 0 100"
	for _, tt := range []struct {
		stat string
		want time.Duration // 0: an error
	}{
		{"12 (broker)" + rest, 2 * time.Second},
		{"12 (b) S 9 (x)" + rest, 2 * time.Second},
		{"12 (broker) S 1 2", 0},
		{"", 0},
		{"12 (broker) S 1 2 3 4 5 6 7 8 9 10 x 50 7", 0},
	} {
		got, err := parseStat([]byte(tt.stat))
		if got != tt.want || (err != nil) != (tt.want == 0) {
			t.Errorf("%q: got %v, %v, want %v", tt.stat, got, err, tt.want)
		}
	}
}

func TestParseStatus(t *testing.T) {
	for _, tt := range []struct {
		status string
		want   int64 // 0: an error
	}{
		{"Name:\tx\nVmRSS:\t    1234 kB\nThreads:\t3\n", 1234 << 10},
		{"Name:\tx\n", 0},
		{"VmRSS:\t12 MB\n", 0},
		{"VmRSS:\tx kB\n", 0},
	} {
		got, err := parseStatus([]byte(tt.status))
		if got != tt.want || (err != nil) != (tt.want == 0) {
			t.Errorf("%q: got %d, %v, want %d", tt.status, got, err, tt.want)
		}
	}
}

func TestReadUsage(t *testing.T) {
	one, err := readUsage([]int{os.Getpid()})
	if err != nil || one.rss < 1<<20 {
		t.Fatalf("got %+v, %v, want a MiB or more", one, err)
	}
	two, err := readUsage([]int{os.Getpid(), os.Getpid()})
	if err != nil || two.rss < one.rss*3/2 {
		t.Errorf("got %d bytes, %v, want twice %d or so", two.rss, err, one.rss)
	}
	if _, err := readUsage([]int{1 << 30}); err == nil {
		t.Error("a process that does not exist: got no error")
	}
}
