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
// not at all while they have time, and so that handshakes get a sixteenth of the
// slot's time when they have not. Rests are bounded, so that handshakes always go on.
//
// How busy they are is taken from the time of their turns, those for connections
// with an entrance left out: a storm must not slow down itself. It rises at once and falls
// slowly, since a storm that keeps the loops from their work would else seem to have the processors for itself.
const (
	// restFrom is the share of their time, in percent, up to which the loops may
	// serve connections without any rest. From restFull on, rests are as long as they get.
	restFrom, restFull = 20, 50
	// restTimes is how many times as long as it has computed a slot rests at most,
	// and maxRest the longest rest.
	restTimes = 15
	maxRest   = 25 * time.Millisecond
	// loadWindow is over how long the loops' share is taken at least, and loadFall how long it
	// takes to fall, whatever the loops do.
	loadWindow = 10 * time.Millisecond
	loadFall   = time.Second
)

// restAfter is how long a slot rests that has computed for d, while the loops serve
// connections load percent of their time.
func restAfter(d time.Duration, load int) time.Duration {
	over := min(max(load-restFrom, 0), restFull-restFrom)
	return min(max(d, 0)*restTimes*time.Duration(over)/(restFull-restFrom), maxRest)
}

// loadMeter tells how much of their time the loops serve connections.
type loadMeter struct {
	// static
	loops  int
	worked func() time.Duration // by all loops so far

	// guarded by mu
	mu   sync.Mutex
	at   time.Duration // when the window began
	then time.Duration // worked by then
	last float64       // percent
}

// load returns the percentage: that of the last complete window, or more if it was more before.
func (m *loadMeter) load(now time.Duration) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	length := now - m.at
	if length < loadWindow {
		return int(m.last)
	}
	worked := m.worked()
	load := 100 * float64(worked-m.then) / float64(length*time.Duration(m.loops))
	m.last = max(load, m.last-(m.last-load)*min(float64(length)/float64(loadFall), 1))
	m.at, m.then = now, worked
	return int(m.last)
}
