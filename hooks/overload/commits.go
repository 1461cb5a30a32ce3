package overload

import "time"

// Commits makes a reading of the counters of a store. The zero value is ready.
type Commits struct {
	at    time.Duration // of the last sample
	count uint64
	took  time.Duration
	stuck time.Duration // for how long no commit has ended though there was something to write
}

// Sample returns how long a commit has taken on average since the last Sample. If none has ended though something
// was pending, it is for how long that has been so: a disk that has stopped is the slowest. count and took are of all
// commits so far.
func (c *Commits) Sample(now time.Duration, count uint64, took time.Duration, pending int) time.Duration {
	n, t, since := count-c.count, took-c.took, now-c.at
	c.at, c.count, c.took = now, count, took
	switch {
	case n > 0:
		c.stuck = 0
		return t / time.Duration(n)
	case pending == 0:
		c.stuck = 0
	default:
		c.stuck += since
	}
	return c.stuck
}
