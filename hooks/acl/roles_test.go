package acl

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// roles are the clients of the tables below.
var roles = []struct {
	name string
	a    broker.Access
}{
	{"device d1", broker.Access{App: "default", ClientID: "d1", User: "fleet", Remote: netip.MustParseAddr("203.0.113.7")}},
	{"device d2", broker.Access{App: "default", ClientID: "d2", User: "fleet", Remote: netip.MustParseAddr("203.0.113.8")}},
	{"nobody n", broker.Access{App: "default", ClientID: "n", Remote: netip.MustParseAddr("203.0.113.9")}},
	{"back end", broker.Access{App: "default", ClientID: "b", User: "backend-1", Remote: netip.MustParseAddr("::ffff:10.0.0.1")}},
	{"operator", broker.Access{App: "default", ClientID: "o", User: "ops"}}, // on a Unix socket
	{"meter m of another App", broker.Access{App: "meters", ClientID: "m", User: "fleet", Remote: netip.MustParseAddr("2001:db8::1")}},
}

// operation is a row: an action on a topic, as "pub T", "retain T", "sub T", with ",QoS" behind T; and for each role y or n.
type operation struct{ what, want string }

func checkOperations(t *testing.T, r *Rules, operations []operation) {
	t.Helper()
	for _, op := range operations {
		verb, topic, _ := strings.Cut(op.what, " ")
		topic, qos, _ := strings.Cut(topic, ",")
		for i, role := range roles {
			a := role.a
			a.Topic, a.Retain, a.Action = topic, verb == "retain", broker.ActionPublish
			if verb == "sub" {
				a.Action = broker.ActionSubscribe
			}
			if qos != "" {
				a.QoS = broker.QoS(qos[0] - '0')
			}
			want := broker.Deny
			if op.want[i] == 'y' {
				want = broker.Allow
			}
			if got := r.OnACLCheck(&a); got != want {
				t.Errorf("%s, %s: got %d, want %d", role.name, op.what, got, want)
			}
		}
	}
}

func TestBuiltin(t *testing.T) {
	checkOperations(t, Builtin("ops", ""), []operation{
		{"pub a/b", "yyyyyy"},
		{"retain a/b", "yyyyyy"},
		{"sub a/b", "yyyyyy"},
		{"sub #", "yyyyyy"},
		{"sub +/x", "yyyyyy"},
		{"sub +/+/#", "yyyyyy"},
		{"pub inbox", "yyyyyy"},
		{"pub inbox/d1", "ynnnnn"},
		{"sub inbox/d1", "ynnnnn"},
		{"pub inbox/d1/x", "nnnnnn"},
		{"sub inbox/d1/#", "nnnnnn"},
		{"sub inbox/m", "nnnnny"},
		{"sub inbox/+", "nnnnnn"},
		{"sub inbox/#", "nnnnnn"},
		{"pub inbox/", "nnnnnn"},
		{"pub group/g", "yyyyyy"},
		{"pub $SYS/x", "nnnnnn"},
		{"sub $SYS/#", "nnnnyn"},
		{"sub $SYS/broker/+", "nnnnyn"},
		{"sub $SYS", "nnnnyn"},
		{"sub $SY/x", "yyyyyy"},
		{"pub ", "nnnnnn"},
	})
	if got := Builtin("*").OnACLCheck(&broker.Access{User: "x", Action: broker.ActionSubscribe, Topic: "$SYS/#"}); got != broker.Deny {
		t.Errorf("a user for whom the configuration has only '*': got %d, want Deny", got)
	}
}

