package broker

import (
	"slices"

	"github.com/holdfast-mqtt/holdfast/broker/topic"
)

// Subscribe adds subscriptions, or replaces those with equal Topic Filters. The
// filters must be valid. It returns one error per subscription, nil where it is
// in force, ErrQuotaExceeded where there are too many. Retained messages follow
// when the front calls Resume or Retained, after it has answered.
func (s *Session) Subscribe(sc *Scratch, epoch uint64, subs []Subscribe) ([]error, error) {
	errs := make([]error, len(subs))
	s.mu.Lock()
	defer s.unlock(sc)
	if s.epoch.Load() != epoch {
		return nil, ErrStale
	}
	for i, sub := range subs {
		errs[i] = s.subscribe(sub)
	}
	s.save()
	return errs, nil
}

func (s *Session) subscribe(sub Subscribe) error {
	at := slices.IndexFunc(s.subs, func(o Subscribe) bool { return o.TopicFilter == sub.TopicFilter })
	switch {
	case at >= 0:
		s.subs[at] = sub
	case len(s.subs) >= s.app.broker.cfg.MaxSubscriptions || s.filterBytes()+len(sub.TopicFilter) > maxFilterBytes:
		return ErrQuotaExceeded
	default:
		s.subs = append(slices.Clip(s.subs), sub)
	}
	s.app.index.Subscribe(sub.TopicFilter, s.subscription(sub))
	s.scheduleRetained(sub, at < 0)
	return nil
}

// maxFilterBytes bounds the Topic Filters of one Session, in bytes together:
// each may have 65,535, and costs the topic index more than that.
const maxFilterBytes = 256 << 10

func (s *Session) filterBytes() int {
	n := 0
	for i := range s.subs {
		n += len(s.subs[i].TopicFilter)
	}
	return n
}

func (s *Session) subscription(sub Subscribe) topic.Subscription[*Session] {
	return topic.Subscription[*Session]{Subscriber: s, ID: sub.ID, Options: sub.Options}
}

// Unsubscribe removes subscriptions. It returns for each filter whether there
// was one. Messages that are queued or in flight stay owed.
func (s *Session) Unsubscribe(sc *Scratch, epoch uint64, filters []string) ([]bool, error) {
	existed := make([]bool, len(filters))
	s.mu.Lock()
	defer s.unlock(sc)
	if s.epoch.Load() != epoch {
		return nil, ErrStale
	}
	for i, f := range filters {
		at := slices.IndexFunc(s.subs, func(o Subscribe) bool { return o.TopicFilter == f })
		if at < 0 {
			continue
		}
		existed[i] = true
		s.subs = slices.Delete(s.subs, at, at+1)
		s.app.index.Unsubscribe(f, s)
		s.cancelRetained(f)
	}
	s.save()
	return existed, nil
}

// Retained lets the retained messages flow that Subscribe has found.
func (s *Session) Retained(sc *Scratch, epoch uint64) {
	s.mu.Lock()
	if s.epoch.Load() == epoch && s.backlog != nil && len(s.backlog.jobs) > 0 {
		s.pump(sc)
	}
	s.unlock(sc)
}
