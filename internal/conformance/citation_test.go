package conformance

import (
	"slices"
	"strings"
	"testing"
)

// bare writes labels out, which alone in these examples would lack their version.
var bare = strings.NewReplacer("[M-", "[MQTT-")

func TestCitations(t *testing.T) {
	for _, tt := range []struct {
		text    string
		want    []string
		without string // the text without its citations
	}{
		{"nothing", nil, "nothing"},
		{"QoS 3 v5 [M-3.3.1-4] v3.1.1 [M-3.3.1-4]", []string{"v5 MQTT-3.3.1-4", "v3.1.1 MQTT-3.3.1-4"}, "QoS 3"},
		{"one, v5 [M-3.4.2-1] [M-3.5.2-1],\n[M-3.6.2-1] and [M-3.7.2-1]",
			[]string{"v5 MQTT-3.4.2-1", "v5 MQTT-3.5.2-1", "v5 MQTT-3.6.2-1", "v5 MQTT-3.7.2-1"}, "one"},
		{"v5 [M-3.3.4-2] to [M-3.3.4-4].", []string{"v5 MQTT-3.3.4-2", "v5 MQTT-3.3.4-3", "v5 MQTT-3.3.4-4"}, "."},
		{"v5 [M-3.3.4-2] to [M-3.4.2-4]", []string{"v5 MQTT-3.3.4-2", "v5 MQTT-3.4.2-4"}, ""},
		{"misprints v3.1.1 [M-3-8.3-4], [M-3.1.2.7]", []string{"v3.1.1 MQTT-3-8.3-4", "v3.1.1 MQTT-3.1.2.7"}, "misprints"},
		{"no version [M-3.3.1-4], v5 3.3.1", nil, "no version [M-3.3.1-4], v5 3.3.1"},
	} {
		tt.text, tt.without = bare.Replace(tt.text), bare.Replace(tt.without)
		var got []string
		for _, c := range citations(tt.text) {
			got = append(got, string(c.Version)+" "+c.Label)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("citations(%q): got %q, want %q", tt.text, got, tt.want)
		}
		if got := uncited(tt.text); got != tt.without {
			t.Errorf("uncited(%q): got %q, want %q", tt.text, got, tt.without)
		}
	}
}
