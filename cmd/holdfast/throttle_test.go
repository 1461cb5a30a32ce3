package main

import (
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/cmd/holdfast/config"
	"github.com/holdfast-mqtt/holdfast/hooks/limits"
)

func TestRatesConfig(t *testing.T) {
	for _, tt := range []struct {
		limits config.Limits
		want   time.Duration // the pause of the second client, after a message of the first of 20 bytes and one of its own of 40
	}{
		{config.Limits{}, 0},
		{config.Limits{MaxConnections: 5}, 0},
		{config.Limits{ClientMessages: 1}, 0},
		{config.Limits{ClientBytes: 20}, time.Second},
		{config.Limits{AppMessages: 1}, time.Second},
		{config.Limits{AppBytes: 20}, 2 * time.Second},
	} {
		c := config.Default()
		c.Limits = tt.limits
		c.Apps = config.Apps{"free": {Messages: new(0), Bytes: new(config.Size(0)), ClientMessages: new(0), ClientBytes: new(config.Size(0))}}
		th, err := limits.NewThrottle(ratesConfig(c))
		if err != nil {
			t.Fatal(err)
		}
		if p := th.Pace("free", "1"); p != nil {
			t.Errorf("%+v: an App without limits: got some", tt.limits)
		}
		first := th.Pace("a", "1")
		if first == nil {
			if tt.want != 0 || tt.limits.ClientMessages != 0 {
				t.Errorf("%+v: got no limit", tt.limits)
			}
			continue
		}
		first.Publish(0, 20)
		if got := th.Pace("a", "2").Publish(0, 40); got != tt.want {
			t.Errorf("%+v: got a pause of %v, want %v", tt.limits, got, tt.want)
		}
	}
}
