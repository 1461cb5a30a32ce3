//go:build system

package system

import (
	"fmt"
	"strings"
	"testing"
)

// pair is two programs over one client library, in one version of MQTT, with Topic Names and Client
// Identifiers of their own.
type pair struct {
	name    string // begins their Topic Names and Client Identifiers; at most 20 bytes (MQTT 3.1 allows 23)
	present string // Session Present of a Session that goes on: 0 in MQTT 3.1, which has no such flag
	start   func() *program
	a, b    *program // not connected between scenarios
}

// newPair starts the two. start must give programs that live as long as all scenarios.
func newPair(name string, start func() *program) *pair {
	return &pair{name: name, present: "1", start: start, a: start(), b: start()}
}

// scenarios are what every client library does, in this order. Those that end a program start another.
var scenarios = []struct {
	name string
	run  func(*pair, *testing.T)
}{
	{"QoS", (*pair).qos},
	{"retained", (*pair).retained},
	{"Will", (*pair).will},
	{"Session after DISCONNECT", func(p *pair, t *testing.T) { p.session(t, false) }},
	{"Session after a crash", func(p *pair, t *testing.T) { p.session(t, true) }},
}

// connect connects both with a clean Session.
func (p *pair) connect(t *testing.T) {
	t.Helper()
	p.a.do(t, "connect "+p.name+"-a 1", "connected 0")
	p.b.do(t, "connect "+p.name+"-b 1", "connected 0")
}

func (p *pair) disconnect(t *testing.T) {
	t.Helper()
	p.a.do(t, "disconnect", "disconnected")
	p.b.do(t, "disconnect", "disconnected")
}

// qos: each QoS of a message through a subscription of each QoS, once and with the smaller of the two.
func (p *pair) qos(t *testing.T) {
	p.connect(t)
	for sub := range 3 {
		topic := fmt.Sprintf("%s/qos/%d", p.name, sub)
		p.a.do(t, fmt.Sprintf("subscribe %s %d", topic, sub), fmt.Sprintf("subscribed %d", sub))
		for pub := range 3 {
			p.b.do(t, fmt.Sprintf("publish %s %d 0 %d-%d", topic, pub, sub, pub), "published")
			p.a.expect(t, fmt.Sprintf("%s %d 0 %d-%d", topic, min(sub, pub), sub, pub))
		}
	}
	p.disconnect(t)
}

// retained: the last retained message comes with a new subscription, marked, until an empty one deletes it.
func (p *pair) retained(t *testing.T) {
	topic := p.name + "/kept"
	p.connect(t)
	p.b.do(t, "publish "+topic+" 1 1 first", "published")
	p.b.do(t, "publish "+topic+" 1 1 second", "published")
	p.a.do(t, "subscribe "+p.name+"/+ 1", "subscribed 1")
	p.a.expect(t, topic+" 1 1 second")
	p.b.do(t, "publish "+topic+" 1 1 third", "published")
	p.a.expect(t, topic+" 1 0 third")
	p.b.do(t, "publish "+topic+" 1 1", "published")
	p.a.expect(t, topic+" 1 0 ")
	p.a.do(t, "disconnect", "disconnected")
	p.a.do(t, "connect "+p.name+"-a 1", "connected 0")
	p.a.do(t, "subscribe "+p.name+"/+ 1", "subscribed 1")
	p.b.do(t, "publish "+topic+" 1 0 live", "published")
	p.a.expect(t, topic+" 1 0 live")
	p.disconnect(t)
}

// will: it is published when the program dies, retained as it asks, and not after DISCONNECT.
func (p *pair) will(t *testing.T) {
	topic := p.name + "/will"
	connect := "connect " + p.name + "-a 1 " + topic + " 1 1 gone"
	p.b.do(t, "connect "+p.name+"-b 1", "connected 0")
	p.b.do(t, "subscribe "+topic+" 1", "subscribed 1")
	p.a.do(t, connect, "connected 0")
	p.a.do(t, "disconnect", "disconnected")
	// The connection that a makes next is served after its DISCONNECT: the same Client Identifier.
	p.a.do(t, connect, "connected 0")
	p.b.do(t, "publish "+topic+" 1 0 alive", "published")
	p.b.expect(t, topic+" 1 0 alive")
	p.a.kill(t)
	p.b.expect(t, topic+" 1 0 gone")
	p.b.do(t, "subscribe "+topic+" 1", "subscribed 1")
	p.b.expect(t, topic+" 1 1 gone")
	p.b.do(t, "publish "+topic+" 1 1", "published") // for the next run against the same broker
	p.b.expect(t, topic+" 1 0 ")
	p.b.do(t, "disconnect", "disconnected")
	p.a = p.start()
}

// session: what is published while the client is away waits in its Session, in order, and comes once.
func (p *pair) session(t *testing.T, crash bool) {
	const count = 20
	topic := p.name + "/away/"
	p.b.do(t, "connect "+p.name+"-b 1", "connected 0")
	p.a.do(t, "connect "+p.name+"-s 0", "connected 0")
	p.a.do(t, "subscribe "+topic+"# 2", "subscribed 2")
	if crash {
		p.a.kill(t)
		p.a = p.start()
	} else {
		p.a.do(t, "disconnect", "disconnected")
	}
	for i := range count {
		qos := 1 + i%2
		p.b.do(t, fmt.Sprintf("publish %s%d %d 0 m%d", topic, qos, qos, i), "published")
	}
	p.a.do(t, "connect "+p.name+"-s 0", "connected "+p.present)
	// Order is per topic: a library may hand over QoS 2 only at PUBREL, when later QoS 1 is there already.
	var got, want [3][]string
	for i := range count {
		qos := 1 + i%2
		want[qos] = append(want[qos], fmt.Sprintf("%s%d %d 0 m%d", topic, qos, qos, i))
		m := p.a.next(t, &p.a.messages, fmt.Sprintf("message %d of %d", i+1, count))
		if strings.HasPrefix(m, topic+"1") {
			got[1] = append(got[1], m)
		} else {
			got[2] = append(got[2], m)
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("got %q, want %q", got, want)
	}
	p.b.do(t, "publish "+topic+"end 2 0 end", "published")
	p.a.expect(t, topic+"end 2 0 end") // the subscription is still there, and nothing came twice
	p.disconnect(t)
	p.a.do(t, "connect "+p.name+"-s 1", "connected 0")
	p.a.do(t, "disconnect", "disconnected")
}
