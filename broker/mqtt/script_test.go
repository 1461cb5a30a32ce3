package mqtt

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
)

var update = flag.Bool("update", false, "write the answers in testdata/script anew")

// TestScripts plays testdata/script/*.txt. A file holds scripts that begin with
// "== name". Each line is a comment (#), a command, or what has come because of
// the command before it:
//
//	config key=value …         the server's settings; first line only. "memory" is none: not to be played natively.
//	                           deny=x keeps all but user root from the topics below x
//	advance 10s                lets time pass
//	stats key …                shows counters of the broker
//	shutdown                   ends the server
//	c connect v5 id=c clean …  dials and sends CONNECT
//	c open [v4]                dials only; answers are read as that version's
//	c pub | sub | …            sends a packet: see encode
//	c send 30 00 "text"        sends bytes
//	c repeat 5 pub t %d q=1 id=%d    sends five packets
//	c freeze, c thaw           stops and resumes reading
//	c drop                     closes the connection
//	c < PUBLISH …              what c has received
//
// Scripts are played over the portable engine, in memory, and over the native
// one. A command's answers are all that comes until nothing moves any more,
// except where a script needs neither clock nor such an end: it is played natively over
// TCP, where each answer is waited for.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/script/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("found %d scripts, error %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) { playFile(t, file) })
	}
}

func playFile(t *testing.T, file string) {
	old, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	head, rest, _ := strings.Cut(string(old), "== ")
	out.WriteString(head)
	for s := range strings.SplitSeq(rest, "\n== ") {
		name, body, _ := strings.Cut(s, "\n")
		steps := parseScript(body)
		fmt.Fprintf(&out, "== %s\n", name)
		t.Run(name, func(t *testing.T) {
			t.Run("portable", func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { playSettled(t, steps, &bubbleStage{t: t}, &out) })
			})
			switch {
			case *update || inMemoryOnly(steps):
			case !needsClock(steps):
				t.Run("native", func(t *testing.T) { playNative(t, steps) })
			case newNativeStage != nil:
				t.Run("native", func(t *testing.T) { playSettled(t, steps, newNativeStage(t), io.Discard) })
			}
		})
		out.WriteByte('\n')
	}
	got := bytes.TrimRight(out.Bytes(), "\n")
	got = append(got, '\n')
	switch {
	case bytes.Equal(got, old):
	case *update:
		if err := os.WriteFile(file, got, 0o666); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("answers have changed; see them with: go test ./broker/mqtt -run TestScripts -update && git diff")
	}
}

// step is a line of a script and what has come after it.
type step struct {
	line  string // comments and blanks included
	wants []string
}

func parseScript(body string) (steps []step) {
	for line := range strings.SplitSeq(strings.TrimRight(body, "\n"), "\n") {
		if w := strings.Fields(line); len(w) > 1 && w[1] == "<" || len(w) > 0 && w[0] == "=" {
			last := &steps[len(steps)-1]
			last.wants = append(last.wants, strings.TrimSpace(line))
			continue
		}
		steps = append(steps, step{line: line})
	}
	return steps
}

func needsClock(steps []step) bool {
	for _, s := range steps {
		w := strings.Fields(s.line)
		if len(w) > 0 && slices.Contains([]string{"advance", "stats"}, w[0]) || len(w) > 1 && (w[1] == "freeze" || w[1] == "drop") {
			return true
		}
	}
	return false
}

// inMemoryOnly tells whether the first line says so: where answers depend on
// how much a connection holds.
func inMemoryOnly(steps []step) bool {
	w := strings.Fields(steps[0].line)
	return len(w) > 0 && w[0] == "config" && slices.Contains(w, "memory")
}

// stage is where a script is played: a server, its clients and its time.
type stage interface {
	open(cfg setup) *testServer
	newClient(v packet.Version) *client
	settle()                 // waits until nothing moves any more
	advance(d time.Duration) // lets time pass
	shutdown()
}

// bubbleStage plays on the portable engine in a synctest bubble.
type bubbleStage struct {
	t      *testing.T
	server *testServer
}

func (st *bubbleStage) open(cfg setup) *testServer {
	cfg.loop.Portable = true
	st.server = newServer(st.t, cfg)
	return st.server
}

