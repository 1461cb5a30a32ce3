package broker

import "slices"

// Some subscriptions end with the Network Connection though the Session goes on: being in a chat room, for example. They
// are in the index like all others, and never in the record.

// lastingOf returns those of subs that are to be stored, as a list of its own.
func lastingOf(subs []Subscribe) []Subscribe {
	if !slices.ContainsFunc(subs, fleeting) {
		return slices.Clone(subs)
	}
	var lasting []Subscribe
	for _, sub := range subs {
		if !sub.Fleeting {
			lasting = append(lasting, sub)
		}
	}
	return lasting
}

func fleeting(sub Subscribe) bool { return sub.Fleeting }

// lastingSubscription tells whether there is a subscription to filter that is stored.
func (s *Session) lastingSubscription(filter string) bool {
	at := s.subscribed(filter)
	return at >= 0 && !s.subs[at].Fleeting
}

// dropFleeting ends the subscriptions that end with the connection, of which the Session has lost the last one.
func (s *Session) dropFleeting() {
	if !slices.ContainsFunc(s.subs, fleeting) {
		return
	}
	for _, sub := range s.subs {
		if sub.Fleeting {
			s.app.index.Unsubscribe(sub.TopicFilter, s)
			s.cancelRetained(sub.TopicFilter)
		}
	}
	s.subs = lastingOf(s.subs)
}
