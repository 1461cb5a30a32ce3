package crash

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
)

// kind is what has happened to a message.
type kind uint8

const (
	sent      kind = iota // PUBLISH by its publisher, written down before it is
	acked                 // PUBACK or PUBREC with success
	refused               // the same with a failure (MQTT 5)
	completed             // PUBCOMP
	abandoned             // the publisher's Session was gone and the message with it
	received              // it came to a subscriber, who took it for new
	repeated              // a QoS 2 PUBLISH came that the subscriber had and had not seen released
	ackSent               // PUBACK or PUBREC by the subscriber, written down before it is
	ackSeen               // the server has certainly read that acknowledgement
)

// event is one entry of a message's history.
type event struct {
	order  uint64 // of all events of the run: what has a lower one happened before
	at     time.Duration
	client uint16
	round  uint16 // the server's, that of the connection
	id     packet.PacketID
	kind   kind
	dup    bool
}

// message is a message with all that has happened to it, in order.
type message struct {
	key    key
	events []event
}

// subscription is one that the server has acknowledged.
type subscription struct {
	client int
	filter string
	qos    packet.QoS
	since  uint64 // order of the SUBACK; 0: from the beginning
}

// ledger is what all clients have seen. Its methods are safe for concurrent use.
type ledger struct {
	// static
	began  time.Time
	topics []topic

	mu            sync.Mutex
	order         uint64
	round         uint16
	kills         []kill // by round; the last round has none
	messages      map[key]*message
	subscriptions []subscription
	faults        []fault
}

// kill is when a round's server ended.
type kill struct {
	order uint64
	at    time.Duration
}

func newLedger(topics []topic) *ledger {
	return &ledger{began: time.Now(), topics: topics, messages: make(map[key]*message)}
}

// stepLocked counts events on.
func (l *ledger) stepLocked() (uint64, time.Duration) {
	l.order++
	return l.order, time.Since(l.began)
}

// note writes down what has happened to k. Of e, order and time are set here.
func (l *ledger) note(k key, e event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := l.messages[k]
	if m == nil {
		m = &message{key: k}
		l.messages[k] = m
	}
	e.order, e.at = l.stepLocked()
	m.events = append(m.events, e)
}

// subscribed notes a SUBACK.
func (l *ledger) subscribed(client int, filter string, q packet.QoS) {
	l.mu.Lock()
	defer l.mu.Unlock()
	order, _ := l.stepLocked()
	l.subscriptions = append(l.subscriptions, subscription{client, filter, q, order})
}

// fault notes a fault that shows at once, of a message if k is not nil.
func (l *ledger) fault(rule rule, k *key, format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, at := l.stepLocked()
	f := fault{rule: rule, text: fmt.Sprintf("at %.3f s in round %d: ", at.Seconds(), l.round) + fmt.Sprintf(format, args...)}
	if k != nil {
		f.message = l.messages[*k]
	}
	l.faults = append(l.faults, f)
}

// killed notes the end of the round's server. It is called once the process is gone, before the next round.
func (l *ledger) killed() {
	l.mu.Lock()
	defer l.mu.Unlock()
	order, at := l.stepLocked()
	l.kills = append(l.kills, kill{order, at})
	l.round++
}

// now returns the round and the number of events so far.
func (l *ledger) now() (round uint16, events uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.round, l.order
}

// all returns the messages in the order of their keys; the ledger is not used any more.
func (l *ledger) all() []*message {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.SortedFunc(maps.Values(l.messages), func(a, b *message) int { return a.key.compare(b.key) })
}

func (k key) compare(o key) int {
	if c := int(k.publisher) - int(o.publisher); c != 0 {
		return c
	}
	if c := int(k.topic) - int(o.topic); c != 0 {
		return c
	}
	return int(int64(k.number) - int64(o.number))
}

// first returns the first event of a kind, nil if there is none.
func (m *message) first(k kind) *event {
	for i := range m.events {
		if m.events[i].kind == k {
			return &m.events[i]
		}
	}
	return nil
}
