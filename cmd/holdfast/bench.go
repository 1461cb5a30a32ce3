package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/holdfast-mqtt/holdfast/bench"
	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
)

const benchUsage = `Usage: holdfast bench MODE [flags]

Modes:
  conn     connect many clients with a subscription each: rate, latency, the broker's memory
  p2p      pairs of one publisher and one subscriber, as fast as windows allow
  fanout   one publisher, many subscribers of one topic
  fanin    many publishers, one subscriber: rate, and messages acknowledged but lost
  sparse   pairs that publish a few messages a second each: latency, CPU per delivery
  durable  p2p with persistent subscribers: also the latency of PUBACK
  sleepers many persistent Sessions that are away get a message: memory and bytes written for each
  peers    the first five against this binary and Debian's mosquitto in turn, with ratios
  floods   what floods of connections, handshakes, records and frames cost this binary's clients

'holdfast bench MODE --help' shows a mode's flags. Any MQTT 3.1.1 or 5 broker will do, by --url, over
TCP, TLS, WebSocket, WebSocket with TLS or a Unix socket.

Examples:
  holdfast bench conn --clients 15000 --pid $(pidof holdfast)
  holdfast bench p2p --url mqtt://127.0.0.1:1883 --pairs 50 --qos 1 --window 32
  holdfast bench fanin --messages 200000 --format json
  holdfast bench sleepers --sessions 100000 --pid $(pidof holdfast) --data ./holdfast-data
  holdfast bench peers --only p2p --rounds 1
  holdfast bench floods --only hello

` + benchExit

const benchExit = `Exit codes: 0 measured, 1 the run failed (the text says why) or messages were lost at QoS 1 or
connections failed, 2 wrong command line.
`

// benchNotes are the last lines of each mode's help.
var benchNotes = map[bench.Mode]string{
	bench.Conn: `Each client subscribes to a topic of its own; XIMP and MIOP clients log in. Latency is from dialing to CONNACK. With --pid the
broker's memory is read before the first connection and, while all are idle, for --settle; what the
kernel keeps for sockets is not in it.

Examples:
  holdfast bench conn --clients 15000 --pid $(pidof holdfast)
  holdfast bench conn --clients 10000 --burst --url unix:///run/holdfast.sock
  holdfast bench conn --url ximp://127.0.0.1:1885 --pid $(pidof holdfast)
`,
	bench.P2P: `Each pair has its own topic. At QoS 1 a publisher has at most --window messages unacknowledged, at
QoS 0 at most that many that its subscriber has not got.

Examples:
  holdfast bench p2p --pairs 50 --window 32 --duration 10s --pid $(pidof holdfast)
  holdfast bench p2p --qos 0 --payload 1024 --format json
  holdfast bench p2p --receivers ximp://127.0.0.1:1885   for a listener with ?app=default
`,
	bench.FanOut: `The publisher has at most --window messages under way that not every subscriber has got.

Examples:
  holdfast bench fanout --subscribers 1000 --qos 0
  holdfast bench fanout --subscribers 10000 --window 8 --pid $(pidof holdfast)
`,
	bench.FanIn: `Every message is numbered. One that the broker has acknowledged and the subscriber has not got when
nothing has come for --drain is lost.

Examples:
  holdfast bench fanin --publishers 100 --window 200 --messages 200000
  holdfast bench fanin -V 5 --format json
`,
	bench.Sparse: `Publishers take turns, so that messages are evenly spread. The latency of all is recorded. "lag" is
how late the generator itself was.

Examples:
  holdfast bench sparse --pairs 500 --rate 10 --duration 30s --pid $(pidof holdfast)
`,
	bench.Durable: `Publishers have at most --window messages unacknowledged at QoS 1; subscribers connect with Clean
Session 0, and their Sessions are removed in the end. A broker need not write a message that the
subscriber has acknowledged before it would: --hold-acks has every message go to disk.

Examples:
  holdfast bench durable --pid $(pidof holdfast)
  holdfast bench durable --hold-acks 20ms --pairs 100 --duration 10s
`,
	bench.Sleepers: `Clients connect, subscribe to one topic and leave, --in-flight at a time. Then messages are
published to all of them, and all come back for them. "written" is what the system counts for the
broker's processes (--pid) from the first PUBLISH to the last PUBACK, in whole pages; "data directory" is
the growth of its blocks (--data).

Examples:
  holdfast bench sleepers --sessions 100000 --pid $(pidof holdfast) --data ./holdfast-data
  holdfast bench sleepers --sessions 1000000 --wake=false --keep
`,
}

