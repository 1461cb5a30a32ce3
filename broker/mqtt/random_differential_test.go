package mqtt

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"

	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
	"github.com/holdfast-mqtt/holdfast/internal/memnet"
)

// randomTime is how long TestRandomDifferential goes on.
const randomTime = 8 * time.Second

// TestRandomDifferential plays random scripts of legal clients against holdfast
// and an in-process mochi. After each step every client must have got the same
// from both: the same messages, codes and Session Present. What may differ is in
// knownDifferences. Towards each subscriber holdfast moreover keeps the order of
// each publisher's messages, per Topic Name and QoS: v5 [MQTT-4.6.0-5],
// [MQTT-4.6.0-6], v3.1.1 [MQTT-4.6.0-5], [MQTT-4.6.0-6].
//
// HOLDFAST_RANDOM_SEED plays one script again; HOLDFAST_RANDOM_TIME is another
// time to go on for.
func TestRandomDifferential(t *testing.T) {
	if text := os.Getenv("HOLDFAST_RANDOM_SEED"); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		compareRandom(t, seed)
		return
	}
	length := randomTime
	if text := os.Getenv("HOLDFAST_RANDOM_TIME"); text != "" {
		var err error
		if length, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	first := rand.Uint64() >> 16
	seed, messages := first, 0
	for end := time.Now().Add(length); time.Now().Before(end) && !t.Failed(); seed++ {
		messages += compareRandom(t, seed)
	}
	t.Logf("%d scripts from seed %d, with %d deliveries", seed-first, first, messages)
}

// compareRandom plays the script of a seed, and returns how many deliveries
// there were. If there is a difference it looks for a short script that shows it.
func compareRandom(t *testing.T, seed uint64) (messages int) {
	script := newRandomScript(seed)
	diff, messages := script.difference(t)
	if diff == "" {
		return messages
	}
	for i := 0; i < len(script.ops); {
		shorter := script
		shorter.ops = slices.Delete(slices.Clone(script.ops), i, i+1)
		if d, _ := shorter.difference(t); d != "" {
			script, diff = shorter, d
			continue
		}
		i++
	}
	t.Errorf("HOLDFAST_RANDOM_SEED=%d, shortened:\n%s%s", seed, script, diff)
	return messages
}

// difference plays the script against both and returns the first difference.
func (s randomScript) difference(t *testing.T) (diff string, messages int) {
	var ours, theirs randomRun
	synctest.Test(t, func(t *testing.T) {
		ours = s.play(t, newServer(t, setup{loop: netloop.Config{Portable: true}}))
	})
	synctest.Test(t, func(t *testing.T) { theirs = s.play(t, newMochi(t)) })
	if ours.disorder != "" {
		return ours.disorder, ours.messages
	}
	for i := range ours.steps {
		got, want := ours.steps[i], theirs.steps[i]
		for _, known := range knownDifferences {
			if known.pattern != nil && !slices.Equal(got, want) {
				got, want = known.forgive(got), known.forgive(want)
			}
		}
		if !slices.Equal(got, want) {
			return fmt.Sprintf("step %d: %s\n  holdfast: %s\n  mochi:    %s\n", i, s.ops[i],
				strings.Join(got, "\n            "), strings.Join(want, "\n            ")), ours.messages
		}
	}
	return "", ours.messages
}

// knownDifference is something that mochi does otherwise. Where the answers to a
// step differ, it is taken out of both; or the scripts avoid it altogether.
type knownDifference struct {
	name    string
	why     string         // the statement that decides for ours
	pattern *regexp.Regexp // of an event; nil if scripts avoid it
	replace string         // the event is left out if it is empty
}

