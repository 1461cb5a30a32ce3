package callout

import (
	"sync"
	"time"
)

// breaker keeps from asking a service that does not answer. After limit failures in a row it is open: nobody may ask. When that
// has lasted for a while, one may: if that goes well all may, if not it is open for as long again.
type breaker struct {
	limit    int
	cooldown time.Duration

	mu       sync.Mutex
	failures int       // in a row; open if failures >= limit
	until    time.Time // when a probe may be made, if open
	probing  bool      // one is under way
}

// ticket is the right to ask once, to be given back by end or abandon.
type ticket struct{ probe bool }

// begin tells whether the service may be asked.
func (b *breaker) begin(now time.Time) (t ticket, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failures < b.limit {
		return ticket{}, true
	}
	if b.probing || now.Before(b.until) {
		return ticket{}, false
	}
	b.probing = true
	return ticket{probe: true}, true
}

// end tells how it went.
func (b *breaker) end(t ticket, now time.Time, well bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if t.probe {
		b.probing = false
	}
	if well {
		b.failures = 0
		return
	}
	// What was under way when it opened does not keep it open for longer.
	if b.failures++; b.failures == b.limit || t.probe {
		b.until = now.Add(b.cooldown)
	}
}

// abandon is for who has not waited for the answer: it may have gone either way.
func (b *breaker) abandon(t ticket) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if t.probe {
		b.probing = false
	}
}

func (b *breaker) isOpen() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failures >= b.limit
}
