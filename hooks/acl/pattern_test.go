package acl

import (
	"strings"
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker"
)

func TestPlaceholders(t *testing.T) {
	const pub, sub = broker.ActionPublish, broker.ActionSubscribe
	for _, tt := range []struct {
		pattern      string
		client, user string
		action       broker.Action
		topic        string
		allow, deny  bool // whether such a rule applies
	}{
		{"d/%c/up", "c1", "", pub, "d/c1/up", true, true},
		{"d/%c/up", "c1", "", pub, "d/c2/up", false, false},
		{"d/%c/up", "c1", "", sub, "d/+/up", false, true},
		{"d/%c/up", "c1", "", sub, "d/c1/#", false, true},
		{"d/%c/#", "c1", "", sub, "d/c1/#", true, true},
		{"d/%c/#", "c1", "", sub, "d/c1", true, true},
		{"d/x%c-%u/#", "c", "u", pub, "d/xc-u/1", true, true},
		{"d/x%c-%u/#", "c", "u", pub, "d/xc-u2/1", false, false},
		{"d/%a", "c", "", pub, "d/app", true, true},
		{"d/50%%/%c", "c", "", pub, "d/50%/c", true, true},
		{"d/%c%c", "ab", "", pub, "d/abab", true, true},
		{"d/%c%u", "aa", "a", pub, "d/aaa", true, true},

		// A name that is more than a level allows nothing, and denies all from there on.
		{"d/%c/up", "+", "", pub, "d/+/up", false, true},
		{"d/%c/up", "+", "", sub, "d/+/up", false, true},
		{"d/%c/up", "+", "", sub, "d/c2/up", false, true},
		{"d/%c", "#", "", sub, "d/#", false, true},
		{"d/%c/up", "a/b", "", pub, "d/a/b/up", false, true},
		{"d/%c/up", "a/b", "", pub, "d/a", false, true},
		{"d/%c/up", "a/b", "", pub, "e/a/b/up", false, false},
		{"d/%c/up", "a/b", "", sub, "#", false, true},
		{"d/%u/up", "c", "x+y", pub, "d/x+y/up", false, true},

		// One that is empty concerns nobody.
		{"d/%u/#", "c", "", pub, "d//x", false, false},
		{"d/%u/#", "c", "", sub, "#", false, false},
		{"d/%c/%u", "a/b", "", sub, "#", false, false},

		// The first level is no client's to choose if it means something.
		{"%c/#", "c1", "", pub, "c1/x", true, true},
		{"%c/#", "$SYS", "", sub, "$SYS/#", false, true},
		{"%c/#", "inbox", "", pub, "inbox/c2", false, true},
		{"%c/#", "group", "", pub, "group/g", false, true},
		{"%c%u/#", "in", "box", pub, "inbox/c2", false, true},
		{"in%c/#", "box", "", pub, "inbox/c2", false, true},
		{"x%c/#", "$SYS", "", pub, "x$SYS/a", true, true},
		{"$d/%c", "$c", "", pub, "$d/$c", true, true},
		{"$%c/x", "d", "", sub, "+/x", false, false},
	} {
		p := patterns(tt.pattern)[0]
		a := broker.Access{App: "app", ClientID: tt.client, User: tt.user, Action: tt.action, Topic: tt.topic}
		allow, deny := p.applies(&a, broker.Allow), p.applies(&a, broker.Deny)
		if allow != tt.allow || deny != tt.deny {
			t.Errorf("%q for client %q, user %q, action %d on %q: got allow %v, deny %v, want %v, %v",
				tt.pattern, tt.client, tt.user, tt.action, tt.topic, allow, deny, tt.allow, tt.deny)
		}
	}
}

func TestBadPatterns(t *testing.T) {
	for _, tt := range []struct{ filter, want string }{
		{"", "topic is empty"},
		{"a/#/b", "wildcard in a wrong place"},
		{"a+", "wildcard in a wrong place"},
		{"+%c", "wildcard in a wrong place"},
		{"%c#", "wildcard in a wrong place"},
		{"a/%", "unknown placeholder"},
		{"a/%x/b", "unknown placeholder"},
		{"%C", "unknown placeholder"},
		{"a\x00", "U+0000"},
		{"a\xff", "not valid UTF-8"},
		{"$share/g/a", "leave $share/ out"},
		{strings.Repeat("a/", 40_000), "longer than"},
	} {
		_, err := parsePattern(tt.filter)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%.20q: got %.100v, want %q", tt.filter, err, tt.want)
		}
	}
}