// knownDifferences are in the manner of testdata/mochi.txt, which has others.
var knownDifferences = []knownDifference{
	{
		"UNSUBACK where there was no subscription",
		"v5 3.11.3: 0x11; for mochi there is one if there is a topic of that name",
		regexp.MustCompile(`^(\d < UNSUBACK \d+)( 00| 11)+$`), "$1",
	},
	{
		"PUBREC on reconnect",
		"v5 4.4, v3.1.1 4.4: only PUBLISH and PUBREL are repeated",
		regexp.MustCompile(`^\d < PUBREC \d+$`), "",
	},
	{
		"Subscription Identifiers of retained messages",
		"v5 3.3.4: the identifier of the subscription is sent with the message",
		regexp.MustCompile(`^(\d < PUBLISH .* retain) \[\d*\]$`), "$1",
	},
	{
		name: "retained messages of the parent level of #: see retainedTopics",
		why:  "v5 4.7.1.2, v3.1.1 4.7.1.2: the parent level is included; mochi looks below it only",
	},
	{
		name: "retained $-topics and leading wildcards: see retainedTopics",
		why:  "v5 4.7.2, v3.1.1 4.7.2: they do not match; they do for mochi",
	},
	{
		name: "$-topics and leading wildcards of Shared Subscriptions: see sharedFilters",
		why:  "v5 4.7.2: they do not match; they do for mochi",
	},
	{
		name: "takeover of a Session that ends with its connection: see connect",
		why:  "v5 3.1.2.11.2: the Session ends with that connection; mochi lets it go on, and now and then removes the new one",
	},
	{
		name: "a Packet Identifier that both sides use at once: see seat.id",
		why:  "v5 2.2.1: both give them out independently of each other; mochi keeps one set for both",
	},
	{
		name: "overlapping subscriptions that differ in No Local or Retain As Published: a client has the same for all",
		why:  "v5 3.8.3.1: options are those of one subscription; mochi merges them",
	},
	{
		name: "a client with a Shared Subscription and others: it has one and no other",
		why:  "v5 4.8.2: each is a delivery of its own; mochi sends one message for all",
	},
	{
		name: "a Topic Filter twice in one SUBSCRIBE with Retain Handling 0: see subscribe",
		why:  "v5 3.8.4: the second replaces the first before anything is sent; mochi answers both",
	},
}

func (k *knownDifference) forgive(events []string) (left []string) {
	for _, e := range events {
		if e = k.pattern.ReplaceAllString(e, k.replace); e != "" {
			left = append(left, e)
		}
	}
	slices.Sort(left)
	return left
}

// newMochi starts a server of mochi-mqtt.
func newMochi(t *testing.T) *testServer {
	ln := memnet.Listen("mochi")
	able := mochi.NewDefaultServerCapabilities()
	able.MaximumMessageExpiryInterval = 0 // else it puts an expiry of a day into every message
	srv := mochi.New(&mochi.Options{Logger: slog.New(slog.DiscardHandler), SysTopicResendInterval: 1 << 30, Capabilities: able})
	if err := srv.AddHook(new(allowAll), nil); err != nil {
		t.Fatal(err)
	}
	if err := srv.AddListener(listeners.NewNet("mem", ln)); err != nil {
		t.Fatal(err)
	}
	if err := srv.Serve(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		synctest.Wait() // Close may wait for ever while a client goes: it takes a read lock twice
		srv.Close()
	})
	return &testServer{t: t, dial: func() net.Conn {
		nc, err := ln.Dial(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		return nc
	}}
}

// randomRun is what came of a script.
type randomRun struct {
	steps    [][]string // what came after each step, in a fixed order
	messages int
	disorder string // the first message that came out of order
}

// randomPlayer plays a script against one server.
type randomPlayer struct {
	server *testServer
	seats  []*seat
	run    randomRun
}

// seat is a client of the script and what it knows, connected or not.
type seat struct {
	randomClient
	number  int
	c       *client // nil while not connected
	lasts   bool    // its Session outlives the connection
	hold    bool    // it acknowledges nothing
	shared  string  // its Shared Subscription
	nextID  int
	acks    []string        // acknowledgements that are held back
	pubRels []string        // its QoS 2 publishes that have PUBREC and no PUBCOMP
	last    map[string]int  // the largest number seen, by publisher, Topic Name and QoS
	seen    map[string]bool // payloads
	events  []string        // of this step
}

