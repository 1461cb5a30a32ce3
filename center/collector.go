package center

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/login"
	"github.com/holdfast-mqtt/holdfast/broker/mqtt"
	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

// Node is what a Collector shows of.
type Node struct {
	Broker *broker.Broker
	MQTT   *mqtt.Server
	Engine *netloop.Engine
	Logins *login.Pool // nil if nobody is asked who clients are
	Store  Store       // nil if nothing is kept on disk
	Load   Load        // nil if there is no protection against overload
	Door   func() Door // nil if all connections are let in
	// Listeners are how many connections are open, by listener's URL; nil is none. There are as many of them as are configured.
	Listeners func() map[string]int64
	Guard     func() Guard // nil if nobody is asked who clients are
	// Natives are the fronts of other protocols than MQTT. nil if there are none.
	Natives func() []Front
}

// Collector shows the counters of a node's broker, fronts and loops to
// Prometheus. It reads them when it is scraped and keeps nothing.
type Collector struct{ node Node }

// NewCollector returns a Collector of n.
func NewCollector(n Node) *Collector { return &Collector{node: n} }

// metric makes samples of one metric.
type metric struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
}

func gauge(name, help string, labels ...string) metric {
	return metric{prometheus.NewDesc("holdfast_"+name, help, labels, nil), prometheus.GaugeValue}
}

func counter(name, help string, labels ...string) metric {
	return metric{prometheus.NewDesc("holdfast_"+name, help, labels, nil), prometheus.CounterValue}
}

// The metrics, in the order of docs/operations.md.
var (
	connectionsOpen   = gauge("connections", "Network Connections that are open.")
	connectionsTotal  = counter("connections_accepted_total", "Network Connections accepted.")
	acceptErrors      = counter("accept_errors_total", "Errors of accept, such as no more file descriptors.")
	connectsTotal     = counter("connects_total", "CONNECT packets by outcome.", "outcome")
	closedTotal       = counter("connections_closed_by_server_total", "Connections the server has ended, by reason.", "reason")
	sessionsConnected = gauge("sessions_connected", "Sessions with a Network Connection.")
	sessions          = gauge("sessions", "Sessions, off line ones included.")
	subscriptions     = gauge("subscriptions", "Subscriptions.")
	sharedGroups      = gauge("shared_subscription_groups", "Groups of Shared Subscriptions.")
	retained          = gauge("retained_messages", "Retained messages.")
	messagesTotal     = counter("messages_total", "PUBLISH packets by direction and QoS.", "direction", "qos")
	payloadTotal      = counter("payload_bytes_total", "Payload bytes of PUBLISH packets by direction.", "direction")
	droppedTotal      = counter("messages_dropped_total", "Messages that did not reach a Session they matched, by reason.", "reason")
	refusedTotal      = counter("publishes_refused_total", "Publishes that were not acknowledged because a bound was reached.")
	deferredTotal     = counter("publishes_deferred_total", "Publishes whose acknowledgement had to wait for a Session.")
	pausesTotal       = counter("publish_pauses_total", "Times that nothing more was taken from a client for a while because it published too fast.")
	unmatchedTotal    = counter("publishes_unmatched_total", "Publishes that matched no subscription.")
	queueMessages     = gauge("queue_messages", "Messages by the queue they are in.", "queue")
	queueBytes        = gauge("queue_bytes", "Bytes of the messages that Sessions keep.")
	packetsTotal      = counter("mqtt_packets_received_total", "MQTT packets received, by type.", "type")
	bytesTotal        = counter("network_bytes_total", "Bytes on Network Connections by direction.", "direction")
	takeoversTotal    = counter("session_takeovers_total", "Connections ended because their Client Identifier connected again.")
	flashSessions     = gauge("flash_sessions", "Sessions that have lost their connection and are kept in RAM for a while.")
	flashBytes        = gauge("flash_bytes", "Memory of the Sessions that have lost their connection and are kept in RAM.")
	deniedTotal       = counter("denied_total", "Messages, Topic Filters and Wills that clients may not publish or subscribe to.")
	interceptedTotal  = counter("publishes_intercepted_total", "Publishes that a hook has stopped, by what became of them.", "outcome")
	rejectedTotal     = counter("clients_rejected_total", "Clients that a hook, such as the list of bans, has refused after their authentication.")
	hookPanicsTotal   = counter("hook_panics_total", "Panics of hooks that were contained, by kind of hook.", "kind")
	hookLostTotal     = counter("hook_events_lost_total", "Events that a hook was not told because its queue was full, by hook.", "hook")
	turnSeconds       = prometheus.NewDesc("holdfast_loop_turn_seconds", "Time of one turn of an event loop.", nil, nil)
)

