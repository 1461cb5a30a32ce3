package broker

import (
	"sync"
	"time"
)

// sweepEvery is the least time between two sweeps. Whoever comes across a
// Session that has expired in its sleep does not wait for that; but its
// memory, and what it holds of Shared Subscriptions, does.
const sweepEvery = 30 * time.Second

// sweeper looks through registry and retained messages when something there has expired.
type sweeper struct {
	broker *Broker

	mu      sync.Mutex
	timer   Timer
	at      time.Duration // when the timer fires, on the broker's clock; 0 if it is not set
	last    time.Duration
	stopped bool
	running sync.WaitGroup
}

func newSweeper(b *Broker) *sweeper { return &sweeper{broker: b} }

// expect has a sweep follow when something expires at that time, or a little later.
func (w *sweeper) expect(at time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	at = max(at, w.last+sweepEvery)
	if w.stopped || w.at != 0 && w.at <= at {
		return
	}
	w.at = at
	wait := max(at-w.broker.deadlines.now(), 0)
	if w.timer == nil {
		w.timer = w.broker.cfg.Clock.AfterFunc(wait, w.run)
		return
	}
	w.timer.Reset(wait)
}

func (w *sweeper) run() {
	w.mu.Lock()
	if w.stopped {
		w.mu.Unlock()
		return
	}
	w.at, w.last = 0, w.broker.deadlines.now()
	w.running.Add(1)
	w.mu.Unlock()
	defer w.running.Done()
	if next := w.broker.sweep(); next != 0 {
		w.expect(next)
	}
}

// stop ends the sweeps and waits for one that is running.
func (w *sweeper) stop() {
	w.mu.Lock()
	w.stopped = true
	if w.timer != nil {
		w.timer.Stop()
	}
	w.mu.Unlock()
	w.running.Wait()
}

// sweep ends the Sessions that sleep and have expired, and retained messages
// that have. It returns when the next one does; 0 is never.
func (b *Broker) sweep() (next time.Duration) {
	for _, a := range b.allApps() {
		for i := range a.shards {
			for _, s := range a.shards[i].sessions() {
				next = earlier(next, s.expire())
			}
		}
		next = earlier(next, a.sweepRetained())
	}
	return next
}

// earlier returns the earlier of two times, of which 0 is never.
func earlier(a, b time.Duration) time.Duration {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// sessions returns those of a shard.
func (sh *sessionShard) sessions() []*Session {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	all := make([]*Session, 0, len(sh.m))
	for _, s := range sh.m {
		all = append(all, s)
	}
	return all
}

// expire ends a Session that sleeps and has expired. If it has not, it returns when it does.
func (s *Session) expire() time.Duration {
	s.mu.Lock()
	if !s.outlived() || s.has(flagEnded) {
		defer s.mu.Unlock()
		if !s.asleep() || s.has(flagEnded) {
			return 0
		}
		return s.ends()
	}
	s.app.broker.withScratch(func(sc *Scratch) { s.finish(sc) })
	return 0
}
