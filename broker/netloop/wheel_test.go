package netloop

import (
	"math/rand/v2"
	"testing"
	"time"
)

// wheelModel is a wheel beside the ticks at which its timers should fire.
type wheelModel struct {
	t      *testing.T
	r      *rand.Rand
	w      wheel
	timers []timer
	due    map[*timer]int64
	last   int64 // tick of the last timer fired during an advance
	target int64
}

// delta returns a number of ticks, of any order of magnitude up to 2^33; the
// wheel spans 2^30. Some are in the past.
func (m *wheelModel) delta() int64 {
	return m.r.Int64N(1<<m.r.IntN(34)+1) - m.r.Int64N(3)
}

func (m *wheelModel) arm(t *timer) {
	when := m.w.now + m.delta()
	m.w.arm(t, when)
	m.due[t] = max(when, m.w.now+1)
}

func (m *wheelModel) fire(t *timer) {
	want, armed := m.due[t]
	switch {
	case !armed:
		m.t.Fatalf("tick %d: a timer fired that is not armed", m.w.now)
	case want != m.w.now || want > m.target || want < m.last:
		m.t.Fatalf("timer for tick %d fired at %d, after one for %d, in an advance to %d", want, m.w.now, m.last, m.target)
	}
	m.last = want
	delete(m.due, t)
	switch m.r.IntN(4) {
	case 0:
		m.arm(t)
	case 1:
		m.arm(&m.timers[m.r.IntN(len(m.timers))])
	case 2:
		m.disarm(&m.timers[m.r.IntN(len(m.timers))])
	}
}

func (m *wheelModel) disarm(t *timer) {
	m.w.disarm(t)
	delete(m.due, t)
}

// check compares next and, after an advance, that nothing is overdue.
func (m *wheelModel) check() {
	m.t.Helper()
	first := int64(-1)
	for _, at := range m.due {
		if first < 0 || at < first {
			first = at
		}
	}
	next := m.w.next()
	if (next < 0) != (first < 0) || next > first || first >= 0 && next <= m.w.now {
		m.t.Fatalf("next() = %d at tick %d, the first timer is due at %d", next, m.w.now, first)
	}
}

func TestWheelAgainstModel(t *testing.T) {
	for range 20 {
		m := wheelModel{t: t, r: newSeed(t), timers: make([]timer, 50), due: make(map[*timer]int64)}
		for i := range m.timers {
			m.timers[i].slot = -1
		}
		for range 2000 {
			switch m.r.IntN(4) {
			case 0, 1:
				m.arm(&m.timers[m.r.IntN(len(m.timers))])
			case 2:
				m.disarm(&m.timers[m.r.IntN(len(m.timers))])
			default:
				m.last = m.w.now
				m.target = m.w.now + max(m.delta(), 0)
				m.w.advance(m.target, m.fire)
				if m.w.now != m.target {
					t.Fatalf("tick %d after an advance to %d", m.w.now, m.target)
				}
				for _, at := range m.due {
					if at <= m.target {
						t.Fatalf("timer for tick %d has not fired at %d", at, m.target)
					}
				}
			}
			m.check()
		}
	}
}

func TestTicksUp(t *testing.T) {
	for _, tc := range []struct {
		d    time.Duration
		want int64
	}{
		{0, 0}, {1, 1}, {wheelTick - 1, 1}, {wheelTick, 1}, {wheelTick + 1, 2},
	} {
		if got := ticksUp(tc.d); got != tc.want {
			t.Errorf("ticksUp(%v) = %d, want %d", tc.d, got, tc.want)
		}
	}
}

func BenchmarkWheelRearm(b *testing.B) {
	var w wheel
	timers := make([]timer, 10_000)
	for i := range timers {
		timers[i].slot = -1
	}
	i := 0
	for b.Loop() {
		w.arm(&timers[i%len(timers)], w.now+6000+int64(i%100))
		if i++; i%100 == 0 {
			w.advance(w.now+1, func(*timer) {})
		}
	}
}
