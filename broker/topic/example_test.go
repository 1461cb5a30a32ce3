package topic_test

import (
	"fmt"

	"github.com/holdfast-mqtt/holdfast/broker/topic"
)

func ExampleIndex() {
	x := topic.NewIndex[string]()
	x.Subscribe("sport/+/player1", topic.Subscription[string]{Subscriber: "ann", ID: 1, Options: topic.NewOptions(1, false, false, 0)})
	x.Subscribe("sport/#", topic.Subscription[string]{Subscriber: "ann", ID: 2, Options: topic.NewOptions(2, false, false, 0)})
	x.Subscribe("$share/workers/sport/#", topic.Subscription[string]{Subscriber: "bob"})
	x.Subscribe("$share/workers/sport/#", topic.Subscription[string]{Subscriber: "eve"})

	var m topic.Matches[string]
	for range 2 {
		x.Match("sport/tennis/player1", "", &m)
		for i, s := range m.Subs {
			fmt.Println(s.Subscriber, "QoS", s.Options.QoS(), "identifiers", len(m.AppendIDs(nil, i)))
		}
		for _, g := range m.Shared {
			sub, _ := g.Pick(nil)
			fmt.Println(sub.Subscriber, "for", g.Name)
		}
	}
	// Output:
	// ann QoS 2 identifiers 2
	// bob for workers
	// ann QoS 2 identifiers 2
	// eve for workers
}

func ExampleRetained_Page() {
	r := topic.NewRetained[string]()
	r.Set("home/kitchen/temperature", "21")
	r.Set("home/kitchen/humidity", "40")
	r.Set("home/cellar/temperature", "12")

	for after, more := "", true; more; {
		after, more = r.Page("home/+/temperature", after, 2, func(name, v string) {
			fmt.Println(name, v)
		})
	}
	// Output:
	// home/cellar/temperature 12
	// home/kitchen/temperature 21
}

func ExampleValidateFilter() {
	fmt.Println(topic.ValidateFilter("sport/+/player1"))
	fmt.Println(topic.ValidateFilter("sport/tennis#"))
	// Output:
	// <nil>
	// wildcard in a wrong place of a topic filter
}
