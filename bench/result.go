package bench

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Result is what a run has measured. Its JSON keys are stable. Sections that do
// not belong to the mode are left out.
type Result struct {
	Mode    Mode    `json:"mode"`
	URL     string  `json:"url"`
	MQTT    string  `json:"mqtt"`          // "3.1.1" or "5.0"
	QoS     int     `json:"qos"`           // of publishing and subscribing
	Payload int     `json:"payload_bytes"` // of each message
	Seconds float64 `json:"seconds"`       // that were measured

	Receivers string `json:"receivers,omitempty"` // where subscribers of another protocol connect

	Connections Connections `json:"connections"`
	// Messages is there except in conn, and in sleepers that are not woken.
	Messages *Messages `json:"messages,omitempty"`
	Sleepers *Slept    `json:"sleepers,omitempty"`
	// Broker is there when Options.PIDs are.
	Broker    *Broker   `json:"broker,omitempty"`
	Generator Generator `json:"generator"`
}

// Connections tells of the handshakes: TCP connect, CONNECT, CONNACK and, for
// subscribers, SUBSCRIBE, SUBACK. In XIMP both steps of the login.
type Connections struct {
	Attempted int     `json:"attempted"`
	Failed    int     `json:"failed"`                  // during the handshake or later
	First     string  `json:"first_failure,omitempty"` // what happened to the first of them
	Seconds   float64 `json:"seconds"`                 // from the first dial to the last answer
	PerSecond float64 `json:"per_second"`              // handshakes that succeeded
	Latency   Latency `json:"latency"`                 // from dial to CONNACK, or LoginResp
}

// Messages tells of publishing and delivery. Except for the rate and the
// latency, which are of the measured time, numbers are of the whole run.
type Messages struct {
	DeliveriesPerSecond float64 `json:"deliveries_per_second"`
	Deliveries          uint64  `json:"deliveries"` // in the measured time
	Latency             Latency `json:"latency"`    // from publishing to receiving; sleepers: from dialing to the last message
	// AckLatency is from publishing to PUBACK; durable only.
	AckLatency *Latency `json:"ack_latency,omitempty"`

	Published      uint64 `json:"published"`
	Acknowledged   uint64 `json:"acknowledged"`        // QoS 1: PUBACK with success
	Refused        uint64 `json:"refused"`             // QoS 1: PUBACK with a failure (MQTT 5)
	Unacknowledged uint64 `json:"unacknowledged"`      // QoS 1: no PUBACK by the end of the drain time
	Expected       uint64 `json:"expected_deliveries"` // what subscribers are owed, see Lost
	Received       uint64 `json:"received"`            // by subscribers, without duplicates
	// Lost are deliveries that are owed and never came. At QoS 1 a message is owed
	// once it is acknowledged, at QoS 0 once it is published.
	Lost       uint64 `json:"lost"`
	Duplicates uint64 `json:"duplicates"`
	OutOfOrder uint64 `json:"out_of_order"` // came after a message that the same publisher published later

	// Skipped are messages that a publisher of sparse did not publish in time
	// because its window was full.
	Skipped uint64 `json:"skipped"`
	// Stalls counts how often a QoS 0 window had to be given up for lost.
	Stalls uint64 `json:"stalls"`
	// Lag is how late the generator itself published, against the plan of sparse.
	Lag *Latency `json:"generator_lag,omitempty"`
}

// Latency is a distribution, in microseconds.
type Latency struct {
	Samples int64   `json:"samples"`
	P50     float64 `json:"p50_us"`
	P99     float64 `json:"p99_us"`
	P999    float64 `json:"p999_us"`
	Max     float64 `json:"max_us"`
}

func latencyOf(h *hdrhistogram.Histogram) Latency {
	if h.TotalCount() == 0 {
		return Latency{}
	}
	us := func(ns int64) float64 { return float64(ns) / 1000 }
	return Latency{
		Samples: h.TotalCount(),
		P50:     us(h.ValueAtQuantile(50)), P99: us(h.ValueAtQuantile(99)),
		P999: us(h.ValueAtQuantile(99.9)), Max: us(h.Max()),
	}
}

// Broker is what the broker's processes took.
type Broker struct {
	PIDs []int `json:"pids"`
	// CPUSeconds is user and system time of the measured time.
	CPUSeconds    float64 `json:"cpu_seconds"`
	CPUPerMessage float64 `json:"cpu_us_per_delivery,omitempty"`
	// RSSBefore is resident memory in bytes before the first connection, RSSAfter
	// the median of the last third of the settle time (conn) or that at the end of
	// the measured time.
	RSSBefore        int64 `json:"rss_before_bytes"`
	RSSAfter         int64 `json:"rss_after_bytes"`
	RSSPerConnection int64 `json:"rss_bytes_per_connection,omitempty"` // conn only; without the kernel's memory
}

// Generator tells how busy the generator was: near one core for each loop means
// that it, and not the broker, may have been the limit.
type Generator struct {
	Loops      int     `json:"loops"`
	CPUSeconds float64 `json:"cpu_seconds"`
	Cores      float64 `json:"cores"` // CPUSeconds by Seconds
}

// newResult fills in what the options say.
func newResult(o *Options) *Result {
	return &Result{
		Mode: o.Mode, URL: o.URL, Receivers: o.Receivers, MQTT: o.Version.String(), QoS: int(o.QoS), Payload: o.Payload,
		Generator: Generator{Loops: o.Loops},
	}
}

// perSecond is n by d, 0 when no time has passed.
func perSecond(n uint64, d time.Duration) float64 {
	if d <= 0 {
		return 0
	}
	return float64(n) / d.Seconds()
}
