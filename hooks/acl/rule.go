package acl

import (
	"net/netip"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// actions is a set of what a rule is about.
type actions uint8

const (
	publishing  actions = 1 << broker.ActionPublish
	subscribing actions = 1 << broker.ActionSubscribe
)

// rule is one entry of the list. It does not change once it is made.
type rule struct {
	permit    broker.Decision // Allow or Deny
	actions   actions
	users     *names
	clients   *names
	apps      *names
	addresses []netip.Prefix // nil is everywhere
	topics    []pattern      // nil is all topics
	retain    *bool          // nil is either
	maxQoS    broker.QoS
}

// applies tells whether the rule decides about a.
func (r *rule) applies(a *broker.Access) bool {
	return r.actions&(1<<a.Action) != 0 && a.QoS <= r.maxQoS &&
		(r.retain == nil || a.Action == broker.ActionPublish && *r.retain == a.Retain) &&
		r.users.has(a.User) && r.clients.has(a.ClientID) && r.apps.has(a.App) &&
		r.isFrom(a.Remote) && r.isAbout(a)
}

func (r *rule) isFrom(remote netip.Addr) bool {
	if r.addresses == nil {
		return true
	}
	remote = remote.Unmap().WithZone("")
	for _, p := range r.addresses {
		if p.Contains(remote) {
			return true
		}
	}
	return false
}

func (r *rule) isAbout(a *broker.Access) bool {
	if r.topics == nil {
		return true
	}
	for _, p := range r.topics {
		if p.applies(a, r.permit) {
			return true
		}
	}
	return false
}

// applies tells whether a rule with the pattern, that permits or denies, is about a's topic.
func (p pattern) applies(a *broker.Access, permit broker.Decision) bool {
	f, at := p.fitOf(a)
	switch {
	case f == absent || f == hostile && permit == broker.Allow:
		return false
	case f == hostile:
		return p.overlaps(a.Topic, a, at)
	case permit == broker.Allow || a.Action == broker.ActionPublish:
		return p.covers(a.Topic, a)
	}
	return p.overlaps(a.Topic, a, len(p))
}
