package broker

import "strings"

// Tap sees messages that are published, whoever subscribes to them. It is for fronts that keep something of what goes by; hooks have
// PublishInterceptor and observers.
type Tap interface {
	// Passes is called before a message is offered to Sessions, after interceptors: on the publisher's goroutine, by several at once,
	// with no lock held. It must not block. m may be borrowed; see Message.Keep.
	Passes(a *App, m *Message)
}

// tapped is a Tap and what it sees.
type tapped struct {
	prefix string
	tap    Tap
}

// Tap has t see the messages, of all Apps, whose Topic Names begin with prefix, from now on and for ever.
func (b *Broker) Tap(prefix string, t Tap) {
	for {
		old := b.taps.Load()
		var all []tapped
		if old != nil {
			all = append(all, *old...)
		}
		all = append(all, tapped{prefix, t})
		if b.taps.CompareAndSwap(old, &all) {
			return
		}
	}
}

// passes tells the taps of a message.
func (b *Broker) passes(a *App, m *Message) {
	all := b.taps.Load()
	if all == nil {
		return
	}
	for _, t := range *all {
		if strings.HasPrefix(m.TopicName, t.prefix) {
			t.tap.Passes(a, m)
		}
	}
}
