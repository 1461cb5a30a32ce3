package broker_test

import (
	"slices"
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// tap notes what passes.
type tap []string

func (t *tap) Passes(a *broker.App, m *broker.Message) {
	*t = append(*t, a.Name()+" "+m.TopicName+" "+string(m.Payload))
}

// rewriter is an interceptor that changes topics, and stops some messages.
type rewriter struct{}

func (rewriter) ID() string { return "rewriter" }

func (rewriter) OnPublish(p *broker.Publication) broker.Interception {
	switch p.TopicName {
	case "old/1":
		p.TopicName = "group/1"
	case "group/2":
		return broker.Reject
	case "group/3":
		return broker.Drop
	}
	return broker.Pass
}

// Taps see what is published below their prefix, whether anybody subscribes to it or not, as it is after interceptors.
func TestTap(t *testing.T) {
	r := newRoom(t, broker.Config{Hooks: []broker.Hook{rewriter{}}})
	p := r.connect(t, "p")
	p.publish("group/0", "before", 0)
	groups, all := new(tap), new(tap)
	r.Tap("group/", groups)
	r.Tap("", all)
	for _, name := range []string{"group/0", "groups/0", "old/1", "group/2", "group/3"} {
		p.publish(name, "x", 0)
	}
	if want := []string{"default group/0 x", "default group/1 x"}; !slices.Equal(*groups, want) {
		t.Errorf("below group/: got %q, want %q", *groups, want)
	}
	if want := []string{"default group/0 x", "default groups/0 x", "default group/1 x"}; !slices.Equal(*all, want) {
		t.Errorf("all: got %q, want %q", *all, want)
	}
}
