package broker

import (
	"slices"
)

// retainedPage is how many retained Topic Names are looked at in one go, and
// so how long the index of retained messages is locked.
const retainedPage = 128

// retainedJob is the answer to a SUBSCRIBE that is being sent in pages.
type retainedJob struct {
	sub   Subscribe
	after string
	// fetched are messages that were read from the Store, those that come next.
	fetched []fetchedRetained
}

// fetchedRetained is a retained message that is in the Store only.
type fetchedRetained struct {
	name string
	r    *retained
	msg  *Message // nil if it is not there any more
}

// scheduleRetained prepares the answer to a subscription with the retained
// messages that match: v5 [MQTT-3.3.1-9], [MQTT-3.3.1-10], [MQTT-3.3.1-11], v3.1.1 [MQTT-3.3.1-6].
func (s *Session) scheduleRetained(sub Subscribe, isNew bool) {
	h := sub.Options.RetainHandling()
	if h == 2 || h == 1 && !isNew || isShared(sub.TopicFilter) {
		s.adjustRetained(sub)
		return
	}
	s.cancelRetained(sub.TopicFilter)
	if s.app.retained.Len() == 0 {
		return
	}
	b := s.pending()
	b.jobs = append(b.jobs, retainedJob{sub: sub})
}

// adjustRetained gives the new options to an answer that is under way to the
// subscription that sub replaces: what was asked for then is still owed.
func (s *Session) adjustRetained(sub Subscribe) {
	if s.backlog == nil {
		return
	}
	for i := range s.backlog.jobs {
		if j := &s.backlog.jobs[i]; j.sub.TopicFilter == sub.TopicFilter {
			j.sub = sub
		}
	}
}

func (s *Session) cancelRetained(filter string) {
	if b := s.backlog; b != nil {
		b.jobs = slices.DeleteFunc(b.jobs, func(j retainedJob) bool { return j.sub.TopicFilter == filter })
		s.relax()
	}
}

// runJobs sends retained messages as far as window and Link take them. What
// does not match holds the lock too, so that after a few pages the rest is
// left to another turn.
func (s *Session) runJobs(sc *Scratch) {
	var found []fetchedRetained
	for range 8 {
		b := s.backlog
		if b == nil || len(b.jobs) == 0 || !s.room() || s.has(flagFetching) {
			return
		}
		job := &b.jobs[0]
		if len(job.fetched) > 0 {
			if !s.sendFetched(sc, job) {
				return
			}
			continue
		}
		limit := min(retainedPage, s.windowRoom())
		found = found[:0]
		next, more := s.app.retained.Page(job.sub.TopicFilter, job.after, limit,
			func(name string, r *retained) { found = append(found, fetchedRetained{name: name, r: r}) })
		for i, f := range found {
			if f.r.stored {
				s.wantRetained(job, found[i:])
				return
			}
			f.r.message(s.app, f.name, &sc.retained)
			if !s.sendRetained(sc, job, f.name, f.r, &sc.retained) {
				return
			}
		}
		job.after = next
		if !more {
			b.jobs = b.jobs[1:]
		}
	}
	s.link.Yield(sc.via)
}

// windowRoom is how many deliveries the window takes at present.
func (s *Session) windowRoom() int {
	if s.window == nil {
		return s.windowSize()
	}
	return max(s.windowSize()-s.window.unacked, 1) // the size may have changed since there was room
}

// wantRetained has unlock fetch those at the beginning of found that are in the
// Store only.
func (s *Session) wantRetained(job *retainedJob, found []fetchedRetained) {
	n, bytes := 0, 0
	for n < len(found) && found[n].r.stored && (n == 0 || bytes+found[n].r.size() <= pageBytes) {
		bytes += found[n].r.size()
		n++
	}
	job.fetched = slices.Clone(found[:n])
	s.flags |= flagFetching | flagFetchRetained
}

