package acl

import (
	"slices"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// Rules are a list of rules in order. They do not change: to load others, put others in
// their place. They are a broker.Authorizer and may be asked by any number of goroutines at once.
type Rules struct {
	rules    []rule
	fallback broker.Decision
	// byUser has, in order, the places of rules for users named in full, and general those of all others.
	byUser  map[string][]int
	general []int
}

var (
	_ broker.Authorizer = (*Rules)(nil)
	_ broker.Stable     = (*Rules)(nil)
)

// newRules makes an index of the rules.
func newRules(list []rule, fallback broker.Decision) *Rules {
	r := &Rules{rules: list, fallback: fallback, byUser: make(map[string][]int)}
	for i := range list {
		if u := list[i].users; u != nil && len(u.globs) == 0 {
			for name := range u.exact {
				r.byUser[name] = append(r.byUser[name], i)
			}
		} else {
			r.general = append(r.general, i)
		}
	}
	return r
}

// OnACLCheck returns Allow or Deny, never Ignore: that of the first rule that applies, or else
// the default. It does not block, allocate or keep anything of a, whose Topic must be a valid Topic
// Name or Topic Filter; an empty one is denied.
func (r *Rules) OnACLCheck(a *broker.Access) broker.Decision {
	if a.Topic == "" {
		return broker.Deny
	}
	own, general := r.byUser[a.User], r.general
	for len(own) > 0 || len(general) > 0 {
		var i int
		if len(general) == 0 || len(own) > 0 && own[0] < general[0] {
			i, own = own[0], own[1:]
		} else {
			i, general = general[0], general[1:]
		}
		if rule := &r.rules[i]; rule.applies(a) {
			return rule.permit
		}
	}
	return r.fallback
}

// Generation implements broker.Stable: Rules do not change.
func (r *Rules) Generation() uint64 { return 0 }

// Len returns the number of rules, the default not counted.
func (r *Rules) Len() int { return len(r.rules) }

// Builtin returns the rules of a node that has been given none. Everybody may do everything, except:
//   - inbox/{ClientID} is for the client of that name alone, to subscribe and to publish to;
//   - what begins with $SYS is to be subscribed to by sysUsers alone, User Names, and published to by nobody.
//
// A back end that publishes to inboxes needs rules of its own.
func Builtin(sysUsers ...string) *Rules {
	sysUsers = slices.DeleteFunc(slices.Clone(sysUsers), func(u string) bool { return u == "" })
	exact := &names{exact: make(map[string]struct{})} // '*' in a name of the configuration is that character
	for _, u := range sysUsers {
		exact.exact[u] = struct{}{}
	}
	const all = publishing | subscribing
	return newRules([]rule{
		{permit: broker.Allow, actions: all, maxQoS: 2, topics: patterns("inbox/%c")},
		{permit: broker.Deny, actions: all, maxQoS: 2, topics: patterns("inbox/+/#")},
		{permit: broker.Allow, actions: subscribing, maxQoS: 2, users: exact, topics: patterns("$SYS/#")},
		{permit: broker.Deny, actions: all, maxQoS: 2, topics: patterns("$SYS/#")},
	}, broker.Allow)
}

// patterns compiles filters that are known to be right.
func patterns(filters ...string) []pattern {
	var list []pattern
	for _, f := range filters {
		p, err := parsePattern(f)
		if err != nil {
			panic(err)
		}
		list = append(list, p)
	}
	return list
}
