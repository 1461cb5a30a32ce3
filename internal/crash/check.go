package crash

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
)

// rule is one of the rules of the package comment.
type rule string

const (
	ruleAcked    rule = "acked"
	ruleOnce     rule = "once"
	ruleOrder    rule = "order"
	ruleReturned rule = "returned"
	ruleSession  rule = "session"
	ruleProtocol rule = "protocol"
	rulePrefix   rule = "prefix" // files cut short only
)

// fault is a broken rule.
type fault struct {
	rule    rule
	text    string
	message *message // nil if it is not about one
}

// onDisk is how long before a kill a write must have been acknowledged for what came before it to be taken as
// committed. Writes to which the ledger itself can testify only as "some message was acknowledged" may have been
// acknowledged because the subscriber had it already, without a write.
const onDisk = time.Second

// recipient is who a message is owed to: a client, or the members of a Shared Subscription together.
type recipient struct {
	name    string
	clients []int
	shared  bool
	subs    []subscription // of one client; in a group each member's
}

// has tells whether a client belongs to r.
func (r *recipient) has(client uint16) bool { return slices.Contains(r.clients, int(client)) }

// owed returns with what QoS m's topic is subscribed, and whether m is owed: the SUBACK came before m was sent.
func (r *recipient) owed(t *topic, firstSent uint64) (qos packet.QoS, subscribed, owed bool) {
	for _, s := range r.subs {
		if matches(s.filter, t.name) {
			qos, subscribed = max(qos, s.qos), true
			owed = owed || s.since < firstSent
		}
	}
	return qos, subscribed, owed
}

// recipients gathers the subscriptions. A client that gets messages through its inbox is one, too.
func (l *ledger) recipients() []*recipient {
	byName := make(map[string]*recipient)
	var out []*recipient
	add := func(name string, s subscription, shared bool) {
		r := byName[name]
		if r == nil {
			r = &recipient{name: name, shared: shared}
			byName[name] = r
			out = append(out, r)
		}
		if !r.has(uint16(s.client)) {
			r.clients = append(r.clients, s.client)
		}
		r.subs = append(r.subs, s)
	}
	for _, t := range l.topics {
		if t.inbox >= 0 {
			add(fmt.Sprintf("client %d", t.inbox), subscription{client: t.inbox, filter: t.name, qos: packet.ExactlyOnce}, false)
		}
	}
	for _, s := range l.subscriptions {
		if strings.HasPrefix(s.filter, "$share/") {
			add("group "+s.filter, s, true)
			continue
		}
		add(fmt.Sprintf("client %d", s.client), s, false)
	}
	return out
}

// missing counts what is owed and has not come yet.
func (l *ledger) missing() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	rs := l.recipients()
	for _, m := range l.messages {
		for _, r := range rs {
			if l.lacks(r, m) {
				n++
			}
		}
	}
	return n
}

// lacks tells whether r is owed m and has not got it.
func (l *ledger) lacks(r *recipient, m *message) bool {
	first := m.first(sent)
	if first == nil || m.first(acked) == nil {
		return false
	}
	if _, _, owed := r.owed(&l.topics[m.key.topic], first.order); !owed {
		return false
	}
	return !slices.ContainsFunc(m.events, func(e event) bool { return e.kind == received && r.has(e.client) })
}

// check applies all rules to what has been written down, at the end of a run.
func (l *ledger) check() []fault {
	messages := l.all()
	l.mu.Lock()
	defer l.mu.Unlock()
	faults := slices.Clone(l.faults)
	durable := l.durable(messages)
	for _, r := range l.recipients() {
		for _, m := range messages {
			faults = append(faults, l.checkMessage(r, m, durable)...)
		}
		if !r.shared {
			faults = append(faults, l.checkOrder(r, messages)...)
		}
	}
	return faults
}

// durable returns for each round the order of the last event that must have reached the disk by the kill: the
// sending of the last message whose acknowledgement came onDisk or more before it.
func (l *ledger) durable(messages []*message) []uint64 {
	out := make([]uint64, len(l.kills)+1)
	for _, m := range messages {
		var last *event // PUBLISH of this round
		for i := range m.events {
			switch e := &m.events[i]; {
			case e.kind == sent:
				last = e
			case e.kind == acked && last != nil && last.round == e.round && int(e.round) < len(l.kills) &&
				e.at+onDisk <= l.kills[e.round].at:
				out[e.round] = max(out[e.round], last.order)
			}
		}
	}
	out[len(l.kills)] = math.MaxUint64 // nothing has killed the last server
	return out
}

// checkMessage applies the rules acked, once and returned.
func (l *ledger) checkMessage(r *recipient, m *message, durable []uint64) (faults []fault) {
	first := m.first(sent)
	if first == nil {
		if e := m.first(received); e != nil && r.has(e.client) {
			return []fault{{ruleProtocol, r.name + " received a message that nobody has published", m}}
		}
		return nil
	}
	t := &l.topics[m.key.topic]
	qos, subscribed, _ := r.owed(t, first.order)
	if !subscribed {
		return nil
	}
	qos = min(qos, t.qos)
	if l.lacks(r, m) {
		faults = append(faults, fault{ruleAcked, fmt.Sprintf("%s was acknowledged and has not come to %s", m.key, r.name), m})
	}
	arrivals, sends, settled := 0, 0, 0
	var seen []event
	for _, e := range m.events {
		switch {
		case e.kind == sent:
			sends++
		case e.kind == ackSeen && r.has(e.client):
			seen = append(seen, e)
		case e.kind == received && r.has(e.client):
			arrivals++
			settled = 0
			for _, s := range seen {
				if s.round == e.round || s.order < durable[s.round] {
					settled++
				}
			}
			instances := 1 // of the message: a PUBLISH of QoS 1 sent again is another one
			if t.qos == packet.AtLeastOnce {
				instances = sends
			}
			if settled >= instances && qos == packet.AtLeastOnce {
				faults = append(faults, fault{ruleReturned, fmt.Sprintf(
					"%s came again to %s at %.3f s, after %d settled acknowledgement(s) of %d instance(s)",
					m.key, r.name, e.at.Seconds(), settled, instances), m})
			}
		}
	}
	if qos == packet.ExactlyOnce && arrivals > 1 {
		faults = append(faults, fault{ruleOnce, fmt.Sprintf("%s came %d times to %s", m.key, arrivals, r.name), m})
	}
	return faults
}

// checkOrder looks at the first arrivals of every publisher's messages of a topic. messages are sorted by key.
func (l *ledger) checkOrder(r *recipient, messages []*message) (faults []fault) {
	var before *message
	var beforeAt uint64
	for _, m := range messages {
		i := slices.IndexFunc(m.events, func(e event) bool { return e.kind == received && r.has(e.client) })
		if i < 0 {
			continue
		}
		at := m.events[i].order
		same := before != nil && before.key.publisher == m.key.publisher && before.key.topic == m.key.topic
		if same && at < beforeAt {
			faults = append(faults, fault{ruleOrder, fmt.Sprintf("%s came to %s after %s", before.key, r.name, m.key), before})
		}
		if !same || at > beforeAt {
			before, beforeAt = m, at
		}
	}
	return faults
}