// fetchRetained asks the Store for them. mu is not held.
func (s *Session) fetchRetained() {
	s.mu.Lock()
	if s.asleep() || s.backlog == nil || len(s.backlog.jobs) == 0 {
		s.flags &^= flagFetching
		s.mu.Unlock()
		return
	}
	filter := s.backlog.jobs[0].sub.TopicFilter
	names := make([]string, len(s.backlog.jobs[0].fetched))
	for i := range names {
		names[i] = s.backlog.jobs[0].fetched[i].name
	}
	s.mu.Unlock()
	s.app.broker.store.LoadRetained(s.app.name, names, func(ms []*Message, err error) {
		s.retainedLoaded(filter, ms, err)
	})
}

// retainedLoaded is called by the Store, from any goroutine.
func (s *Session) retainedLoaded(filter string, ms []*Message, err error) {
	var todo sessionFlags
	s.app.broker.withScratch(func(sc *Scratch) {
		s.mu.Lock()
		s.flags &^= flagFetching
		switch {
		case s.has(flagEnded) || s.asleep() || s.link == nil:
		case err != nil:
			s.app.broker.cfg.Logger.Error("retained_unreadable", "client_id", s.clientID, "error", err)
			s.link.End(err)
		default:
			if b := s.backlog; b != nil && len(b.jobs) > 0 && b.jobs[0].sub.TopicFilter == filter && len(b.jobs[0].fetched) == len(ms) {
				for i, m := range ms {
					b.jobs[0].fetched[i].msg = m
				}
			}
			s.pump(sc)
		}
		todo = s.release()
	})
	s.carryOut(todo)
}

// sendFetched sends what was read from the Store. It returns false if the job must wait.
func (s *Session) sendFetched(sc *Scratch, job *retainedJob) bool {
	for len(job.fetched) > 0 {
		f := job.fetched[0]
		if now, ok := s.app.retained.Get(f.name); ok && now != f.r { // replaced meanwhile: not the older one after the newer
			job.fetched = nil
			return true
		}
		if f.msg == nil {
			job.after = f.name
		} else {
			m := *f.msg
			m.QoS, m.Retain = f.r.qos, true
			if !s.sendRetained(sc, job, f.name, f.r, &m) {
				if s.backlog != nil && len(s.backlog.jobs) > 0 && job.after == f.name {
					job.fetched = job.fetched[1:]
				}
				return false
			}
		}
		job.fetched = job.fetched[1:]
	}
	job.fetched = nil
	return true
}

// sendRetained sends one retained message. It returns false if the job must
// wait; it goes on after the last message that was sent.
func (s *Session) sendRetained(sc *Scratch, job *retainedJob, name string, r *retained, m *Message) bool {
	if r.expired(s.app) {
		s.app.retained.DeleteIf(name, func(o *retained) bool { return o == r })
		job.after = name
		return true
	}
	if r.publisher != 0 && r.publisher == publisherHash(s.clientID) && job.sub.Options.NoLocal() { // v5 [MQTT-3.8.3-3]
		job.after = name
		return true
	}
	if !s.room() {
		return false
	}
	it := item{msg: m, qos: min(m.QoS, QoS(job.sub.Options.QoS())), retain: true}
	if job.sub.ID != 0 {
		it.ids = []uint32{job.sub.ID}
	}
	if it.qos > 0 && s.persistent() {
		return s.storeRetained(sc, job, name, &it)
	}
	switch s.send(sc, &it, s.nextPacketID(&it)) {
	case Full:
		s.flags |= flagFull
		return false
	case Gone:
		return false
	case Oversized:
		s.dropped(sc, m, DropOversized)
	case Sent:
		if it.qos > 0 {
			s.inFlight(sc, &it)
		}
	}
	job.after = name
	return true
}

// storeRetained puts a retained message at the end of the mailbox, from where it is sent, so that it is
// repeated if the client is lost before it acknowledges. Nobody waits for that.
func (s *Session) storeRetained(sc *Scratch, job *retainedJob, name string, it *item) bool {
	if !s.fits(it.msg.size()) {
		return false
	}
	k := it.keep()
	s.enqueue(sc, &k, nil)
	job.after = name
	return s.drain(sc)
}
