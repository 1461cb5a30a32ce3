package overload

import "time"

// Thresholds are the values of one Measure from which Elevated, High and Critical hold, in ascending order. 0 is
// never: a Measure whose thresholds are all 0 has no say.
type Thresholds [levels - 1]float64

// MachineConfig says when a Machine changes its Level.
type MachineConfig struct {
	Thresholds [measures]Thresholds
	// Quiet is how long readings must have been below what holds a Level until the next lower one is entered. 0 is 10 s.
	Quiet time.Duration
}

// release is the part of a threshold below which a reading must fall so as not to hold the Level. That of memory is
// near 1: what a node uses for its connections it goes on using, and hardly varies.
var release = [measures]float64{LoopLag: 0.8, MemoryShare: 0.95, CommitTime: 0.8}

// sudden tells which measures count at once. The others have to be there in two readings in a row: one collection of
// garbage or one flush of the disk is no overload.
var sudden = [measures]bool{MemoryShare: true}

// Machine makes a Level of readings. It has no clock and no goroutine, and is for one at a time.
//
//	up:   to the highest Level whose threshold is reached, at once
//	down: one Level, after Quiet without a reading that holds the present one
type Machine struct {
	cfg   MachineConfig
	level Level
	cause Measure       // what has led to level, or holds it
	last  Reading       // the one before
	busy  time.Duration // when a reading held level last, or when it was entered
}

// NewMachine returns a Machine at Normal.
func NewMachine(cfg MachineConfig) *Machine {
	if cfg.Quiet <= 0 {
		cfg.Quiet = 10 * time.Second
	}
	return &Machine{cfg: cfg}
}

// Level returns the present Level, and which Measure has led to it; which says nothing at Normal.
func (m *Machine) Level() (Level, Measure) { return m.level, m.cause }

// Step takes a reading at a time since some moment, by a clock that is not set back. It tells whether the Level is another.
func (m *Machine) Step(now time.Duration, r Reading) (changed bool) {
	up, cause := m.reached(r)
	holds, by := m.held(r)
	m.last = r
	switch {
	case up > m.level:
		m.level, m.cause, m.busy = up, cause, now
		return true
	case m.level == Normal:
		return false
	case holds >= m.level:
		m.busy, m.cause = now, by
		return false
	case now-m.busy < m.cfg.Quiet:
		return false
	}
	m.level--
	m.busy = now
	if holds > Normal {
		m.cause = by
	}
	return true
}

// reached is the highest Level whose threshold a reading reaches, and by which Measure.
func (m *Machine) reached(r Reading) (Level, Measure) {
	return highest(func(i Measure) Level {
		v := r[i]
		if !sudden[i] {
			v = min(v, m.last[i])
		}
		return m.cfg.Thresholds[i].level(v, 1)
	})
}

// held is the highest Level that a reading holds, and by which Measure.
func (m *Machine) held(r Reading) (Level, Measure) {
	return highest(func(i Measure) Level { return m.cfg.Thresholds[i].level(r[i], release[i]) })
}

func highest(of func(Measure) Level) (best Level, by Measure) {
	for _, i := range Measures {
		if l := of(i); l > best {
			best, by = l, i
		}
	}
	return best, by
}

// level is the highest whose threshold, times part, v reaches.
func (t Thresholds) level(v, part float64) Level {
	best := Normal
	for i, at := range t {
		if at > 0 && v >= at*part {
			best = Level(i) + 1
		}
	}
	return best
}
