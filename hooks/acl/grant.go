package acl

import (
	"errors"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// Grant is what one client may do, as its token or an answer about it says. It does not
// change, and is a broker.Permissions.
type Grant struct {
	publish, subscribe []pattern // nil is left to the rules
}

var (
	_ broker.Permissions = (*Grant)(nil)
	_ broker.Stable      = (*Grant)(nil)
)

// NewGrant returns what allows to publish to Topic Names that one of the filters in publish
// matches, and to subscribe to Topic Filters that one of those in subscribe covers, and denies
// all else. A list that is nil has the Grant Ignore what it is about; one that is empty denies it. Placeholders
// are those of the rules; an error is about a filter, and holds it.
func NewGrant(publish, subscribe []string) (*Grant, error) {
	p, err1 := compile(publish)
	s, err2 := compile(subscribe)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	return &Grant{publish: p, subscribe: s}, nil
}

func compile(filters []string) ([]pattern, error) {
	if filters == nil {
		return nil, nil
	}
	list := make([]pattern, 0, len(filters))
	var faults []error
	for _, f := range filters {
		p, err := parsePattern(f)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		list = append(list, p)
	}
	return list, errors.Join(faults...)
}

// Generation implements broker.Stable: a Grant does not change.
func (g *Grant) Generation() uint64 { return 0 }

// Check decides about a. It does not block, allocate or keep anything of a.
func (g *Grant) Check(a *broker.Access) broker.Decision {
	list := g.publish
	if a.Action == broker.ActionSubscribe {
		list = g.subscribe
	}
	switch {
	case list == nil:
		return broker.Ignore
	case a.Topic == "":
		return broker.Deny
	}
	for _, p := range list {
		if p.applies(a, broker.Allow) {
			return broker.Allow
		}
	}
	return broker.Deny
}
