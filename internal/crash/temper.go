package crash

import (
	"math/rand/v2"
	"time"
)

// leave is how a client ends a connection.
type leave uint8

const (
	leaveClose      leave = iota // without DISCONNECT: the Will's case, if there were one
	leaveReset                   // the same, and what is on the way is lost
	leaveDisconnect              // DISCONNECT
	leaveTakeover                // the next connection is there first
)

// span is a range of times from which one is chosen.
type span struct{ least, most time.Duration }

func (s span) choose(rng *rand.Rand) time.Duration {
	if s.most <= s.least {
		return s.least
	}
	return s.least + time.Duration(rng.Int64N(int64(s.most-s.least)))
}

// temper is how a client behaves while the load lasts. While the run drains, every client stays and acknowledges
// at once.
type temper struct {
	// stay is how long a connection lasts; 0 means until the server ends it.
	stay span
	// away is the time between two connections.
	away span
	// leaves are the ways in which it ends its connections; one is chosen each time.
	leaves []leave
	// late is how long acknowledgements are held back; 0 sends them at once.
	late span
	// asleep stays away altogether while the load lasts.
	asleep bool
	// burst is how many messages are published at a time at most, pause the time between; 0 publishes nothing.
	burst int
	pause span
	// window is how many messages may be unacknowledged, below lastID.
	window int
}
