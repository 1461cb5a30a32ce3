package broker

import (
	"strings"

	"github.com/holdfast-mqtt/holdfast/broker/topic"
)

// AutoSubscription is a subscription that clients have without asking for it.
type AutoSubscription struct {
	// TopicFilter may hold placeholders: %c is the Client Identifier, %u the
	// user's name, %a the App, %% a percent sign. Clients choose their names, and must not thereby choose
	// topics: one whose name is empty, holds '+', '#' or '/', or would make the first level begin with '$' or be inbox, group or
	// broadcast, does not get a subscription that needs it.
	TopicFilter string
	Options     topic.Options
}

// Validate returns an error if the Topic Filter is none, whatever stands for its placeholders.
func (a *AutoSubscription) Validate() error {
	filter, ok := a.expand("x", "x", "x")
	if !ok {
		return topic.ValidateFilter(a.TopicFilter)
	}
	return topic.ValidateFilter(filter)
}

// expand fills the placeholders in. It returns false for a client that does not get the subscription.
func (a *AutoSubscription) expand(clientID, user, app string) (filter string, ok bool) {
	if !strings.Contains(a.TopicFilter, "%") {
		return a.TopicFilter, true
	}
	var b strings.Builder
	rest := a.TopicFilter
	for {
		before, after, found := strings.Cut(rest, "%")
		b.WriteString(before)
		if !found {
			break
		}
		value := ""
		switch {
		case strings.HasPrefix(after, "c"):
			value = clientID
		case strings.HasPrefix(after, "u"):
			value = user
		case strings.HasPrefix(after, "a"):
			value = app
		case strings.HasPrefix(after, "%"):
			value = "%"
		}
		if value == "" || strings.ContainsAny(value, "+#/") {
			return "", false
		}
		b.WriteString(value)
		rest = after[1:]
	}
	return b.String(), !a.chosen(b.String())
}

// chosen tells whether names have made the first level of a filter one that means something to the broker.
func (a *AutoSubscription) chosen(filter string) bool {
	shared := strings.HasPrefix(a.TopicFilter, "$share/") // not the filter: a name may be $share
	was, is := firstLevel(a.TopicFilter, shared), firstLevel(filter, shared)
	if was == is {
		return false
	}
	switch is {
	case "inbox", "group", "broadcast":
		return true
	}
	return strings.HasPrefix(is, "$") && !strings.HasPrefix(was, "$")
}

// firstLevel is that of a filter, of what is behind $share/ShareName/ if it is shared.
func firstLevel(filter string, shared bool) string {
	levels := strings.SplitN(filter, "/", 4)
	if shared {
		levels = levels[min(2, len(levels)-1):]
	}
	return levels[0]
}

// autoSubscribe adds the subscriptions that every client has, and those that the front makes for this one. Those that
// the Session has already stay as they are.
func (s *Session) autoSubscribe(c *Connect) {
	for i := range s.app.broker.cfg.AutoSubscribe {
		a := &s.app.broker.cfg.AutoSubscribe[i]
		filter, ok := a.expand(s.clientID, c.User, s.app.name)
		if !ok || topic.ValidateFilter(filter) != nil || s.subscribed(filter) >= 0 {
			continue
		}
		if s.subscribe(Subscribe{TopicFilter: filter, Options: a.Options}) == nil {
			s.recordChanged()
		}
	}
	for _, sub := range c.Subscriptions {
		if s.subscribed(sub.TopicFilter) < 0 && s.subscribe(sub) == nil && !sub.Fleeting {
			s.recordChanged()
		}
	}
}