func runBench(ctx context.Context, args []string, stdio Stdio) int {
	if len(args) == 0 {
		fmt.Fprint(stdio.Err, benchUsage)
		return exitUsage
	}
	mode, rest := bench.Mode(args[0]), args[1:]
	switch {
	case mode == "--help" || mode == "-h" || mode == "help":
		fmt.Fprint(stdio.Out, benchUsage)
		return exitOK
	case mode == "peers":
		return runBenchPeers(ctx, rest, stdio)
	case mode == "floods":
		return runBenchFloods(ctx, rest, stdio)
	case benchNotes[mode] == "":
		return usageError(stdio, "bench", fmt.Errorf("unknown mode %q", mode))
	}
	return runBenchMode(ctx, mode, rest, stdio)
}

// runBenchMode carries out one run.
func runBenchMode(ctx context.Context, mode bench.Mode, args []string, stdio Stdio) int {
	name := "bench " + string(mode)
	fs := newFlagSet(stdio, name, name+" [flags]", benchNotes[mode]+"\n"+benchExit)
	o := bench.Defaults(mode)
	version, qos := uint8(o.Version), uint8(o.QoS)
	addBenchFlags(fs, &o)
	fs.Uint8VarP(&version, "protocol", "V", version, "MQTT `version`: 4 (3.1.1) or 5")
	fs.Uint8Var(&qos, "qos", qos, "`QoS` of publishing and subscribing: 0 or 1")
	format := fs.String("format", "text", "text or json")
	if code, done := parse(fs, stdio, args); done {
		return code
	}
	o.Version, o.QoS = packet.Version(version), packet.QoS(qos)
	if err := o.Validate(); err != nil {
		return usageError(stdio, name, err)
	}
	if *format != "text" && *format != "json" {
		return usageError(stdio, name, fmt.Errorf("--format %q is neither text nor json", *format))
	}
	bar := newBenchBar(stdio.Err, string(mode))
	r, err := bench.Run(ctx, o, bar.update)
	bar.clear()
	if r != nil {
		if err := printResult(stdio.Out, r, *format); err != nil {
			return failure(stdio, name, err)
		}
	}
	if err == nil && r.Messages != nil && o.QoS > packet.AtMostOnce && r.Messages.Lost > 0 {
		err = fmt.Errorf("%d messages were acknowledged and lost", r.Messages.Lost)
	}
	if err != nil {
		return failure(stdio, name, err)
	}
	return exitOK
}

