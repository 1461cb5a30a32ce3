package overload

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestMachine goes through readings, one a second.
func TestMachine(t *testing.T) {
	cfg := MachineConfig{
		Thresholds: [measures]Thresholds{LoopLag: {0.1, 0.5, 2}, MemoryShare: {0.8, 0.9, 0.95}, CommitTime: {0.2, 1}},
		Quiet:      3 * time.Second,
	}
	lag := func(v float64) Reading { return Reading{LoopLag: v} }
	mem := func(v float64) Reading { return Reading{MemoryShare: v} }
	commit := func(v float64) Reading { return Reading{CommitTime: v} }
	for _, tt := range []struct {
		name     string
		readings []Reading
		want     string // a level's first letter for each
	}{
		{"nothing to do", []Reading{{}, {}, {}}, "nnn"},
		{"below the first threshold", []Reading{lag(0.09), lag(0.09)}, "nn"},
		{"one late turn is no overload", []Reading{lag(9), lag(0), lag(9), lag(0)}, "nnnn"},
		{"two are", []Reading{lag(0.1), lag(0.1)}, "ne"},
		{"the lower of two counts", []Reading{lag(9), lag(0.6), lag(9), lag(9)}, "nhhc"},
		{"memory counts at once", []Reading{mem(0.96)}, "c"},
		{"each threshold of memory", []Reading{mem(0.79), mem(0.8), mem(0.9), mem(0.95)}, "nehc"},
		{"a measure without a third threshold", []Reading{commit(99), commit(99)}, "nh"},
		{"two measures in turn are not two of one", []Reading{lag(9), commit(9), lag(9)}, "nnn"},
		{"down one by one", []Reading{mem(0.95), {}, {}, {}, {}, {}, {}, {}, {}, {}, {}}, "ccchhheeenn"},
		{"below the threshold and near it holds", []Reading{mem(0.8), mem(0.77), mem(0.77), mem(0.77), mem(0.77), mem(0.77)}, "eeeeee"},
		{"a reading that holds begins the quiet time anew", []Reading{mem(0.8), {}, {}, mem(0.77), {}, {}, {}}, "eeeeeen"},
		{"a lower level is held while the higher one ends", []Reading{mem(0.95), mem(0.8), mem(0.8), mem(0.8), mem(0.8), mem(0.8), mem(0.8), mem(0.8), mem(0.8), mem(0.8)}, "ccchhheeee"},
		{"up again on the way down", []Reading{mem(0.95), {}, {}, {}, mem(0.96), {}}, "ccchcc"},
		{"one spike holds a level though it would not lead to it", []Reading{lag(0.1), lag(0.1), {}, {}, lag(0.1), {}, {}, {}}, "neeeeeen"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := NewMachine(cfg)
			var got strings.Builder
			before := Normal
			for i, r := range tt.readings {
				changed := m.Step(time.Duration(i)*time.Second, r)
				level, _ := m.Level()
				if changed != (level != before) {
					t.Errorf("reading %d: told %t, level went from %v to %v", i, changed, before, level)
				}
				before = level
				fmt.Fprint(&got, level.String()[:1])
			}
			if got.String() != tt.want {
				t.Errorf("got %s, want %s", got.String(), tt.want)
			}
		})
	}
}

func TestMachineTellsTheCause(t *testing.T) {
	m := NewMachine(MachineConfig{
		Thresholds: [measures]Thresholds{MemoryShare: {0.8, 0.9, 0.95}, CommitTime: {0.2, 1, 5}}, Quiet: time.Second,
	})
	for i, step := range []struct {
		reading Reading
		level   Level
		cause   Measure
	}{
		{Reading{MemoryShare: 0.85, CommitTime: 1}, Elevated, MemoryShare},
		{Reading{MemoryShare: 0.85, CommitTime: 1}, High, CommitTime},
		{Reading{MemoryShare: 0.85}, Elevated, MemoryShare},
	} {
		m.Step(time.Duration(i)*time.Second, step.reading)
		if level, cause := m.Level(); level != step.level || cause != step.cause {
			t.Errorf("step %d: got %v by %v, want %v by %v", i, level, cause, step.level, step.cause)
		}
	}
}

// A Machine without thresholds has nothing to say, and one without a quiet time has that of its comment.
func TestMachineDefaults(t *testing.T) {
	m := NewMachine(MachineConfig{})
	if m.Step(0, Reading{9, 9, 9}); m.level != Normal || m.cfg.Quiet != 10*time.Second {
		t.Errorf("got %v, %v, want normal, 10s", m.level, m.cfg.Quiet)
	}
}

func TestNames(t *testing.T) {
	var got []string
	for _, l := range Levels {
		got = append(got, l.String())
	}
	for _, m := range Measures {
		got = append(got, m.String())
	}
	if want := "normal elevated high critical loop_lag memory commit_time"; strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
}
