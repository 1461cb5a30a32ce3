package acl

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/holdfast-mqtt/holdfast/broker"
)

func TestParseFaults(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"no mapping", "- a", "line 1: the file must be a mapping"},
		{"no list", "rules: 3", "line 1: rules must be a list"},
		{"no rule", "rules:\n- x", "line 2: a rule must be a mapping"},
		{"unknown keys", "default: deny\nfallback: x\nrules:\n- permit: allow\n  topic: a",
			"line 2: unknown key \"fallback\"\nline 5: unknown key \"topic\""},
		{"twice", "rules: []\ndefault: allow\ndefault: deny", "line 3: default is given twice"},
		{"no permit", "rules:\n- topics: [a]", "line 2: a rule needs permit: allow or deny"},
		{"permit", "rules:\n- permit: yes", `line 2: "yes" is neither allow nor deny`},
		{"default", "default: ignore", `line 1: "ignore" is neither allow nor deny`},
		{"default is empty", "default:", "line 1: want a single value"},
		{"action", "rules:\n- permit: deny\n  action: read", `line 3: "read" is none of publish, subscribe and all`},
		{"scalar for a list", "rules:\n- permit: deny\n  users: bob", "line 3: want a list"},
		{"empty list", "rules:\n- permit: allow\n  users: []", "line 3: want a list with an item at least"},
		{"empty item", "rules:\n- permit: allow\n  clients:\n  - a\n  - \"\"", "line 5: an item is empty"},
		{"list in a list", "rules:\n- permit: allow\n  apps: [[a]]", "line 3: want a single value"},
		{"null in a list", "rules:\n- permit: allow\n  apps: [~]", "line 3: want a single value"},
		{"addresses", "rules:\n- permit: allow\n  addresses:\n  - 10.0.0.0/33\n  - 10.0.0.1/8\n  - host\n  - fe80::1%eth0",
			"line 4: \"10.0.0.0/33\" is no address or CIDR\nline 5: \"10.0.0.1/8\" is no address or CIDR\n" +
				"line 6: \"host\" is no address or CIDR\nline 7: \"fe80::1%eth0\" is no address or CIDR"},
		{"topics", "rules:\n- permit: allow\n  topics:\n  - a/#/b\n  - '%x'", "line 4: \"a/#/b\": wildcard in a wrong place of a topic filter\n" +
			"line 5: \"%x\": unknown placeholder"},
		{"retain", "rules:\n- permit: allow\n  retain: 1", "line 3: retain must be true or false"},
		{"retain is text", "rules:\n- permit: allow\n  retain: \"true\"", "line 3: retain must be true or false"},
		{"retain to subscribe", "rules:\n- permit: allow\n  action: subscribe\n  retain: true", "line 2: retain is for rules about publishing"},
		{"max_qos", "rules:\n- permit: allow\n  max_qos: 3", "line 3: max_qos must be 0, 1 or 2"},
		{"max_qos to deny", "rules:\n- permit: deny\n  max_qos: 0", "line 3: max_qos is for rules that allow"},
		{"alias", "rules:\n- permit: allow\n  users: &u [a]\n- permit: deny\n  users: *u", "line 5: users: aliases are not supported"},
		{"two documents", "default: deny\n---\ndefault: allow", "more than one YAML document"},
		{"syntax", "rules:\n\t- x", "line 2: "},
		{"syntax of the second document", "default: deny\n---\n{", "more than one YAML document"},
	} {
		r, err := Parse(strings.NewReader(tt.text))
		if r != nil || err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, %q, want %q", tt.name, r, err, tt.want)
		}
		if _, ok := errors.AsType[*Fault](err); !ok {
			t.Errorf("%s: got a %T, want it to hold a *Fault", tt.name, err)
		}
	}
}

func TestParseWithoutRules(t *testing.T) {
	for text, want := range map[string]broker.Decision{
		"": broker.Deny, "# nothing\n": broker.Deny, "~": broker.Deny, "default: allow": broker.Allow,
		"rules:": broker.Deny, "rules: []\ndefault: allow\n": broker.Allow,
	} {
		r, err := Parse(strings.NewReader(text))
		if err != nil {
			t.Errorf("%q: got %v", text, err)
			continue
		}
		if got := r.OnACLCheck(&broker.Access{Topic: "a", Action: broker.ActionPublish}); got != want {
			t.Errorf("%q: got %d, want %d", text, got, want)
		}
	}
}

func TestParseReadsNoMoreThanItsLimit(t *testing.T) {
	if _, err := Parse(iotest.ErrReader(io.ErrClosedPipe)); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("got %v, want the reader's error", err)
	}
	endless := io.MultiReader(strings.NewReader("#"), neverEnding('x'))
	if _, err := Parse(endless); !errors.Is(err, ErrTooLarge) {
		t.Errorf("got %v, want ErrTooLarge", err)
	}
}

type neverEnding byte

func (b neverEnding) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(b)
	}
	return len(p), nil
}

func FuzzParse(f *testing.F) {
	f.Add(fleetRules, "d/c/up", "c", "fleet")
	f.Add("rules:\n- permit: deny\n  topics: ['#']", "#", "", "")
	f.Add("rules:\n- {permit: allow, users: ['*a?'], max_qos: 1, retain: true}", "a", "+", "ba")
	f.Add("a: &a [*a]", "a", "b", "c")
	f.Fuzz(func(t *testing.T, text, topic, client, user string) {
		r, err := Parse(strings.NewReader(text))
		if err != nil {
			if r != nil {
				t.Errorf("got rules with %v", err)
			}
			return
		}
		for action := broker.ActionPublish; action <= broker.ActionSubscribe; action++ {
			a := broker.Access{ClientID: client, User: user, Action: action, Topic: topic}
			if d := r.OnACLCheck(&a); d != broker.Allow && d != broker.Deny {
				t.Errorf("got %d, want Allow or Deny", d)
			}
		}
	})
}
