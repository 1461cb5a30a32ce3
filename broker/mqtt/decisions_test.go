package mqtt

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"unsafe"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
	"github.com/holdfast-mqtt/holdfast/hooks/acl"
	"github.com/holdfast-mqtt/holdfast/storage/memory"
)

// rulebook is a recorder whose answers hold until its generation goes up.
type rulebook struct {
	recorder
	generation uint64 // guarded by mu
}

func (r *rulebook) Generation() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.generation
}

func (r *rulebook) change(deny string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.deny = deny
	r.generation++
}

// TestDecisionsAreRemembered counts what a stable Authorizer is asked.
func TestDecisionsAreRemembered(t *testing.T) {
	eachEngine(t, func(t *testing.T, loop netloop.Config) {
		r := new(rulebook)
		s := newServer(t, setup{loop: loop, mqtt: Config{Authorizer: r}})
		a, b := dialAs(s, "v5 id=a clean"), dialAs(s, "v5 id=b clean")
		long := strings.Repeat("x", maxDecidedName+1)
		for _, tt := range []struct {
			c             *client
			command, want string
			asked         int
		}{
			{a, "pub t m q=1 id=1", "PUBACK 1 10", 1},
			{a, "pub t m q=1 id=1", "PUBACK 1 10", 0},
			{b, "pub t m q=1 id=1", "PUBACK 1 10", 1}, // another connection
			{a, "pub u m q=1 id=1", "PUBACK 1 10", 1}, // another topic
			{a, "pub t m q=2 id=1", "PUBREC 1 10", 1}, // another QoS
			{a, "pub t m q=1 id=2 retain", "PUBACK 2 10", 1},
			{a, "sub id=3 t,1", "SUBACK 3 01", 1},
			{a, "unsub id=4 t", "UNSUBACK 4 00", 0},
			{a, "sub id=5 t,1", "SUBACK 5 01", 0},
			{a, "unsub id=6 t", "UNSUBACK 6 00", 0},
			{a, "pub " + long + " m q=1 id=7", "PUBACK 7 10", 1},
			{a, "pub " + long + " m q=1 id=8", "PUBACK 8 10", 1}, // too long
		} {
			tt.c.do(tt.command)
			var got string
			for got = tt.c.line(); strings.HasPrefix(got, "PUBLISH"); { // retained
				got = tt.c.line()
			}
			if !strings.HasPrefix(got, tt.want) {
				t.Errorf("%s: got %s, want %s", tt.command, got, tt.want)
			}
			if asked := r.take(); len(asked) != tt.asked {
				t.Errorf("%s: asked %+v, want %d questions", tt.command, asked, tt.asked)
			}
		}
		r.change("t")
		a.do("pub t m q=1 id=9", "PUBACK 9 87")
		a.do("pub t m q=1 id=9", "PUBACK 9 87")
		b.do("pub t m q=1 id=9", "PUBACK 9 87")
		if got := s.mqtt.Stats().Denied; got != 3 {
			t.Errorf("denied: got %d, want 3, remembered ones too", got)
		}
		r.change("")
		a.do("pub t m q=1 id=9", "PUBACK 9 10")
	})
}

// testLoop is a loop's state without a loop, and a client of it.
func testLoop(t testing.TB, all broker.Authorizer) (*loopState, *rights, *broker.Access) {
	b := broker.New(broker.Config{Store: memory.New()})
	t.Cleanup(b.Close)
	ls := &loopState{srv: &Server{cfg: Config{Authorizer: all}, broker: b}}
	a := broker.Access{
		App: "default", ClientID: "d1", User: "fleet", Remote: netip.MustParseAddr("203.0.113.7"),
	}
	r := ls.newRights(a, new(broker.Identity), 0)
	a.Action, a.Topic, a.QoS = broker.ActionPublish, "d/d1/up", 1
	return ls, r, &a
}

// TestDecisionsOfNewRights has two clients in one place of the table.
func TestDecisionsOfNewRights(t *testing.T) {
	asked := new(rulebook)
	ls, r, a := testLoop(t, asked)
	ls.decide(r, a)
	again := ls.newRights(r.access, new(broker.Identity), 0)
	again.number = r.number // as bad luck would have it
	ls.decide(again, a)
	ls.decide(again, a)
	if got := len(asked.take()); got != 2 {
		t.Errorf("asked %d times, want once for each", got)
	}
}

// TestDecisionsAreBounded fills the table over and over.
func TestDecisionsAreBounded(t *testing.T) {
	rules := fiftyRules(t)
	ls, r, a := testLoop(t, rules)
	for i := range 3 * maxDecisions {
		a.Topic = fmt.Sprint("d/d1/", i, strings.Repeat("y", i%100))
		if got, want := ls.decide(r, a), rules.OnACLCheck(a); got != want {
			t.Fatalf("%s: got %d, want %d", a.Topic, got, want)
		}
	}
	if got := len(ls.decisions.entries); got != maxDecisions {
		t.Errorf("got %d entries, want %d", got, maxDecisions)
	}
	if got := unsafe.Sizeof(decision{}) * maxDecisions; got > 512<<10 {
		t.Errorf("got a table of %d bytes, want 0.5 MiB at most", got)
	}
	if got := testing.AllocsPerRun(100, func() { ls.decide(r, a) }); got != 0 {
		t.Errorf("got %v allocations, want 0", got)
	}
}

// fiftyRules are such that all are looked at.
func fiftyRules(t testing.TB) *acl.Rules {
	var text strings.Builder
	text.WriteString("rules:\n")
	for i := range 49 {
		fmt.Fprintf(&text, "- {permit: allow, topics: [site/%d/#, \"area/%d/+/x\"]}\n", i, i)
	}
	text.WriteString("- {permit: allow, users: [fleet], topics: [d/%c/#]}\n")
	rules, err := acl.Parse(strings.NewReader(text.String()))
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

// unstable hides that Rules are stable.
type unstable struct{ rules *acl.Rules }

func (u unstable) OnACLCheck(a *broker.Access) broker.Decision { return u.rules.OnACLCheck(a) }

func BenchmarkDecide(b *testing.B) {
	builtin, fifty := acl.Builtin(), fiftyRules(b)
	for name, all := range map[string]broker.Authorizer{
		"builtin": unstable{builtin}, "builtin-remembered": builtin, "50rules": unstable{fifty}, "50rules-remembered": fifty,
	} {
		b.Run(name, func(b *testing.B) {
			ls, r, a := testLoop(b, all)
			b.ReportAllocs()
			for b.Loop() {
				if ls.decide(r, a) != broker.Allow {
					b.Fatal("got Deny, want Allow")
				}
			}
		})
	}
}
