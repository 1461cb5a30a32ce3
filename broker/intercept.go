package broker

import (
	"strings"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker/topic"
)

// Interception is what a PublishInterceptor makes of a message.
type Interception uint8

// Interceptions.
const (
	// Pass lets the message go on, with what was changed of it.
	Pass Interception = iota
	// Reject refuses it: an MQTT 5 client gets 0x87. One of MQTT 3, which has no answer that says so, gets an
	// acknowledgement, or is disconnected if the front is set so.
	Reject
	// Drop has it go to nobody, and its publisher is told that it was accepted.
	Drop
)

// Publication is a message that is about to be published.
type Publication struct {
	// From is the publisher's connection. Its Epoch is 0 for a Will, its ClientID is empty for what the server publishes.
	From ConnectionID
	QoS  QoS // for information

	// What follows may be changed, within the bounds that OnPublish names. Bytes are replaced, not written to.

	TopicName  string
	Payload    []byte
	Properties []byte // see Message.Properties
	Retain     bool
	Expires    time.Time
}

// PublishInterceptor sees each message before it is published, those of Wills and of the server included, and may change
// or stop it. Several are asked in the order of Config.Hooks, until one does not Pass.
type PublishInterceptor interface {
	// OnPublish is called on the publisher's loop, by several loops at once, and must not block. p and what it refers
	// to are valid during the call; what is put in their place must not change afterwards.
	//
	// A message that has been changed is rejected if its Topic Name is not valid, or begins with $SYS/ and did not before,
	// or if it has grown by more than 64 KiB. A panic rejects it too. A QoS 2 message that is repeated
	// and was accepted is not asked about again. Rules are not asked about a new Topic Name.
	OnPublish(p *Publication) Interception
}

// maxGrowth is by how many bytes a message may grow.
const maxGrowth = 64 << 10

// intercept asks about the message of p, and replaces it by what it has become.
func (sc *Scratch) intercept(h *hooks, p *Publish) Interception {
	m := p.Message
	pub := &sc.publication
	defer func() { *pub = Publication{} }()
	*pub = Publication{
		From: p.from(), QoS: m.QoS,
		TopicName: m.TopicName, Payload: m.Payload, Properties: m.Properties, Retain: m.Retain, Expires: m.Expires,
	}
	for _, i := range h.interceptors {
		if r := sc.askInterceptor(i, pub); r != Pass {
			return r
		}
	}
	if !pub.within(m) {
		return Reject
	}
	if !m.borrowed {
		c := *m
		m, p.Message = &c, &c
	}
	m.TopicName, m.Payload, m.Properties, m.Retain, m.Expires = pub.TopicName, pub.Payload, pub.Properties, pub.Retain, pub.Expires
	return Pass
}

func (sc *Scratch) askInterceptor(i PublishInterceptor, pub *Publication) (r Interception) {
	r = Reject
	defer sc.broker.contain(HookPublish)
	return i.OnPublish(pub)
}

// within tells whether what has become of m keeps to the bounds.
func (pub *Publication) within(m *Message) bool {
	if pub.TopicName != m.TopicName &&
		(topic.ValidateName(pub.TopicName) != nil || strings.HasPrefix(pub.TopicName, "$SYS/") && !strings.HasPrefix(m.TopicName, "$SYS/")) {
		return false
	}
	return len(pub.TopicName)+len(pub.Payload)+len(pub.Properties) <= len(m.TopicName)+len(m.Payload)+len(m.Properties)+maxGrowth
}

// from names the publisher.
func (p *Publish) from() ConnectionID {
	if p.Session == nil {
		return ConnectionID{App: p.App.name, ClientID: p.willOf}
	}
	return ConnectionID{App: p.App.name, ClientID: p.Session.clientID, Epoch: p.Epoch}
}

// pass routes the message of p as r says, and tells observers.
func (sc *Scratch) pass(p *Publish, r Interception) Result {
	switch r {
	case Reject:
		sc.of(p.App).Rejected.add(1)
		return Rejected
	case Drop:
		sc.of(p.App).Discarded.add(1)
		return Accepted
	case Pass:
	}
	sc.broker.passes(p.App, p.Message)
	result := sc.route(p)
	if h := sc.hooks; h != nil && len(h.published) > 0 && result.OK() {
		tell(h.published, &Published{ConnectionID: p.from(), Message: p.Message.Keep(), Matched: result != NoSubscribers})
	}
	return result
}
