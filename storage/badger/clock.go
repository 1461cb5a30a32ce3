package badger

import (
	"math"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// clock turns instants into the milliseconds since 1970 that are stored, and back.
//
// It reads the wall clock once, when the Store opens; from then on it follows the monotonic clock, so that a
// wall clock that is set while the process runs changes no message's lifetime. It never starts before the
// last time that was stored: a wall clock that went back does not revive anything.
type clock struct {
	start time.Time // with its monotonic reading, on a whole millisecond
	base  int64     // what is stored for start
	age   time.Duration
}

// newClock starts a clock. last is the last time stored, in ms since 1970.
func newClock(now time.Time, last int64, age time.Duration) *clock {
	now = now.Add(-time.Duration(now.Nanosecond() % int(time.Millisecond)))
	return &clock{start: now, base: max(now.UnixMilli(), last), age: age}
}

// now is the present time in ms since 1970.
func (c *clock) now() int64 { return c.base + time.Since(c.start).Milliseconds() }

// encode rounds up to the next millisecond. Times before 1970 become 1970.
func (c *clock) encode(t time.Time) uint64 {
	d := t.Sub(c.start)
	ms := int64(d / time.Millisecond)
	if d%time.Millisecond > 0 {
		ms++
	}
	return uint64(max(c.base+ms, 0))
}

// maxOffset is as far as a time may lie from the start: time.Duration ends after 292 years.
const maxOffset = math.MaxInt64 / int64(time.Millisecond)

// decode returns a time that carries the monotonic clock.
func (c *clock) decode(ms uint64) time.Time {
	d := min(int64(min(ms, 1<<62))-c.base, maxOffset)
	return c.start.Add(time.Duration(d) * time.Millisecond)
}

// badgerNow is the time, in seconds since 1970, from which a time to live counts. Badger compares it with the
// wall clock; where that is behind the store's, the later one is taken so that nothing leaves too early.
func (c *clock) badgerNow() int64 { return max(c.now()/1000, time.Now().Unix()) + 1 }

// untilAge is when Badger may forget what has no end of its own, in seconds since 1970. now is badgerNow.
func (c *clock) untilAge(now int64) uint64 {
	return uint64(now + int64((c.age+time.Second-1)/time.Second))
}

// until is when Badger may forget what is owed of m, in seconds since 1970. now is badgerNow.
func (c *clock) until(now int64, m *broker.Message) uint64 {
	left := c.age
	if !m.Expires.IsZero() {
		left = min(left, max(time.Until(m.Expires), 0))
	}
	return uint64(now + int64((left+time.Second-1)/time.Second))
}
