package peers

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-mqtt/holdfast/bench"
	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
)

// scenario is one kind of load with what is read off it.
type scenario struct {
	name      string
	mode      bench.Mode
	qos       packet.QoS
	transport string
	longQueue bool // mosquitto would drop messages with its default queue
	noDelay   bool // mosquitto is to write at once, see the package comment
	metrics   []metric
}

// metric is one figure of a scenario.
type metric struct {
	name string
	unit string
	of   func(*bench.Result) float64
	must bound // zero: not required
	aim  bound
}

// bound is what a figure has to be.
type bound struct {
	kind  boundKind
	limit float64
}

type boundKind uint8

const (
	none         boundKind = iota
	atMost                 // holdfast's figure
	ratioAtLeast           // holdfast's figure by mosquitto's
	ratioAtMost
)

// met tells whether holdfast's figure and its ratio to mosquitto's are within b.
func (b bound) met(figure, ratio float64) bool {
	switch b.kind {
	case atMost:
		return figure <= b.limit
	case ratioAtLeast:
		return ratio >= b.limit
	case ratioAtMost:
		return ratio <= b.limit
	}
	return true
}

// String returns "≥ 8 ×", "≤ 1,200" and the like, "" for none.
func (b bound) String() string {
	switch b.kind {
	case atMost:
		return "≤ " + number(b.limit)
	case ratioAtLeast:
		return "≥ " + number(b.limit) + " ×"
	case ratioAtMost:
		return "≤ " + number(b.limit) + " ×"
	}
	return ""
}

// The figures.
var (
	rate      = func(r *bench.Result) float64 { return r.Messages.DeliveriesPerSecond }
	cpu       = func(r *bench.Result) float64 { return r.Broker.CPUPerMessage }
	p50       = func(r *bench.Result) float64 { return r.Messages.Latency.P50 }
	p99       = func(r *bench.Result) float64 { return r.Messages.Latency.P99 }
	p999      = func(r *bench.Result) float64 { return r.Messages.Latency.P999 }
	lost      = func(r *bench.Result) float64 { return float64(r.Messages.Lost) }
	generator = func(r *bench.Result) float64 { return r.Generator.Cores }
)

// idleMemory is the name of the figure that conn is for.
const idleMemory = "memory a connection"

// scenarios are all of them, with the requirements of the project.
func scenarios() []scenario {
	load := func(more ...metric) []metric {
		return append(more,
			metric{name: "latency p50", unit: "µs", of: p50},
			metric{name: "latency p99", unit: "µs", of: p99},
			metric{name: "generator", unit: "cores", of: generator},
		)
	}
	deliveries := func(must, aim float64) metric {
		m := metric{name: "deliveries", unit: "/s", of: rate}
		if must > 0 {
			m.must, m.aim = bound{ratioAtLeast, must}, bound{ratioAtLeast, aim}
		}
		return m
	}
	perDelivery := metric{name: "CPU per delivery", unit: "µs", of: cpu}
	p2pCPU, sparseCPU := perDelivery, perDelivery
	p2pCPU.must = bound{ratioAtMost, 0.125}
	sparseCPU.must, sparseCPU.aim = bound{ratioAtMost, 1}, bound{ratioAtMost, 0.8}
	noLoss := metric{name: "lost", of: lost, must: bound{atMost, 0}, aim: bound{atMost, 0}}
	return []scenario{
		{name: "conn", mode: bench.Conn, qos: 1, metrics: []metric{
			{
				name: idleMemory, unit: "B", must: bound{atMost, 1200}, aim: bound{atMost, 700},
				of: func(r *bench.Result) float64 { return float64(r.Broker.RSSPerConnection) },
			},
			{name: "connections", unit: "/s", of: func(r *bench.Result) float64 { return r.Connections.PerSecond }},
			{name: "connect p99", unit: "µs", of: func(r *bench.Result) float64 { return r.Connections.Latency.P99 }},
		}},
		{name: "p2p-qos1", mode: bench.P2P, qos: 1, metrics: load(deliveries(8, 12), p2pCPU, noLoss)},
		{name: "p2p-qos0", mode: bench.P2P, qos: 0, metrics: load(deliveries(0, 0), perDelivery)},
		{name: "fanout-qos0", mode: bench.FanOut, qos: 0, metrics: load(deliveries(3.5, 5), perDelivery)},
		{name: "fanout-qos1", mode: bench.FanOut, qos: 1, metrics: load(deliveries(3, 4), perDelivery, noLoss)},
		{name: "fanin-qos1", mode: bench.FanIn, qos: 1, longQueue: true, metrics: load(deliveries(10, 16), perDelivery, noLoss)},
		{name: "sparse-qos1", mode: bench.Sparse, qos: 1, noDelay: true, metrics: []metric{
			sparseCPU,
			{name: "latency p50", unit: "µs", of: p50},
			{name: "latency p99", unit: "µs", of: p99, must: bound{ratioAtMost, 1}, aim: bound{ratioAtMost, 0.8}},
			{name: "latency p99.9", unit: "µs", of: p999},
			noLoss,
			{name: "generator lag p99", unit: "µs", of: func(r *bench.Result) float64 { return r.Messages.Lag.P99 }},
		}},
	}
}

// Scenarios returns the names that Options.Only may have.
func Scenarios() []string {
	var names []string
	for _, s := range scenarios() {
		names = append(names, s.name)
	}
	return names
}

// choose returns the scenarios that only names, wholly or by the part before
// the dash; all if it is empty.
func choose(only []string) ([]scenario, error) {
	all := scenarios()
	if len(only) == 0 {
		return all, nil
	}
	var out []scenario
	for _, s := range all {
		short, _, _ := strings.Cut(s.name, "-")
		if slices.Contains(only, s.name) || slices.Contains(only, short) {
			out = append(out, s)
		}
	}
	for _, o := range only {
		known := slices.ContainsFunc(all, func(s scenario) bool { return s.name == o || strings.HasPrefix(s.name, o+"-") })
		if !known {
			return nil, fmt.Errorf("unknown scenario %q; there are %s", o, strings.Join(Scenarios(), ", "))
		}
	}
	return out, nil
}

// options are what the generator is given.
func (s *scenario) options(o *Options) bench.Options {
	b := bench.Defaults(s.mode)
	b.QoS = s.qos
	b.Loops, b.Clients, b.Messages = o.Loops, o.Clients, o.Messages
	if o.Duration > 0 {
		b.Duration, b.Settle = o.Duration, o.Duration
	}
	b.Warmup = min(b.Warmup, b.Duration)
	b.ConnectTimeout = time.Minute
	if overTLS(s.transport) {
		b.InFlight = min(b.InFlight, handshakesInFlight)
	}
	return b
}
