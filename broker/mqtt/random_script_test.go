package mqtt

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// randomScript is a random script: what its clients are, and what they do.
type randomScript struct {
	clients []randomClient
	ops     []randomOp
}

// randomClient is what a client is throughout a script.
type randomClient struct {
	version string
	options string // of all its subscriptions
	sid     bool   // its subscriptions have identifiers
	share   bool   // it has nothing but one Shared Subscription, with no other member
}

// randomOp is one step. What it does depends on what its client is at that
// moment, so that a script is legal whatever is taken out of it.
type randomOp struct {
	client int
	verb   string   // connect, disconnect, drop, sub, unsub, pub, hold, ack
	words  []string // filters, or Topic Names
	qos    int
	retain bool
	clean  bool
	expiry bool
	empty  bool
	number int // unique, growing
}

func (s randomScript) String() string {
	var b strings.Builder
	for i, c := range s.clients {
		fmt.Fprintf(&b, "client %d: %+v\n", i, c)
	}
	for i, op := range s.ops {
		fmt.Fprintf(&b, "%3d %s\n", i, op)
	}
	return b.String()
}

func (o randomOp) String() string {
	line := fmt.Sprintf("%d %s %s", o.client, o.verb, strings.Join(o.words, " "))
	if o.verb == "sub" || o.verb == "pub" {
		line += fmt.Sprintf(" q=%d", o.qos)
	}
	for _, flag := range []struct {
		set  bool
		name string
	}{{o.retain, "retain"}, {o.clean, "clean"}, {o.expiry, "expiry"}, {o.empty, "empty"}} {
		if flag.set {
			line += " " + flag.name
		}
	}
	return line
}

var (
	randomTopics  = []string{"a", "b", "a/b", "a/c", "a/b/c", "/a", "a/", "b/b", "c/c", "$x/y"}
	randomFilters = []string{
		"a", "b", "a/b", "a/b/c", "/a", "$x/y", "#", "+", "a/#", "a/+", "+/b", "+/+", "/+", "+/", "a/+/c", "+/b/#", "$x/#", "$x/+", "b/#",
	}
)

var (
	retainedTopics = []string{"a/b/c", "a/c", "a/", "/a", "c/c"}
	sharedFilters  = []string{"a", "b", "a/b", "a/#", "a/+", "a/+/c", "$x/#", "$x/y", "b/#", "/+", "/a"}
)

func newRandomScript(seed uint64) (s randomScript) {
	r := rand.New(rand.NewPCG(seed, 0))
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	for range 4 {
		c := randomClient{version: pick("v4", "v5"), share: r.IntN(5) == 0}
		if c.version == "v5" {
			c.sid = r.IntN(2) == 0
			c.options = pick("", ",nl", ",rap", ",nl,rap", ",rh1", ",rh2")
		}
		if c.share {
			c.options = strings.ReplaceAll(c.options, ",nl", "")
		}
		s.clients = append(s.clients, c)
	}
	verbs := []string{"connect", "disconnect", "drop", "sub", "sub", "sub", "unsub", "pub", "pub", "pub", "pub", "pub", "pub", "hold", "ack"}
	for n := range 20 + r.IntN(40) {
		o := randomOp{client: r.IntN(len(s.clients)), verb: pick(verbs...), qos: r.IntN(3), number: n * 10}
		if n < len(s.clients) {
			o.client, o.verb = n, "connect"
		}
		switch o.verb {
		case "connect":
			o.clean, o.expiry = r.IntN(3) == 0, r.IntN(4) > 0
		case "sub", "unsub":
			from := randomFilters
			if s.clients[o.client].share {
				from = sharedFilters
			}
			for range 1 + r.IntN(3) {
				o.words = append(o.words, pick(from...))
			}
		case "pub":
			o.retain, o.empty = r.IntN(3) == 0, r.IntN(8) == 0
			from := randomTopics
			if o.retain {
				from = retainedTopics
			}
			for range 1 + r.IntN(4) {
				o.words = append(o.words, pick(from...))
			}
		}
		s.ops = append(s.ops, o)
	}
	for i := range s.clients { // at the end all is told
		s.ops = append(s.ops, randomOp{client: i, verb: "connect", expiry: true}, randomOp{client: i, verb: "ack"})
	}
	return s
}