// Describe implements prometheus.Collector.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, ch) }

// Collect implements prometheus.Collector.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	emit := func(m metric, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(m.desc, m.kind, v, labels...)
	}
	c.collectBroker(emit)
	c.collectMQTT(emit)
	c.collectFronts(emit)
	c.collectEngine(emit, ch)
	c.collectEntry(emit)
	c.collectApps(emit)
	if c.node.Load != nil {
		c.collectLoad(emit)
	}
	if c.node.Store != nil {
		collectStore(c.node.Store.Stats(), emit, ch)
	}
}

type emitFunc func(m metric, v float64, labels ...string)

func (c *Collector) collectBroker(emit emitFunc) {
	st := c.node.Broker.Stats()
	emit(sessionsConnected, float64(st.Connected))
	emit(sessions, float64(st.Sessions))
	emit(subscriptions, float64(st.Subscriptions))
	emit(sharedGroups, float64(st.SharedGroups))
	emit(retained, float64(st.Retained))
	for q, label := range [...]string{"0", "1", "2"} {
		emit(messagesTotal, float64(st.Received[q]), "received", label)
		emit(messagesTotal, float64(st.Delivered[q]), "sent", label)
	}
	emit(payloadTotal, float64(st.BytesIn), "received")
	emit(payloadTotal, float64(st.BytesOut), "sent")
	for reason, n := range st.Dropped {
		emit(droppedTotal, float64(n), reason)
	}
	emit(refusedTotal, float64(st.Refused))
	emit(deferredTotal, float64(st.Deferred))
	emit(pausesTotal, float64(st.Pauses))
	emit(unmatchedTotal, float64(st.NoMatch))
	emit(queueMessages, float64(st.Inflight), "inflight")
	emit(queueMessages, float64(st.Queued), "queued")
	emit(queueMessages, float64(st.Waiting), "waiting")
	emit(queueBytes, float64(st.QueuedBytes))
	emit(takeoversTotal, float64(st.Takeovers))
	emit(closedTotal, float64(st.SlowEnded), "slow_consumer")
	emit(closedTotal, float64(st.FruitlessEnded), "acknowledges_nothing")
	emit(closedTotal, float64(st.Kicked), "kicked")
	emit(interceptedTotal, float64(st.Rejected), "rejected")
	emit(interceptedTotal, float64(st.Discarded), "dropped")
	emit(rejectedTotal, float64(st.ClientsRejected))
	for kind, n := range st.HookPanics {
		emit(hookPanicsTotal, float64(n), kind)
	}
	for id, n := range st.HookEventsLost {
		emit(hookLostTotal, float64(n), id)
	}
	emit(flashSessions, float64(st.Flash))
	emit(flashBytes, float64(st.FlashBytes))
}

func (c *Collector) collectMQTT(emit emitFunc) {
	st := c.node.MQTT.Stats()
	emit(connectsTotal, float64(st.Connects), "accepted")
	emit(connectsTotal, float64(st.Refused), "refused")
	emit(deniedTotal, float64(st.Denied))
	emit(closedTotal, float64(st.Malformed), "protocol_error")
	emit(closedTotal, float64(st.Timeouts), "timeout")
	for t, n := range st.Packets {
		// Type 0 is forbidden. The others are shown from the start, at 0.
		if t > 0 {
			emit(packetsTotal, float64(n), packet.Type(t).String())
		}
	}
}

func (c *Collector) collectEngine(emit emitFunc, ch chan<- prometheus.Metric) {
	st := c.node.Engine.Stats()
	emit(connectionsOpen, float64(st.Open))
	emit(connectionsTotal, float64(st.Accepted))
	emit(acceptErrors, float64(st.AcceptErrors))
	emit(closedTotal, float64(st.Laggards), "overload")
	emit(bytesTotal, float64(st.BytesIn), "received")
	emit(bytesTotal, float64(st.BytesOut), "sent")

	buckets := make(map[float64]uint64, len(st.Turns))
	var turns uint64
	for i, n := range st.Turns {
		turns += n
		if i < len(st.Turns)-1 {
			buckets[(time.Duration(1) << i * time.Microsecond).Seconds()] = turns
		}
	}
	ch <- prometheus.MustNewConstHistogram(turnSeconds, turns, st.TurnTime.Seconds(), buckets)
}