// addBenchFlags adds the flags that matter to o.Mode.
func addBenchFlags(fs *pflag.FlagSet, o *bench.Options) {
	fs.StringVar(&o.URL, "url", o.URL, "the broker: mqtt://, mqtts://, ws:// or wss://HOST:PORT[/PATH], or unix:///PATH")
	if o.Mode == bench.P2P || o.Mode == bench.Sparse {
		fs.StringVar(&o.Receivers, "receivers", "", "a listener of another protocol, ximp, ximps, miop or miops://HOST:PORT, where subscribers connect")
		fs.StringVar(&o.Topic, "topic", "", "`topic` that each subscriber is reached by, with %c for its Client Identifier and %u for its user, as inbox/%c")
	}
	fs.StringVar(&o.CAFile, "cafile", "", "`file` of certificates to verify the broker's with, instead of the system's")
	fs.BoolVar(&o.Insecure, "insecure", false, "do not verify the broker's certificate")
	switch o.Mode {
	case bench.Conn:
		fs.IntVar(&o.Clients, "clients", o.Clients, "`number` of connections")
		fs.DurationVar(&o.Settle, "settle", o.Settle, "how long to watch the broker's memory once all are connected")
	case bench.P2P, bench.Sparse, bench.Durable:
		fs.IntVar(&o.Pairs, "pairs", o.Pairs, "`number` of publishers and of subscribers")
	case bench.FanOut:
		fs.IntVar(&o.Subscribers, "subscribers", o.Subscribers, "`number` of subscribers")
	case bench.FanIn:
		fs.IntVar(&o.Publishers, "publishers", o.Publishers, "`number` of publishers")
		fs.IntVar(&o.Messages, "messages", o.Messages, "total `number` of messages")
	case bench.Sleepers:
		addSleepersFlags(fs, o)
	}
	if o.Mode == bench.Durable {
		fs.DurationVar(&o.HoldAcks, "hold-acks", o.HoldAcks, "how long subscribers keep PUBACK back")
	}
	if o.Mode == bench.Sparse {
		fs.Float64Var(&o.Rate, "rate", o.Rate, "messages a second of each publisher")
	}
	if o.Mode != bench.Conn {
		fs.IntVar(&o.Payload, "payload", o.Payload, fmt.Sprintf("`bytes` of each message, at least %d", bench.MinPayload))
		fs.IntVar(&o.Window, "window", o.Window, "messages that a publisher may have outstanding")
		if o.Mode != bench.Sleepers {
			fs.DurationVar(&o.Duration, "duration", o.Duration, durationMeaning(o.Mode))
		}
		fs.DurationVar(&o.Drain, "drain", o.Drain, "how long after the last delivery to wait for missing messages")
	}
	if o.Mode != bench.Conn && o.Mode != bench.FanIn && o.Mode != bench.Sleepers {
		fs.DurationVar(&o.Warmup, "warmup", o.Warmup, "what passes before measuring")
	}
	if o.Mode != bench.Conn && o.Mode != bench.Sparse && o.Mode != bench.Sleepers {
		fs.IntVar(&o.SampleEvery, "sample-every", o.SampleEvery, "time every `n`-th message")
	}
	fs.IntVar(&o.InFlight, "in-flight", o.InFlight, "handshakes at a time")
	fs.DurationVar(&o.ConnectTimeout, "connect-timeout", o.ConnectTimeout, "longest time without any handshake done")
	fs.DurationVar(&o.KeepAlive, "keep-alive", o.KeepAlive, "Keep Alive of every connection; 0 turns it off")
	if o.Mode != bench.Sleepers {
		fs.BoolVar(&o.Burst, "burst", false, "start all handshakes at once")
		fs.BoolVar(&o.Persistent, "persistent", false, "connect with Clean Session 0; Sessions are removed in the end")
	}
	fs.IntSliceVar(&o.PIDs, "pid", nil, "broker `process` whose memory and CPU to measure (repeatable)")
	fs.IntVar(&o.Loops, "loops", o.Loops, "event loops of the generator")
}

func addSleepersFlags(fs *pflag.FlagSet, o *bench.Options) {
	fs.IntVar(&o.Clients, "sessions", o.Clients, "`number` of Sessions")
	fs.IntVar(&o.Messages, "messages", o.Messages, "`number` of messages")
	fs.StringVar(&o.DataDir, "data", "", "the broker's data `directory`, to measure its growth")
	fs.DurationVar(&o.Settle, "settle", o.Settle, "how long to watch the broker's memory once all have left")
	fs.BoolVar(&o.Wake, "wake", o.Wake, "have all come back in the end")
	fs.BoolVar(&o.KeepSessions, "keep", false, "do not remove the Sessions in the end")
}

func durationMeaning(m bench.Mode) string {
	if m == bench.FanIn {
		return "ten times this is the longest the run may take"
	}
	return "how long to measure"
}

func printResult(w io.Writer, r *bench.Result, format string) error {
	if format == "json" {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	return r.WriteText(w)
}

// isTerminal tells whether somebody looks at w.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