func (st *bubbleStage) newClient(v packet.Version) *client { return newClient(st.server, v) }
func (st *bubbleStage) settle()                            { synctest.Wait() }
func (st *bubbleStage) advance(d time.Duration)            { <-time.After(d) }
func (st *bubbleStage) shutdown()                          { st.server.shutdown() }

// tcpStage plays on the native engine over TCP. Nothing tells there when all
// has come.
type tcpStage struct{ bubbleStage }

func (st *tcpStage) open(cfg setup) *testServer {
	st.server = newServer(st.t, cfg)
	return st.server
}

func (st *tcpStage) settle()               { st.t.Error("TCP does not settle") }
func (st *tcpStage) advance(time.Duration) { st.t.Error("real time does not advance at will") }

// player plays one script.
type player struct {
	t       *testing.T
	stage   stage
	server  *testServer
	clients map[string]*client
}

// newPlayer makes the server with the settings of the first line, if that has
// any.
func newPlayer(t *testing.T, steps []step, st stage) *player {
	p := &player{t: t, stage: st, clients: make(map[string]*client)}
	var cfg setup
	if rest, ok := strings.CutPrefix(steps[0].line, "config "); ok {
		for kv := range strings.FieldsSeq(rest) {
			if err := cfg.set(kv); err != nil {
				t.Fatal(err)
			}
		}
	}
	p.server = st.open(cfg)
	return p
}

func (cfg *setup) set(kv string) error {
	name, value, _ := strings.Cut(kv, "=")
	numbers := map[string]*int{
		"receive-max": &cfg.mqtt.ReceiveMaximum, "max-packet": &cfg.mqtt.MaxPacketSize, "alias-max": &cfg.mqtt.TopicAliasMaximum,
		"levels": &cfg.mqtt.MaxTopicLevels, "deferred-bytes": &cfg.mqtt.MaxDeferredBytes, "high-water": &cfg.loop.HighWater,
		"inflight": &cfg.broker.MaxInflight, "queued": &cfg.broker.MaxQueuedMessages, "queued-bytes": &cfg.broker.MaxQueuedBytes,
		"retained": &cfg.broker.MaxRetained, "subscriptions": &cfg.broker.MaxSubscriptions,
	}
	times := map[string]*time.Duration{
		"keep-alive-max": &cfg.mqtt.MaxKeepAlive, "refuse-pause": &cfg.mqtt.RefusePause, "connect-timeout": &cfg.mqtt.ConnectTimeout,
		"sys": &cfg.mqtt.SysInterval, "slow": &cfg.broker.SlowConsumerTimeout, "session-expiry-max": &cfg.broker.MaxSessionExpiry,
	}
	var err error
	switch {
	case name == "memory":
	case name == "deny":
		cfg.mqtt.Authorizer = denyBelow(value)
	case numbers[name] != nil:
		*numbers[name], err = strconv.Atoi(value)
	case times[name] != nil:
		*times[name], err = time.ParseDuration(value)
	default:
		err = fmt.Errorf("unknown setting %q", name)
	}
	return err
}

// command carries out one line.
func (p *player) command(line string) error {
	w := strings.Fields(line)
	switch {
	case len(w) == 0 || w[0] == "#" || w[0] == "config" || w[0] == "stats":
		return nil
	case w[0] == "advance":
		d, err := time.ParseDuration(w[1])
		if err != nil {
			return err
		}
		p.stage.advance(d)
		return nil
	case w[0] == "shutdown":
		p.stage.shutdown()
		return nil
	case len(w) < 2:
		return fmt.Errorf("not a command: %q", line)
	}
	rest := strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), w[0]))
	c := p.clients[w[0]]
	switch w[1] {
	case "open":
		v := packet.V5
		if len(w) > 2 {
			v = versions[w[2]]
		}
		p.clients[w[0]] = p.stage.newClient(v)
		return nil
	case "connect":
		v, b, err := encodeConnect(strings.TrimPrefix(rest, "connect"))
		if err != nil {
			return err
		}
		c = p.stage.newClient(v)
		p.clients[w[0]] = c
		c.send(b)
		return nil
	}
	if c == nil {
		return fmt.Errorf("%q: no such client", line)
	}
	return c.command(rest)
}

