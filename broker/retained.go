package broker

import (
	"slices"
	"strings"
)

// retainedPage is how many retained Topic Names are looked at in one go, and
// so how long the store of retained messages is locked.
const retainedPage = 128

// retainedJob is the answer to a SUBSCRIBE that is being sent in pages.
type retainedJob struct {
	sub   Subscribe
	after string
}

// retain keeps m as the retained message of its Topic Name, or removes that if
// m has no payload: v5 [MQTT-3.3.1-5], [MQTT-3.3.1-6], v3.1.1 [MQTT-3.3.1-5], [MQTT-3.3.1-10].
func (a *App) retain(sc *Scratch, m *Message) Result {
	b := a.broker
	a.retainMu.Lock()
	defer a.retainMu.Unlock()
	if len(m.Payload) == 0 {
		a.retained.Delete(m.TopicName)
		b.store.SetRetained(a.name, strings.Clone(m.TopicName), nil, nil)
		return Accepted
	}
	if a.retained.Len() >= b.cfg.MaxRetained {
		if _, replaces := a.retained.Get(m.TopicName); !replaces {
			return QuotaExceeded
		}
	}
	k := m.Keep()
	a.retained.Set(k.TopicName, k)
	if m.QoS == 0 {
		b.store.SetRetained(a.name, k.TopicName, k, nil)
	} else {
		b.store.SetRetained(a.name, k.TopicName, k, sc.waits())
	}
	return Accepted
}

// scheduleRetained prepares the answer to a subscription with the retained
// messages that match: v5 [MQTT-3.3.1-9], [MQTT-3.3.1-10], [MQTT-3.3.1-11], v3.1.1 [MQTT-3.3.1-6].
func (s *Session) scheduleRetained(sub Subscribe, isNew bool) {
	h := sub.Options.RetainHandling()
	if h == 2 || h == 1 && !isNew || strings.HasPrefix(sub.TopicFilter, "$share/") {
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
	var found []*Message
	for range 8 {
		b := s.backlog
		if b == nil || len(b.jobs) == 0 || !s.room() {
			return
		}
		job := &b.jobs[0]
		limit := min(retainedPage, s.windowRoom())
		found = found[:0]
		next, more := s.app.retained.Page(job.sub.TopicFilter, job.after, limit,
			func(_ string, m *Message) { found = append(found, m) })
		for _, m := range found {
			if !s.sendRetained(sc, job, m) {
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
		return int(s.limit)
	}
	return int(s.limit) - s.window.unacked
}

// sendRetained sends one retained message. It returns false if the job must
// wait; it goes on after the last message that was sent.
func (s *Session) sendRetained(sc *Scratch, job *retainedJob, m *Message) bool {
	if m.expired(s.app.broker.cfg.Clock) {
		s.app.retained.DeleteIf(m.TopicName, func(o *Message) bool { return o == m })
		job.after = m.TopicName
		return true
	}
	if m.Publisher == s.clientID && job.sub.Options.NoLocal() { // v5 [MQTT-3.8.3-3]
		job.after = m.TopicName
		return true
	}
	if !s.room() {
		return false
	}
	it := item{msg: m, qos: min(m.QoS, QoS(job.sub.Options.QoS())), retain: true}
	if job.sub.ID != 0 {
		it.ids = []uint32{job.sub.ID}
	}
	id := s.nextID
	if it.qos == 0 {
		id = 0
	}
	switch s.send(sc, &it, id) {
	case Full:
		s.flags |= flagFull
		return false
	case Gone:
		return false
	case Oversized:
		sc.Counters.Dropped[DropOversized].add(1)
	case Sent:
		if it.qos > 0 {
			if s.persistent() {
				s.storeSent(sc, &it)
			}
			s.inFlight(sc, &it)
		}
	}
	job.after = m.TopicName
	return true
}

// storeSent puts a message that has been sent into the mailbox, so that it is
// repeated if the client is lost before it acknowledges. Nobody waits for that.
func (s *Session) storeSent(sc *Scratch, it *item) {
	outer := sc.op
	sc.op = nil
	s.store(sc, it)
	sc.op.finish(Accepted)
	sc.op = outer
	s.extra.mailbox.loaded = max(s.extra.mailbox.loaded, it.seq)
}
