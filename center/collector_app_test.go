package center

import (
	"fmt"
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// However many Apps there are, there are few labels, and nothing is lost or counted twice.
func TestFewApps(t *testing.T) {
	for _, tt := range []struct {
		n, other int // Apps, and which of them is called other; -1 is none
		want     int
		last     string
		sum      int64 // of the last
	}{
		{0, -1, 0, "", 0},
		{1, -1, 1, "app0", 1},
		{1, 0, 1, "other", 1},
		{100, -1, 100, "app99", 1},
		{101, -1, 101, "other", 1},
		{1000, -1, 101, "other", 900},
		{1000, 5, 100, "other", 901},
		{1000, 500, 101, "other", 900},
	} {
		var all []broker.AppStats
		for i := range tt.n {
			a := broker.AppStats{Name: fmt.Sprint("app", i), Limited: map[string]uint64{"queued": 1}}
			a.Sessions, a.Dropped = 1, map[string]uint64{"slow": 1}
			if i == tt.other {
				a.Name = otherApps
			}
			all = append(all, a)
		}
		got := fewApps(all)
		if len(got) != tt.want {
			t.Errorf("%d Apps: got %d, want %d", tt.n, len(got), tt.want)
		}
		names, sum := make(map[string]bool), int64(0)
		for _, a := range got {
			names[a.Name] = true
			sum += a.Sessions
		}
		if len(names) != len(got) || sum != int64(tt.n) {
			t.Errorf("%d Apps: got %d names of %d, and %d Sessions", tt.n, len(names), len(got), sum)
		}
		if tt.want == 0 {
			continue
		}
		last := got[len(got)-1]
		if last.Name != tt.last || last.Sessions != tt.sum || last.Dropped["slow"] != uint64(tt.sum) || last.Limited["queued"] != uint64(tt.sum) {
			t.Errorf("%d Apps: the last is %s with %+v, want %s with %d of each", tt.n, last.Name, last, tt.last, tt.sum)
		}
	}
}
