package broker

import "sync"

// resumer goes on with Sessions for which the Store has committed something
// that they have waited for. The Store's callbacks must not block, and some come
// with the Session's lock held; so they only post here. It is one resident
// goroutine; it has no more to do than the Store lets be outstanding, and publishes be parked.
type resumer struct {
	do   func([]*Session)
	done sync.WaitGroup

	mu      sync.Mutex
	cond    sync.Cond
	posted  []*Session
	stopped bool
}

func newResumer(do func([]*Session)) *resumer {
	r := &resumer{do: do}
	r.cond.L = &r.mu
	r.done.Go(r.run)
	return r
}

// post has s gone on with, soon. It does not block.
func (r *resumer) post(s *Session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.posted); n > 0 && r.posted[n-1] == s {
		return
	}
	r.posted = append(r.posted, s)
	if len(r.posted) == 1 {
		r.cond.Signal()
	}
}

func (r *resumer) run() {
	var batch []*Session
	for {
		r.mu.Lock()
		for len(r.posted) == 0 && !r.stopped {
			r.cond.Wait()
		}
		if r.stopped {
			r.mu.Unlock()
			return
		}
		batch, r.posted = r.posted, batch[:0]
		r.mu.Unlock()
		r.do(batch)
		clear(batch)
	}
}

// stop ends the goroutine and waits for it.
func (r *resumer) stop() {
	r.mu.Lock()
	r.stopped = true
	r.cond.Signal()
	r.mu.Unlock()
	r.done.Wait()
}

// goOn is what the resumer does.
func (b *Broker) goOn(sessions []*Session) {
	b.withScratch(func(sc *Scratch) {
		for _, s := range sessions {
			s.mu.Lock()
			if !s.has(flagEnded) && !s.asleep() {
				s.sendReleases(sc)
				s.goOnWaiting(sc)
			}
			s.unlock(sc)
		}
	})
}
