package netloop

import (
	"sync"
	"time"
)

// How handshakes leave established connections the processors.
//
// A handshake computes for a good part of a millisecond, and whoever can connect
// can have one computed for the price of a few hundred bytes. So a slot that has
// computed rests, the longer the busier the loops are with what is established:
// not at all while they have time, and so that handshakes get a tenth of the
// slot's time when they have not. Rests are bounded, so that handshakes always go on.
const (
	// restFrom is the share of their time, in percent, up to which the loops may
	// work without any rest; from restFull on, rests are as long as they get.
	restFrom, restFull = 20, 45
	// restTimes is how many times as long as it has computed a slot rests at most,
	// and maxRest the longest rest.
	restTimes = 9
	maxRest   = 20 * time.Millisecond
	// loadWindow is over how long the loops' share is taken at least.
	loadWindow = 10 * time.Millisecond
)

// restAfter is how long a slot rests that has computed for d, while the loops work
// load percent of their time.
func restAfter(d time.Duration, load int) time.Duration {
	over := min(max(load-restFrom, 0), restFull-restFrom)
	return min(max(d, 0)*restTimes*time.Duration(over)/(restFull-restFrom), maxRest)
}

// loadMeter tells how much of their time the loops spend in turns.
type loadMeter struct {
	// static
	loops  int
	worked func() time.Duration // by all loops so far

	// guarded by mu
	mu   sync.Mutex
	at   time.Duration // when the window began
	then time.Duration // worked by then
	last int           // percent in the window before
}

// load returns the percentage, mostly that of the last complete window.
func (m *loadMeter) load(now time.Duration) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	length := now - m.at
	if length < loadWindow {
		return m.last
	}
	worked := m.worked()
	m.last = int((worked - m.then) * 100 / (length * time.Duration(m.loops)))
	m.at, m.then = now, worked
	return m.last
}