const fleetRules = `
default: deny
rules:
  - {permit: deny, apps: [meters], action: subscribe, topics: [secret/#]}
  - {permit: allow, users: [ops]}
  - permit: allow
    users: ["backend-*"]
    addresses: [10.0.0.0/8]
    topics: ["d/#", "inbox/+"]
  - {permit: allow, users: [fleet], action: publish, topics: [d/%c/up], retain: false, max_qos: 1}
  - {permit: allow, users: [fleet], action: subscribe, topics: [d/%c/#, "inbox/%c", "app/%a/+"]}
  - {permit: deny, clients: [d2], topics: [news/secret]}
  - {permit: allow, users: [fleet], action: subscribe, topics: [news/#]}
  - {permit: deny, users: ["*"], topics: [open]}
  - {permit: allow, topics: [open]}
  - {permit: allow, apps: [meters], topics: ["#"]}
`

func TestRules(t *testing.T) {
	r, err := Parse(strings.NewReader(fleetRules))
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Len(); got != 10 {
		t.Errorf("got %d rules, want 10", got)
	}
	checkOperations(t, r, []operation{
		{"pub d/d1/up", "ynnyyy"}, // the last may do so as one of App meters
		{"pub d/d1/up,1", "ynnyyy"},
		{"pub d/d1/up,2", "nnnyyy"},
		{"retain d/d1/up", "nnnyyy"},
		{"retain d/m/up", "nnnyyy"},
		{"sub d/d1/up", "ynnyyy"},
		{"sub d/d1/#", "ynnyyy"},
		{"sub d/+/up", "nnnyyy"},
		{"sub d/#", "nnnyyy"},
		{"sub #", "nnnnyn"}, // it overlaps secret/#
		{"pub inbox/d1", "nnnyyy"},
		{"sub inbox/d1", "ynnyyy"},
		{"sub inbox/+", "nnnyyy"},
		{"sub app/default/x", "yynnyy"},
		{"sub app/meters/x", "nnnnyy"},
		{"sub app/+/x", "nnnnyy"},
		{"sub news/a", "yynnyy"},
		{"sub news/secret", "ynnnyy"},
		{"sub news/+", "ynnnyy"},
		{"sub news/#", "ynnnyy"},
		{"pub open", "nnynyn"},
		{"sub secret/x", "nnnnyn"},
		{"pub secret/x", "nnnnyy"},
		{"pub $SYS/x", "nnnnyn"},
	})
}

func TestGrant(t *testing.T) {
	const ignore, allow, deny = broker.Ignore, broker.Allow, broker.Deny
	for _, tt := range []struct {
		publish, subscribe []string
		action             broker.Action
		topic              string
		want               broker.Decision
	}{
		{nil, nil, broker.ActionPublish, "a", ignore},
		{nil, nil, broker.ActionSubscribe, "a", ignore},
		{[]string{}, nil, broker.ActionPublish, "a", deny},
		{[]string{}, nil, broker.ActionSubscribe, "a", ignore},
		{nil, []string{"a/#"}, broker.ActionSubscribe, "a/+", allow},
		{nil, []string{"a/+"}, broker.ActionSubscribe, "a/#", deny},
		{[]string{"x", "d/%c/+"}, []string{}, broker.ActionPublish, "d/c/x", allow},
		{[]string{"x", "d/%c/+"}, []string{}, broker.ActionPublish, "d/c2/x", deny},
		{[]string{"#"}, nil, broker.ActionPublish, "$SYS/x", deny},
		{[]string{"#"}, nil, broker.ActionPublish, "", deny},
	} {
		g, err := NewGrant(tt.publish, tt.subscribe)
		if err != nil {
			t.Fatal(err)
		}
		if got := g.Check(&broker.Access{ClientID: "c", Action: tt.action, Topic: tt.topic}); got != tt.want {
			t.Errorf("%q, %q: action %d on %q: got %d, want %d", tt.publish, tt.subscribe, tt.action, tt.topic, got, tt.want)
		}
	}
	_, err := NewGrant([]string{"a#", "b"}, []string{"%x"})
	if err == nil || !strings.Contains(err.Error(), `"a#"`) || !strings.Contains(err.Error(), `"%x"`) {
		t.Errorf("got %v, want both faults", err)
	}
}
