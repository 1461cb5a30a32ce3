package crash

import (
	"fmt"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
)

const ms = time.Millisecond

// mixedTopics are the topics of the mixed load: some of each QoS, and with inboxes some that need no SUBSCRIBE.
func mixedTopics(inboxes ...int) []topic {
	var out []topic
	for _, q := range []packet.QoS{packet.AtLeastOnce, packet.ExactlyOnce} {
		for n := range 4 {
			out = append(out, topic{name: fmt.Sprintf("crash/%d/%d", q, n), qos: q, weight: 3, inbox: -1})
		}
	}
	for i, c := range inboxes {
		q := packet.QoS(1 + i%2)
		out = append(out, topic{name: "inbox/" + clientID(c), qos: q, weight: 1, inbox: c})
	}
	return out
}

// Where the clients of the mixed load stand in the list, for their inboxes.
const (
	firstPublisher = 0
	firstReceiver  = 4
	newcomer       = firstReceiver + 8
)

// mixedLoad adds the clients of the mixed load.
func mixedLoad(r *run) {
	var choice []int
	for i, t := range r.ledger.topics {
		for range t.weight {
			choice = append(choice, i)
		}
	}
	abrupt := []leave{leaveClose, leaveReset, leaveTakeover}
	all := append([]leave{leaveDisconnect}, abrupt...)
	for _, p := range []*client{
		{temper: temper{burst: 4, window: 32}},
		{temper: temper{burst: 8, window: 16, stay: span{50 * ms, 800 * ms}, away: span{0, 50 * ms}, leaves: abrupt}},
		{temper: temper{burst: 2, window: 50}, version: packet.V5},
		{temper: temper{burst: 6, window: 20, stay: span{100 * ms, 1500 * ms}, away: span{0, 200 * ms}, leaves: all}, version: packet.V5},
	} {
		p.temper.pause = span{ms, 15 * ms}
		p.topics = choice
		// Something to be kept for, from the first SUBACK on.
		p.wishes = []wish{{filter: fmt.Sprintf("crash/own/%d", len(r.clients)), qos: packet.AtLeastOnce}}
		r.add(p)
	}
	for _, s := range receivers(abrupt, all) {
		r.add(s)
	}
	r.add(&client{temper: temper{asleep: true}}) // the newcomer
}

func receivers(abrupt, all []leave) []*client {
	return []*client{
		{ // everything, always there
			version: packet.V5, receiveMaximum: 20, wishes: []wish{{filter: "crash/1/#", qos: 2}, {filter: "crash/2/#", qos: 2}},
		},
		{ // QoS of the subscription below that of publishing, late
			wishes: []wish{{filter: "crash/2/+", qos: 1}}, temper: temper{late: span{0, 300 * ms}},
		},
		{ // late, small window
			version: packet.V5, receiveMaximum: 4, wishes: []wish{{filter: "crash/2/0", qos: 2}, {filter: "crash/1/0", qos: 2}},
			temper: temper{late: span{0, 60 * ms}, stay: span{200 * ms, 2 * time.Second}, away: span{0, 100 * ms}, leaves: all},
		},
		{ // leaves abruptly in the middle
			wishes: []wish{{filter: "crash/2/1", qos: 2}, {filter: "crash/1/1", qos: 1}},
			temper: temper{late: span{0, 30 * ms}, stay: span{20 * ms, 400 * ms}, away: span{0, 30 * ms}, leaves: abrupt},
		},
		{ // often away for long
			version: packet.V5, wishes: []wish{{filter: "crash/1/2", qos: 1}, {filter: "crash/2/2", qos: 2}},
			temper: temper{stay: span{100 * ms, 600 * ms}, away: span{500 * ms, 4 * time.Second}, leaves: all},
		},
		{ // subscribes to more as time passes
			wishes: []wish{
				{"crash/2/3", 2, 0}, {"crash/1/3", 1, time.Second}, {"crash/1/0", 1, 3 * time.Second}, {"crash/2/0", 1, 6 * time.Second},
				{"crash/1/1", 2, 12 * time.Second}, {"crash/2/1", 2, 20 * time.Second},
			},
			temper: temper{stay: span{300 * ms, 3 * time.Second}, away: span{0, 500 * ms}, leaves: all},
		},
		{ // two that share
			version: packet.V5, wishes: []wish{{filter: "$share/two/crash/+/3", qos: 2}}, temper: temper{late: span{0, 20 * ms}},
		},
		{
			version: packet.V5, wishes: []wish{{filter: "$share/two/crash/+/3", qos: 2}},
			temper: temper{stay: span{100 * ms, 900 * ms}, away: span{0, 300 * ms}, leaves: all},
		},
	}
}
