package bridge

import (
	"strings"
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker/topic"
)

// The topic of a client is one that may be published to, whatever its Client Identifier is.
func TestPresence(t *testing.T) {
	for id, want := range map[string]string{
		"m:alice":                 "presence/m:alice",
		"x:alice:mobile:d":        "presence/x:alice:mobile:d",
		"m:%E5%BC%A0":             "presence/m:%E5%BC%A0",
		"张三":                      "presence/张三",
		"a/b":                     "presence/a%2Fb",
		"+":                       "presence/%2B",
		"x#y":                     "presence/x%23y",
		"nul\x00":                 "presence/nul%00",
		"tab\t\x7f\u0085":         "presence/tab%09%7F%C2%85",
		"bad\xff\xe5\xbc":         "presence/bad%FF%E5%BC",
		"the sign for it, \ufffd": "presence/the sign for it, \ufffd",
		"":                        "presence/",
	} {
		w := Presence(id, time.Minute)
		if w == nil || w.Message.TopicName != want || w.Delay != time.Minute || w.Message.QoS != 1 || !w.LostOnly || string(w.Message.Payload) != "offline" {
			t.Errorf("%q: got %+v, want one to %q", id, w, want)
			continue
		}
		if got := topic.Levels(w.Message.TopicName); got != 2 {
			t.Errorf("%q: got %d levels, want 2", id, got)
		}
	}
	if w := Presence(strings.Repeat("/", topic.MaxLen/2), 0); w != nil {
		t.Errorf("got a topic of %d bytes, want none", len(w.Message.TopicName))
	}
	if got := Presence("a", 0).Delay; got != time.Second {
		t.Errorf("got a delay of %v, want a second", got)
	}
}
