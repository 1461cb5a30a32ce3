package netloop

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// TurnBuckets is the number of buckets of Stats.Turns: bucket i counts turns
// that took less than 2^i microseconds and not less than half of that; the last one
// counts all longer ones.
const TurnBuckets = 22

// Stats are counters of an engine since its start.
type Stats struct {
	Open              int64             // connections whose socket is open
	Accepted          uint64            // connections accepted
	AcceptErrors      uint64            // errors of accept, such as no more descriptors
	NotAdmitted       uint64            // connections that ListenConfig.Admit has refused
	Unknown           map[string]uint64 // connections closed for speaking what the listener does not, by their first two bytes, in hex, or "other"
	Unopened          uint64            // connections that ended before OnOpen, by their own or the peer's doing
	Laggards          uint64            // connections that Laggards has closed
	Handshakes        uint64            // TLS handshakes that succeeded
	HandshakesFailed  uint64            // those that did not
	HandshakesRefused uint64            // those for which there was no place

	HandshakesDisplaced uint64 // those that waited for their peer and were ended, since others needed their places

	HandshakesUnderWay int           // those that have begun and not ended
	HandshakesRested   time.Duration // that handshakes have been held up, in favour of established connections

	BytesIn  uint64
	BytesOut uint64
	Turns    [TurnBuckets]uint64 // turns of the loops by duration
	TurnTime time.Duration       // spent in turns, all loops together
}

// loopStats are written by one loop and read by anybody.
type loopStats struct {
	bytesIn, bytesOut atomic.Uint64
	turns             [TurnBuckets]atomic.Uint64
	turnTime          atomic.Int64
	serveTime         atomic.Int64 // of turnTime: for connections that are open
	_                 [64]byte     // keep the next loop's counters off this cache line
}

func (s *loopStats) turn(d time.Duration) {
	b := min(bits.Len64(uint64(d/time.Microsecond)), TurnBuckets-1)
	s.turns[b].Add(1)
	s.turnTime.Add(int64(d))
}

// Stats returns the engine's counters. It may be called at any time.
func (e *Engine) Stats() Stats {
	st := Stats{
		Open:              e.open.Load(),
		Accepted:          e.accepted.Load(),
		AcceptErrors:      e.acceptErrors.Load(),
		NotAdmitted:       e.notAdmitted.Load(),
		Unknown:           e.unknown.counts(),
		Unopened:          e.unopened.Load(),
		Laggards:          e.laggards.Load(),
		Handshakes:        e.handshakes.done.Load(),
		HandshakesFailed:  e.handshakes.failed.Load(),
		HandshakesRefused: e.handshakes.refused.Load(),

		HandshakesDisplaced: e.handshakes.displaced.Load(),
		HandshakesUnderWay:  e.handshakes.places.count(),
		HandshakesRested:    time.Duration(e.handshakes.rested.Load()),
	}
	st.TurnTime = e.turnTime()
	for _, l := range e.loops {
		st.BytesIn += l.stats.bytesIn.Load()
		st.BytesOut += l.stats.bytesOut.Load()
		for i := range st.Turns {
			st.Turns[i] += l.stats.turns[i].Load()
		}
	}
	return st
}

// turnEnds counts a turn that has taken d.
func (l *Loop) turnEnds(d time.Duration) {
	l.stats.turn(d)
	if l.entered > 0 {
		d = d * time.Duration(l.served) / time.Duration(l.served+l.entered)
	}
	l.stats.serveTime.Add(int64(d))
	l.served, l.entered = 0, 0
}

// tally notes whom this turn is for.
func (l *Loop) tally(c *Conn) {
	if _, entering := c.h.(*entrance); entering {
		l.entered++
		return
	}
	l.served++
}

// serveTime is how long all loops together have worked for connections that are open.
func (e *Engine) serveTime() (d time.Duration) {
	for _, l := range e.loops {
		d += time.Duration(l.stats.serveTime.Load())
	}
	return d
}

// turnTime is how long all loops together have spent in turns.
func (e *Engine) turnTime() (d time.Duration) {
	for _, l := range e.loops {
		d += time.Duration(l.stats.turnTime.Load())
	}
	return d
}
