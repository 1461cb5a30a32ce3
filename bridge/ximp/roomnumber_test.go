package ximp

import (
	"math"
	"testing"
	"time"
)

func TestNumbering(t *testing.T) {
	const span = 5 * time.Minute
	type step struct {
		after  time.Duration
		id     uint32
		newest uint32
		ok     bool
	}
	for name, steps := range map[string][]step{
		"it grows": {{0, 1, 1, true}, {0, 2, 2, true}, {time.Hour, 3, 3, true}},
		"a jump":   {{0, 7, 7, true}, {0, math.MaxUint32, 7, false}, {0, 8, 8, true}, {0, 8 + mostJump, 8 + mostJump, true}},
		"a jump, out of order, again": {
			{0, 7, 7, true}, {0, 5, 7, true}, {0, 8 + mostJump, 7, false}, {0, 7 + mostJump, 7 + mostJump, true}, {0, 7, 7 + mostJump, true},
		},
		"a wrong one first": {
			{0, math.MaxUint32, math.MaxUint32, true}, {0, 8, math.MaxUint32, true}, {span, 9, math.MaxUint32, true}, {span, 10, 10, true}, {0, 11, 11, true},
			{0, math.MaxUint32, 11, false},
		},
		"a wrong one, others seldom":    {{0, math.MaxUint32, math.MaxUint32, true}, {2 * span, 8, 8, true}},
		"no wrong one, others seldom":   {{0, 8, 8, true}, {2 * span, 7, 8, true}, {2 * span, 1, 8, true}, {0, 9, 9, true}},
		"jumps do not keep it waiting":  {{0, 8, 8, true}, {span, 50_000, 8, false}, {span, 50_001, 50_001, true}, {0, 50_002, 50_002, true}},
		"it begins anew":                {{0, 50_000, 50_000, true}, {0, 1, 50_000, true}, {span, 2, 50_000, true}, {span, 3, 3, true}},
		"it begins anew after a while":  {{0, 50_000, 50_000, true}, {2*span + 1, 1, 1, true}},
		"the limit of a jump is behind": {{0, math.MaxUint32 - 5, math.MaxUint32 - 5, true}, {0, math.MaxUint32, math.MaxUint32, true}},
	} {
		t.Run(name, func(t *testing.T) {
			var n numbering
			now, newest := time.Unix(1_700_000_000, 0), uint32(0)
			for i, s := range steps {
				now = now.Add(s.after)
				got, ok := n.believe(s.id, newest, now, span)
				if got != s.newest || ok != s.ok {
					t.Fatalf("step %d: got %d and %v, want %d and %v", i, got, ok, s.newest, s.ok)
				}
				newest = got
			}
		})
	}
}

// TestNumberJumps: a message whose number is far too large goes out without it and is not kept, and the largest number stays what it was.
func TestNumberJumps(t *testing.T) {
	inBubble(t, setup{}, func(s *testServer) {
		c := s.connect("alice").login("d")
		c.room("r", joinOf("r"))
		for _, want := range []struct {
			said        int
			id, largest uint32
		}{{1, 1, 1}, {math.MaxUint32, 0, 0}, {2, 2, 2}} {
			s.say("r", want.said)
			m, p := c.talk()
			n := p.Down.New
			if n.ID.Value != want.id || n.ID.Set != (want.id != 0) || n.MaxID.Value != want.largest || m.Notify.NewMessage.ID.Value != int64(want.id) {
				t.Errorf("%d: got number %d of %d, notify %d, want %d of %d", want.said, n.ID.Value, n.MaxID.Value, m.Notify.NewMessage.ID.Value, want.id, want.largest)
			}
		}
		c.wantFetch("after a jump", "r", []int64{1, 2, math.MaxUint32}, "1:1 2:2 4294967295", 2)
		if got := s.ximp.Stats(); got.NumberJumped != 1 || got.Kept != 2 {
			t.Errorf("got %d jumps and %d kept, want 1 and 2", got.NumberJumped, got.Kept)
		}
	})
}
