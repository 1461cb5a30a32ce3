package broker

import (
	"testing"
	"time"
)

// An authentication that is good for centuries has not expired: tokens that are never to end say so by the year 9999.
func TestIdentityDeadline(t *testing.T) {
	wall, now := time.Unix(1_800_000_000, 0), time.Hour
	for _, tt := range []struct {
		name    string
		expires time.Time
		want    time.Duration
	}{
		{"never", time.Time{}, 0},
		{"in a minute", wall.Add(time.Minute), now + time.Minute},
		{"a minute ago", wall.Add(-time.Minute), now - time.Minute},
		{"a day ago", wall.Add(-24 * time.Hour), 1},
		{"in 1970", time.Unix(0, 0), 1},
		{"in 2334", time.Unix(11_500_000_000, 0), now + century},
		{"in 9999", time.Unix(253402300799, 0), now + century},
	} {
		if got := (&Identity{Expires: tt.expires}).Deadline(now, wall); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}
