package bench

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
)

// Mode is what a run measures.
type Mode string

// The modes, explained in the package comment.
const (
	Conn   Mode = "conn"
	P2P    Mode = "p2p"
	FanOut Mode = "fanout"
	FanIn  Mode = "fanin"
	Sparse Mode = "sparse"

	Durable  Mode = "durable"
	Sleepers Mode = "sleepers"
)

// Modes returns all modes in the order of the package comment.
func Modes() []Mode { return []Mode{Conn, P2P, FanOut, FanIn, Sparse, Durable, Sleepers} }

// MinPayload is the smallest payload in bytes: the mark that every message carries.
const MinPayload = 16

// Options say what to run. Start from Defaults: the zero value is not valid.
type Options struct {
	// Mode is what to measure.
	Mode Mode
	// URL of the broker: mqtt://HOST:PORT (1883 when left out), mqtts://HOST:PORT (8883),
	// ws://HOST:PORT/PATH (80), wss://HOST:PORT/PATH (443) or unix:///PATH. Conn also takes
	// ximp://HOST:PORT (1885), ximps://HOST:PORT (8885), miop://HOST:PORT (1884) and miops://HOST:PORT (8884).
	URL string
	// Receivers is the URL of a listener of XIMP (ximp, ximps) or MIOP (miop, miops), where the subscribers of P2P
	// and Sparse connect: as guests in plaintext, as transient users. "" has them speak MQTT, at URL.
	Receivers string
	// Topic, if not "", is where each subscriber of P2P and Sparse is reached, with %c for its Client Identifier and %u for
	// its user's name, such as inbox/%c. It must be subscribed to that, be it by the broker.
	Topic string
	// CAFile has the certificates, in PEM, by which the broker's is verified over TLS; ""
	// means those of the system. Insecure has it not verified.
	CAFile   string
	Insecure bool
	// Version is V311 or V5.
	Version packet.Version
	// QoS of publishing and subscribing, 0 or 1. Conn subscribes with it. FanIn,
	// Durable and Sleepers need 1.
	QoS packet.QoS
	// Payload is the size of a message's payload in bytes, MinPayload or more.
	Payload int

	// Clients is the number of connections of Conn, and of Sessions of Sleepers.
	Clients int
	// Pairs is the number of publisher-subscriber pairs of P2P, Sparse and Durable.
	Pairs int
	// Publishers is the number of publishers of FanIn.
	Publishers int
	// Subscribers is the number of subscribers of FanOut.
	Subscribers int

	// Window is the number of messages that a publisher may have outstanding,
	// 1 to 65,535; see the package comment.
	Window int
	// Rate is messages a second of each publisher of Sparse.
	Rate float64
	// Messages is the total number of messages of FanIn and Sleepers.
	Messages int

	// HoldAcks is how long the subscribers of Durable keep a PUBACK back. 0 sends it
	// at once; then a broker may have no need to write the message to disk.
	HoldAcks time.Duration
	// Wake has all clients of Sleepers come back and get what was published.
	Wake bool
	// KeepSessions leaves the Sessions of Sleepers in the broker.
	KeepSessions bool
	// DataDir is the broker's data directory, whose growth Sleepers measures; "" for
	// none.
	DataDir string

	// Warmup passes before measuring; not in Conn, FanIn and Sleepers.
	Warmup time.Duration
	// Duration is how long is measured; not in Conn, FanIn and Sleepers. It bounds FanIn
	// all the same: a run that has not had its PUBACKs by ten times Duration is
	// an error.
	Duration time.Duration
	// Drain is how long, after the last delivery, messages that are still
	// missing are waited for. In Sleepers each client waits that long.
	Drain time.Duration
	// Stall is how long a window of QoS 0 messages may stand still before what is
	// in it is given up for lost.
	Stall time.Duration
	// Settle is how long Conn watches the broker's memory once all connections
	// stand, before it closes them, and Sleepers once all have left.
	Settle time.Duration

	// InFlight is the number of handshakes at a time. Burst starts all at once.
	InFlight int
	Burst    bool
	// ConnectTimeout is the longest time during which no handshake may finish, and
	// no PUBACK come in Sleepers.
	ConnectTimeout time.Duration
	// KeepAlive is the Keep Alive of every connection in whole seconds; 0 turns
	// it off. PINGREQ is sent after three quarters of it.
	KeepAlive time.Duration
	// Persistent connects with Clean Session 0 (MQTT 5: Session Expiry Interval
	// of one hour) and removes the Sessions in the end.
	Persistent bool

	// PIDs are the broker's processes. With none, memory and CPU are not measured.
	PIDs []int
	// Loops is the number of event loops of the generator.
	Loops int
	// SampleEvery times every n-th message. Sparse and Sleepers always time all.
	SampleEvery int
}

