package netloop

import (
	"testing"
	"time"
)

// TestShare: the clock is looked at after 4 packets and after every 16, or as often as is asked for, and a share ends MaxTurn after the
// first look.
func TestShare(t *testing.T) {
	for _, tt := range []struct {
		every int
		step  time.Duration // of the clock, with each packet
		want  int           // packets until the share is used up
	}{
		{0, 0, -1},
		{0, MaxTurn, 16},
		{0, MaxTurn / 20, 32},
		{4, MaxTurn, 8},
		{4, MaxTurn / 20, 24},
		{1, MaxTurn / 20, 21},
	} {
		var now time.Duration
		start := time.Unix(0, 0)
		e := &Engine{cfg: Config{Now: func() time.Time { return start.Add(now) }}, start: start}
		c := &Conn{loop: &Loop{engine: e}}
		s := Share{Every: tt.every}
		got := -1
		for n := 1; n <= 100; n++ {
			now += tt.step
			if s.Used(c) {
				got = n
				break
			}
		}
		if got != tt.want {
			t.Errorf("every %d, %v a packet: used up after %d packets, want %d", tt.every, tt.step, got, tt.want)
		}
	}
}
