package config

import (
	"strings"
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/topic"
)

func TestParseSubscription(t *testing.T) {
	for _, tt := range []struct {
		line string
		want broker.AutoSubscription
		err  string // part of it; "" for none
	}{
		{line: "a", want: broker.AutoSubscription{TopicFilter: "a"}},
		{line: "  qos=1   devices/%c/in ", want: broker.AutoSubscription{TopicFilter: "devices/%c/in", Options: topic.NewOptions(1, false, false, 0)}},
		{
			line: "retain_handling=1 no_local qos=2 retain_as_published +/x/#",
			want: broker.AutoSubscription{TopicFilter: "+/x/#", Options: topic.NewOptions(2, true, true, 1)},
		},
		{line: "qos=0 retain_handling=0 my house/%u/100%%", want: broker.AutoSubscription{TopicFilter: "my house/%u/100%%"}},
		{line: "qos=1 a=b", want: broker.AutoSubscription{TopicFilter: "a=b", Options: topic.NewOptions(1, false, false, 0)}},
		{line: "qos=1 $share/g/%a", want: broker.AutoSubscription{TopicFilter: "$share/g/%a", Options: topic.NewOptions(1, false, false, 0)}},
		{line: "", err: "there is no Topic Filter"},
		{line: " ", err: "there is no Topic Filter"},
		{line: "qos=1", err: "no Topic Filter behind qos=1"},
		{line: "qos=1 no_local", err: "no Topic Filter behind no_local"},
		{line: "qos=1 qos=2 a", err: "qos is given twice"},
		{line: "qos=3 a", err: `unknown option "qos=3" (did you mean qos?)`},
		{line: "qso=1 a", err: `unknown option "qso=1" (did you mean qos?)`},
		{line: "nolocal a", err: `unknown option "nolocal" (did you mean no_local?)`},
		{line: "retry=1 a", err: `unknown option "retry=1"`},
		{line: "a/#/b", err: "is not a Topic Filter"},
		{line: "a/%", err: `unknown placeholder "%"`},
		{line: "a/%ß", err: `unknown placeholder "%ß"`},
		{line: "%%%x", err: `unknown placeholder "%x"`},
		{line: "inbox/%c", err: "has its own inbox"},
		{line: "no_local $share/g/a", err: "no_local is not allowed with a Shared Subscription"},
	} {
		got, err := ParseSubscription(tt.line)
		switch {
		case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)):
			t.Errorf("%q: got %v, want it to hold %q", tt.line, err, tt.err)
		case tt.err == "" && (err != nil || got != tt.want):
			t.Errorf("%q: got %+v, %v, want %+v", tt.line, got, err, tt.want)
		}
	}
}

// FuzzParseSubscription has what is accepted be a filter for some client.
func FuzzParseSubscription(f *testing.F) {
	for _, line := range []string{"qos=1 devices/%c/in", "no_local retain_handling=2 a b", "%", "qos=1", "$share//a", "%%"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		a, err := ParseSubscription(line)
		if err != nil {
			return
		}
		if err := a.Validate(); err != nil || unknownPlaceholder(a.TopicFilter) != "" {
			t.Errorf("%q: got %+v, which is not valid: %v", line, a, err)
		}
		if again, err := ParseSubscription(line + " "); err != nil || again != a {
			t.Errorf("%q with a blank behind it: got %+v, %v, want %+v", line, again, err, a)
		}
	})
}
