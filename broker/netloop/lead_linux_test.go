package netloop

import "testing"

// ledBy asks the leader which loops it leads.
func ledBy(t *testing.T, leader *Loop) int {
	t.Helper()
	n := make(chan int, 1)
	leader.PostFunc(func() { n <- len(leader.poller.led) })
	return receive(t, n, "the leader's answer")
}

// TestLoopsAreReleasedAndHandThemselvesBack serves connections of every loop
// while its turns move from the leader's thread to its own and back.
func TestLoopsAreReleasedAndHandThemselvesBack(t *testing.T) {
	const loops = 3
	e := startEngine(t, Config{Loops: loops})
	leader := e.loops[0]
	addr := listen(t, e, func(*Conn) Handler {
		p := newProbe(t)
		p.onData = echo
		return p
	})
	roundTrips := func() {
		for range loops { // round robin puts one on each loop
			nc := dialTCP(t, addr)
			send(t, nc, pattern(100))
			wantBytes(t, nc, pattern(100))
			check(t, nc.Close())
		}
	}
	roundTrips()
	for range 3 {
		released := make(chan struct{})
		leader.PostFunc(func() {
			leader.releaseAll()
			close(released)
		})
		receive(t, released, "the loops' release")
		roundTrips()
		for ledBy(t, leader) < loops-1 { // they find out by their own turns, which these cause
			roundTrips()
		}
		roundTrips()
	}
}

// TestShutdownOfReleasedLoops ends an engine whose loops run by themselves.
func TestShutdownOfReleasedLoops(t *testing.T) {
	e := startEngine(t, Config{Loops: 3})
	leader := e.loops[0]
	leader.PostFunc(leader.releaseAll)
	shutdown(t, e, nil)
}
