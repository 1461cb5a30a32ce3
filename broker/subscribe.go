package broker

import (
	"slices"

	"github.com/holdfast-mqtt/holdfast/broker/topic"
)

// Subscribe adds subscriptions, or replaces those with equal Topic Filters. The
// filters must be valid. It returns one error per subscription: nil where it is
// in force, ErrQuotaExceeded where there are too many, ErrNotAuthorized where it reaches into
// the inbox of another client. A client's own inbox needs no subscription, and gets none. Clients subscribe anew whenever they
// connect: to what is stored like this already, nothing is written, nor refused when the disk is full.
//
// If pending is true, c will be told when all is on disk, and the client must
// not be answered before. Retained messages follow
// when the front calls Resume or Retained, after it has answered.
func (s *Session) Subscribe(sc *Scratch, epoch uint64, subs []Subscribe, c Commit) (errs []error, pending bool, err error) {
	errs = make([]error, len(subs))
	s.mu.Lock()
	defer s.unlock(sc)
	if s.epoch.Load() != epoch || s.asleep() {
		return nil, false, ErrStale
	}
	changed, safe := false, s.subscriptionsSafe()
	for i, sub := range subs {
		switch own, foreign := foreignInbox(sub.TopicFilter, s.clientID); {
		case foreign:
			errs[i] = ErrNotAuthorized
		case !own:
			stored := safe && s.hasSubscription(sub)
			changed = changed || !stored && (!sub.Fleeting || s.lastingSubscription(sub.TopicFilter))
			errs[i] = s.subscribe(sub)
		default:
			changed = changed || !safe
		}
	}
	if h := sc.hooks; h != nil && len(h.subscribed) > 0 {
		tell(h.subscribed, &Subscribed{ConnectionID: s.connection(), Subscriptions: slices.Clone(subs), Errs: slices.Clone(errs)})
	}
	return errs, changed && s.saveSubscriptions(c), nil
}

// saveSubscriptions stores what has changed, if it is to last.
func (s *Session) saveSubscriptions(c Commit) (pending bool) {
	if !s.lasting() || !s.persistent() {
		return false
	}
	s.saveRecord(c)
	return true
}

// subscribed returns the place of the subscription to filter, or -1.
func (s *Session) subscribed(filter string) int {
	return slices.IndexFunc(s.subs, func(o Subscribe) bool { return o.TopicFilter == filter })
}

// hasSubscription tells whether there is one that equals sub.
func (s *Session) hasSubscription(sub Subscribe) bool {
	at := s.subscribed(sub.TopicFilter)
	return at >= 0 && s.subs[at] == sub
}

func (s *Session) subscribe(sub Subscribe) error {
	at := s.subscribed(sub.TopicFilter)
	if at < 0 || s.subs[at] != sub {
		s.subscriptionsChanged()
	}
	switch {
	case at >= 0:
		kept := s.subs[at].Options.QoS() > 0
		s.subs[at] = sub
		if s.logged(&sub) && !kept && sub.Options.QoS() > 0 { // nothing was kept for it so far
			s.subscribeLog()
		}
	case len(s.subs) >= s.app.broker.cfg.MaxSubscriptions || s.filterBytes()+len(sub.TopicFilter) > maxFilterBytes:
		return ErrQuotaExceeded
	case !s.app.takesSubscription():
		return ErrQuotaExceeded
	default:
		s.subs = append(slices.Clip(s.subs), sub)
		if s.logged(&sub) {
			s.subscribeLog()
		}
	}
	s.index(&sub)
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
// was one. Messages that are queued or in flight stay owed. pending and c are as
// with Subscribe.
func (s *Session) Unsubscribe(sc *Scratch, epoch uint64, filters []string, c Commit) (existed []bool, pending bool, err error) {
	existed = make([]bool, len(filters))
	s.mu.Lock()
	defer s.unlock(sc)
	if s.epoch.Load() != epoch || s.asleep() {
		return nil, false, ErrStale
	}
	changed := false
	for i, f := range filters {
		if own, _ := foreignInbox(f, s.clientID); own {
			existed[i] = true
			continue
		}
		at := s.subscribed(f)
		if at < 0 {
			continue
		}
		existed[i], changed = true, changed || !s.subs[at].Fleeting
		s.subs = slices.Delete(s.subs, at, at+1)
		s.subscriptionsChanged()
		s.app.index.Unsubscribe(f, s)
		s.cancelRetained(f)
	}
	if h := sc.hooks; h != nil && len(h.unsubscribed) > 0 {
		tell(h.unsubscribed, &Unsubscribed{ConnectionID: s.connection(), TopicFilters: slices.Clone(filters)})
	}
	return existed, changed && s.saveSubscriptions(c), nil
}

// Retained lets the retained messages flow that Subscribe has found.
func (s *Session) Retained(sc *Scratch, epoch uint64) {
	s.mu.Lock()
	if s.epoch.Load() == epoch && !s.asleep() && s.backlog != nil && len(s.backlog.jobs) > 0 {
		s.pump(sc)
	}
	s.unlock(sc)
}