func (s randomScript) play(t *testing.T, server *testServer) randomRun {
	p := &randomPlayer{server: server}
	for i, c := range s.clients {
		p.seats = append(p.seats, &seat{
			randomClient: c, number: i, nextID: 20000, last: make(map[string]int), seen: make(map[string]bool),
		})
	}
	for _, op := range s.ops {
		p.do(t, p.seats[op.client], op)
		p.settle(t)
		var events []string
		for _, st := range p.seats {
			slices.Sort(st.events)
			for _, e := range st.events {
				events = append(events, fmt.Sprintf("%d < %s", st.number, e))
			}
			st.events = nil
		}
		p.run.steps = append(p.run.steps, events)
	}
	return p.run
}

// do takes one step, if that is possible.
func (p *randomPlayer) do(t *testing.T, st *seat, op randomOp) {
	if op.verb == "connect" {
		p.connect(t, st, op)
		return
	}
	if st.c == nil {
		return
	}
	switch op.verb {
	case "hold":
		st.hold = true
	case "ack":
		st.hold = false
		st.release(t)
	case "disconnect":
		st.send(t, "disconnect")
		synctest.Wait()
		st.leave()
	case "drop":
		st.c.nc.Close()
		synctest.Wait()
		st.leave()
	case "sub":
		st.subscribe(t, op)
	case "unsub":
		filters := op.words
		if st.share {
			filters, st.shared = []string{st.shared}, ""
			if filters[0] == "" {
				return
			}
		}
		st.send(t, fmt.Sprintf("unsub id=%d %s", st.id(), strings.Join(filters, " ")))
	case "pub":
		st.publish(t, op)
	}
}

func (p *randomPlayer) connect(t *testing.T, st *seat, op randomOp) {
	if st.c != nil {
		if !st.lasts {
			return // see knownDifferences
		}
		st.leave()
	}
	words := st.version + fmt.Sprintf(" id=c%d", st.number)
	if op.clean {
		words += " clean"
	}
	st.lasts = !op.clean
	if st.version == "v5" {
		if st.lasts = op.expiry; op.expiry {
			words += " expiry=100000"
		}
	}
	v, b, err := encodeConnect(words)
	if err != nil {
		t.Fatal(err)
	}
	st.c = newClient(p.server, v)
	st.c.send(b)
}

// leave forgets what ends with the connection.
func (st *seat) leave() { st.c, st.acks, st.hold = nil, nil, false }

func (st *seat) send(t *testing.T, command string) {
	b, err := encode(command, st.c.version)
	if err != nil {
		t.Fatal(err)
	}
	st.c.send(b)
}

// id is a Packet Identifier that is free, for mochi in both directions.
func (st *seat) id() int {
	st.nextID++
	return st.nextID
}

func (st *seat) subscribe(t *testing.T, op randomOp) {
	line := fmt.Sprintf("sub id=%d", st.id())
	if st.sid {
		line += fmt.Sprintf(" sid=%d", op.number+1)
	}
	filters := op.words
	if st.share {
		if st.shared == "" {
			st.shared = fmt.Sprintf("$share/g%d/%s", st.number, filters[0])
		}
		filters = []string{st.shared}
	}
	if st.version == "v4" || !strings.Contains(st.options, "rh") {
		filters = slices.Compact(slices.Sorted(slices.Values(filters))) // see knownDifferences
	}
	for _, f := range filters {
		line += fmt.Sprintf(" %s,%d%s", f, op.qos, st.options)
	}
	st.send(t, line)
}

