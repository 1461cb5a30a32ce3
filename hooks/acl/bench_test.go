package acl

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker"
)

func accesses() map[string]broker.Access {
	a := broker.Access{App: "default", ClientID: "d1", User: "fleet", Remote: netip.MustParseAddr("::ffff:203.0.113.7"), QoS: 1}
	publish, subscribe := a, a
	publish.Action, publish.Topic = broker.ActionPublish, "d/d1/up"
	subscribe.Action, subscribe.Topic = broker.ActionSubscribe, "d/d1/+/x"
	return map[string]broker.Access{"publish": publish, "subscribe": subscribe}
}

func TestCheckDoesNotAllocate(t *testing.T) {
	r, err := Parse(strings.NewReader(fleetRules))
	if err != nil {
		t.Fatal(err)
	}
	builtin := Builtin("ops")
	grant, _ := NewGrant([]string{"d/%c/#"}, []string{"d/%c/#"})
	for name, a := range accesses() {
		if got := testing.AllocsPerRun(100, func() { r.OnACLCheck(&a); builtin.OnACLCheck(&a); grant.Check(&a) }); got != 0 {
			t.Errorf("%s: got %v allocations, want 0", name, got)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	fleet, err := Parse(strings.NewReader(fleetRules))
	if err != nil {
		b.Fatal(err)
	}
	var text strings.Builder
	text.WriteString("rules:\n")
	for i := range 10_000 {
		fmt.Fprintf(&text, "- {permit: allow, users: [u%d], topics: [d/%d/#]}\n", i, i)
	}
	text.WriteString("- {permit: allow, users: [fleet], topics: [d/%c/#]}\n")
	many, err := Parse(strings.NewReader(text.String()))
	if err != nil {
		b.Fatal(err)
	}
	for rules, r := range map[string]*Rules{"builtin": Builtin("ops"), "fleet": fleet, "10000users": many} {
		for name, a := range accesses() {
			b.Run(rules+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if r.OnACLCheck(&a) != broker.Allow {
						b.Fatal("got Deny, want Allow")
					}
				}
			})
		}
	}
}