// command carries out a line for one client, without its name.
func (c *client) command(rest string) error {
	verb, more, _ := strings.Cut(rest, " ")
	switch verb {
	case "drop":
		return c.nc.Close()
	case "freeze", "thaw":
		c.freeze(verb == "freeze")
		return nil
	case "repeat":
		times, what, _ := strings.Cut(more, " ")
		n, err := strconv.Atoi(times)
		if err != nil {
			return err
		}
		var all []byte
		for i := range n {
			b, err := encode(strings.ReplaceAll(what, "%d", strconv.Itoa(i+1)), c.version)
			if err != nil {
				return err
			}
			all = append(all, b...)
		}
		c.send(all)
		return nil
	}
	b, err := encode(rest, c.version)
	c.send(b)
	return err
}

// playSettled plays with all that comes of one command before the next, and
// writes the transcript to out.
func playSettled(t *testing.T, steps []step, st stage, out io.Writer) {
	p := newPlayer(t, steps, st)
	for _, s := range steps {
		fmt.Fprintln(out, s.line)
		if err := p.command(s.line); err != nil {
			t.Fatalf("%s: %v", s.line, err)
		}
		st.settle()
		got := p.answers()
		if w := strings.Fields(s.line); len(w) > 0 && w[0] == "stats" {
			got = append(got, p.stats(w[1:]))
		}
		for _, line := range got {
			fmt.Fprintln(out, "  "+line)
		}
		if !*update && !slices.Equal(got, s.wants) {
			t.Errorf("%s\ngot  %s\nwant %s", s.line, strings.Join(got, "\n     "), strings.Join(s.wants, "\n     "))
		}
	}
}

// answers returns what has come, by name of the client.
func (p *player) answers() (lines []string) {
	names := make([]string, 0, len(p.clients))
	for name := range p.clients {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		c := p.clients[name]
		for {
			f, ok, ended := c.next()
			if ended {
				lines = append(lines, name+" < EOF")
				delete(p.clients, name)
			}
			if !ok {
				break
			}
			lines = append(lines, name+" < "+render(f, c.version))
		}
	}
	return lines
}

// stats shows counters by name; dropped.x is that of a broker.DropReason.
func (p *player) stats(names []string) string {
	st := p.server.broker.Stats()
	line := "="
	for _, name := range names {
		var v any
		switch name {
		case "connected":
			v = st.Connected
		case "sessions":
			v = st.Sessions
		case "queued":
			v = st.Queued
		case "waiting":
			v = st.Waiting
		case "inflight":
			v = st.Inflight
		case "subscriptions":
			v = st.Subscriptions
		case "retained":
			v = st.Retained
		case "slow-ended":
			v = st.SlowEnded
		case "denied":
			v = p.server.mqtt.Stats().Denied
		case "refused":
			v = st.Refused
		default:
			n, ok := st.Dropped[strings.TrimPrefix(name, "dropped.")]
			if !ok {
				p.t.Errorf("no counter %q", name)
			}
			v = n
		}
		line += fmt.Sprintf(" %s=%v", name, v)
	}
	return line
}

// fence waits until a packet that nothing answers has been dealt with, so that
// the next command, which may be another client's, comes after it.
func (p *player) fence(s step) {
	w := strings.Fields(s.line)
	if len(w) < 2 || len(s.wants) > 0 {
		return
	}
	qos0 := w[1] == "pub" && !strings.Contains(s.line, " q=")
	if c := p.clients[w[0]]; c != nil && (qos0 || w[1] == "puback" || w[1] == "pubcomp") {
		c.do("ping", "PINGRESP")
	}
}

// playNative plays on real sockets: each answer is waited for, and at the end
// nothing else may have come.
func playNative(t *testing.T, steps []step) {
	p := newPlayer(t, steps, &tcpStage{bubbleStage{t: t}})
	for _, s := range steps {
		if err := p.command(s.line); err != nil {
			t.Fatalf("%s: %v", s.line, err)
		}
		p.fence(s)
		for _, want := range s.wants {
			name, line, _ := strings.Cut(want, " < ")
			c := p.clients[name]
			if c == nil {
				t.Fatalf("%s: no client %q", want, name)
			}
			if got := c.line(); got != line {
				t.Fatalf("%s\ngot  %s < %s\nwant %s", s.line, name, got, want)
			}
			if line == "EOF" {
				delete(p.clients, name)
			}
		}
	}
	for _, c := range p.clients {
		c.do("ping", "PINGRESP")
	}
}