// Defaults returns the options of a mode, complete except for the URL.
func Defaults(m Mode) Options {
	o := Options{
		Mode: m, URL: "mqtt://127.0.0.1:1883", Version: packet.V311, QoS: packet.AtLeastOnce,
		Payload: 256, Clients: 10_000, Pairs: 50, Publishers: 100, Subscribers: 1000,
		Window: 32, Rate: 10, Messages: 200_000, Wake: true,
		Warmup: time.Second, Duration: 5 * time.Second, Drain: 5 * time.Second, Stall: time.Second, Settle: 3 * time.Second,
		InFlight: 500, ConnectTimeout: 30 * time.Second, KeepAlive: time.Minute,
		Loops: 1, SampleEvery: 16,
	}
	if m != Conn { // where connecting is not what is measured, spare brokers with a short backlog
		o.InFlight = 64
	}
	switch m {
	case FanIn:
		o.Window = 200
	case Sparse:
		o.Pairs, o.Window, o.Duration = 500, 64, 10*time.Second
	case Sleepers:
		o.Payload, o.Messages, o.Window, o.InFlight, o.Drain = 1024, 1, 1, 500, 30*time.Second
	}
	return o
}

// Validate returns every fault at once, or nil.
func (o *Options) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	if _, err := endpoint(o.URL); err != nil {
		errs = append(errs, err)
	}
	check(o.Mode == Conn || !isNative(o.URL), "%s publishes with MQTT: the broker URL cannot be of another protocol", o.Mode)
	if o.Receivers != "" {
		_, err := endpoint(o.Receivers)
		check(err == nil && isNative(o.Receivers), "receivers URL: want ximp, ximps, miop or miops://HOST:PORT")
		check(o.Mode == P2P || o.Mode == Sparse, "%s has no receivers of other protocols", o.Mode)
		check(o.QoS == packet.AtLeastOnce, "receivers of other protocols are for QoS 1")
		check(!o.Persistent, "receivers of other protocols do not stay: no persistent")
	}
	check(!o.Persistent || !isNative(o.URL), "clients of other protocols do not stay: no persistent")
	check(o.Topic == "" || (o.Mode == P2P || o.Mode == Sparse) && (strings.Contains(o.Topic, "%c") || strings.Contains(o.Topic, "%u")),
		"topic is for p2p and sparse, and has a %%c or %%u")
	known := false
	for _, m := range Modes() {
		known = known || m == o.Mode
	}
	check(known, "unknown mode %q", o.Mode)
	check(o.Version == packet.V311 || o.Version == packet.V5, "protocol version must be 4 or 5, not %d", o.Version)
	check(o.QoS <= packet.AtLeastOnce, "QoS must be 0 or 1, not %d", o.QoS)
	acks := o.Mode == FanIn || o.Mode == Durable || o.Mode == Sleepers
	check(!acks || o.QoS == packet.AtLeastOnce, "%s counts acknowledged messages: it needs QoS 1", o.Mode)
	check(o.Payload >= MinPayload && o.Payload <= 64<<20, "payload must be %d bytes to 64 MiB, not %d", MinPayload, o.Payload)
	for _, n := range []struct {
		name string
		n    int
	}{
		{"clients", o.Clients}, {"pairs", o.Pairs}, {"publishers", o.Publishers}, {"subscribers", o.Subscribers},
		{"messages", o.Messages}, {"in-flight", o.InFlight}, {"loops", o.Loops}, {"sample-every", o.SampleEvery},
	} {
		check(n.n >= 1, "%s must be at least 1, not %d", n.name, n.n)
	}
	check(o.Window >= 1 && o.Window <= 65535, "window must be 1 to 65535, not %d", o.Window)
	check(o.Mode != Sleepers || !o.Burst, "sleepers come in waves: no burst")
	check(o.Mode != FanIn || o.Messages >= o.Publishers, "messages must be at least the number of publishers")
	check(o.Rate > 0 && o.Rate <= 1e6, "rate must be above 0 and at most 1,000,000, not %g", o.Rate)
	check(o.Duration > 0 && o.Warmup >= 0 && o.Drain > 0 && o.Stall > 0 && o.Settle >= 0 && o.ConnectTimeout > 0,
		"duration, drain, stall and connect-timeout must be above 0, warmup and settle not below")
	check(o.HoldAcks >= 0 && o.HoldAcks <= time.Minute, "hold-acks must be 0 to 1m, not %v", o.HoldAcks)
	check(o.KeepAlive >= 0 && o.KeepAlive <= 65535*time.Second && o.KeepAlive%time.Second == 0,
		"keep-alive must be whole seconds, 0 to 65535, not %v", o.KeepAlive)
	return errors.Join(errs...)
}

// connections is the number of Network Connections that the run holds at once.
func (o *Options) connections() int {
	switch o.Mode {
	case Conn:
		return o.Clients
	case FanOut:
		return o.Subscribers + 1
	case FanIn:
		return o.Publishers + 1
	case Sleepers: // one after the other
		return min(o.InFlight, o.Clients) + 1
	}
	return 2 * o.Pairs
}
