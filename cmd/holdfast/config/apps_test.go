package config

import (
	"reflect"
	"strings"
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// What an App has of its own counts instead of what all have, also 0.
func TestLimitsOf(t *testing.T) {
	c := Default()
	c.Broker.MaxRetained = 1
	c.Limits = Limits{
		AppMaxConnections: 2, AppMaxSubscriptions: 3, AppMaxQueuedMessages: 4, AppMaxQueuedBytes: 5, AppMessages: 6, AppBytes: 7,
		ClientMessages: 8, ClientBytes: 9,
	}
	c.Apps = Apps{
		"all": {
			new(12), new(13), new(11), new(14), new(Size(15)), new(16), new(Size(17)), new(18), new(Size(19)),
		},
		"some": {MaxConnections: new(0), ClientBytes: new(Size(0))},
	}
	for app, want := range map[string]AppLimits{
		"all":     {12, 13, 11, 14, 15, 16, 17, 18, 19},
		"some":    {0, 3, 1, 4, 5, 6, 7, 8, 0},
		"default": {2, 3, 1, 4, 5, 6, 7, 8, 9},
	} {
		if got := c.LimitsOf(app); got != want {
			t.Errorf("%s: got %+v, want %+v", app, got, want)
		}
	}
}

func TestAppsInEnvironment(t *testing.T) {
	c := Default()
	if err := applyEnv(c, []string{"HOLDFAST_APPS={meters: {max_connections: 5, bytes: 1KiB}, x: {}}"}); err != nil {
		t.Fatal(err)
	}
	if want := (Apps{"meters": {MaxConnections: new(5), Bytes: new(Size(1024))}, "x": {}}); !reflect.DeepEqual(c.Apps, want) {
		t.Errorf("got %+v, want %+v", c.Apps, want)
	}
	for _, bad := range []string{"x", "{x: 5}", "{x: {max_conections: 5}}", "{x: {messages: many}}"} {
		if err := applyEnv(Default(), []string{"HOLDFAST_APPS=" + bad}); err == nil {
			t.Errorf("%s: got no error", bad)
		}
	}
}

// What the Sessions of an App may keep has room for the largest message with what it counts for besides.
func TestQueuedBytesTakeTheLargestMessage(t *testing.T) {
	const packet = 4 << 10
	largest := broker.Message{TopicName: "t", Payload: make([]byte, packet-1)}
	for _, tt := range []struct {
		quota Size
		ok    bool
	}{
		{0, true}, // no limit
		{1, false},
		{packet, false},
		{Size(largest.Size()) - 1, false},
		{Size(largest.Size()), true},
	} {
		for name, c := range map[string]*Config{
			"limits.app_max_queued_bytes": {Limits: Limits{AppMaxQueuedBytes: tt.quota}},
			"apps.a.max_queued_bytes":     {Apps: Apps{"a": {MaxQueuedBytes: &tt.quota}}},
		} {
			all := Default()
			all.Broker.MaxPacketSize, all.Limits, all.Apps = packet, c.Limits, c.Apps
			err := all.Validate()
			if tt.ok && err != nil || !tt.ok && (err == nil || !strings.HasPrefix(err.Error(), name+": ") || !strings.Contains(err.Error(), "write 4160 or more, or 0 for no limit")) {
				t.Errorf("%s: %d: got %v, want it taken: %t", name, tt.quota, err, tt.ok)
			}
		}
	}
}