func (st *seat) publish(t *testing.T, op randomOp) {
	for i, name := range op.words {
		line := fmt.Sprintf("pub %s m%d.%d", name, st.number, op.number+i)
		if op.empty {
			line = fmt.Sprintf("pub %s -", name)
		}
		if op.qos > 0 {
			line += fmt.Sprintf(" q=%d id=%d", op.qos, st.id())
		}
		if op.retain {
			line += " retain"
		}
		st.send(t, line)
	}
}

// release sends all that is held back.
func (st *seat) release(t *testing.T) {
	for _, ack := range st.acks {
		st.send(t, ack)
	}
	st.acks = nil
}

// settle lets all clients answer until nothing moves.
func (p *randomPlayer) settle(t *testing.T) {
	for moved := true; moved; {
		synctest.Wait()
		moved = false
		for _, st := range p.seats {
			for st.c != nil {
				f, ok, ended := st.c.next()
				if ended {
					st.events = append(st.events, "EOF")
					st.leave()
				}
				if !ok {
					break
				}
				moved = true
				p.receive(t, st, f)
			}
			if st.c != nil && !st.hold {
				st.release(t)
			}
		}
	}
}

// receive takes one packet.
func (p *randomPlayer) receive(t *testing.T, st *seat, f packet.Frame) {
	line := render(f, st.c.version)
	w := strings.Fields(line)
	switch f.Type {
	case packet.TypePublish:
		line = p.message(t, st, f)
	case packet.TypePubRel:
		st.acks = append(st.acks, "pubcomp "+w[1])
		line = "PUBREL"
	case packet.TypeConnAck:
		line = strings.Join(w[:2], " ")
		if len(w) > 2 && w[2] == "present" {
			line += " present"
			st.acks = slices.Clone(st.pubRels) // v5 [MQTT-4.4.0-1], v3.1.1 [MQTT-4.4.0-1]
		} else {
			st.pubRels, st.shared = nil, ""
		}
	case packet.TypePubRec:
		if ack := "pubrel " + w[1]; !slices.Contains(st.pubRels, ack) {
			st.pubRels = append(st.pubRels, ack)
			st.acks = append(st.acks, ack)
		}
	case packet.TypePubComp:
		st.pubRels = slices.DeleteFunc(st.pubRels, func(ack string) bool { return ack == "pubrel "+w[1] })
	}
	line = strings.TrimSuffix(line, " 10")
	st.events = append(st.events, line)
}

// message takes an Application Message.
func (p *randomPlayer) message(t *testing.T, st *seat, f packet.Frame) string {
	p.run.messages++
	var m packet.Publish
	if err := m.DecodeFromServer(f, st.c.version); err != nil {
		t.Fatal(err)
	}
	switch m.QoS {
	case packet.AtLeastOnce:
		st.acks = append(st.acks, fmt.Sprintf("puback %d", m.PacketID))
	case packet.ExactlyOnce:
		st.acks = append(st.acks, fmt.Sprintf("pubrec %d", m.PacketID))
	}
	if !m.Retain {
		p.checkOrder(st, &m)
	}
	line := fmt.Sprintf("PUBLISH %s %s q=%d", m.Topic, text(m.Payload), m.QoS)
	if m.Retain {
		line += " retain"
	}
	ids := slices.Sorted(slices.Values(m.Properties.SubscriptionIDs))
	return line + fmt.Sprint(" ", ids)
}

// checkOrder notes a new message that comes behind a later one of the same
// publisher, Topic Name and QoS.
func (p *randomPlayer) checkOrder(st *seat, m *packet.Publish) {
	body := string(m.Payload)
	publisher, digits, ok := strings.Cut(body, ".")
	if !ok || st.seen[body] {
		return // empty, or repeated
	}
	st.seen[body] = true
	number, _ := strconv.Atoi(digits)
	key := fmt.Sprintf("%s %s %d", publisher, m.Topic, m.QoS)
	if last := st.last[key]; number < last && p.run.disorder == "" {
		p.run.disorder = fmt.Sprintf("client %d got %s on %s behind %s.%d\n", st.number, body, m.Topic, publisher, last)
	}
	st.last[key] = number
}
