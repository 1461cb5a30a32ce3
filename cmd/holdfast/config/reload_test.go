package config

import (
	"slices"
	"strings"
	"testing"
)

// Limits and Apps may change, all else waits for a restart and is named.
func TestReload(t *testing.T) {
	c := Default()
	c.Limits.DenyFile = "deny"
	next := Default()
	next.Apps = Apps{"a": {MaxConnections: new(5)}}
	next.Limits = Limits{ClientMessages: 7, MaxConnections: 9, DenyFile: "other"}
	next.Broker.MaxInflight, next.Auth.Anonymous = 1, true
	next.Broker.AutoSubscribe = nil // is none as well
	r, err := c.Reload(next)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"apps", "limits.client_messages", "limits.max_connections"}; !slices.Equal(r.Changed, want) {
		t.Errorf("changed: got %q, want %q", r.Changed, want)
	}
	if want := []string{"auth.anonymous", "broker.max_inflight", "limits.deny_file"}; !slices.Equal(r.Restart, want) {
		t.Errorf("for a restart: got %q, want %q", r.Restart, want)
	}
	if got := r.Config; got.Limits.ClientMessages != 7 || got.Limits.DenyFile != "deny" || got.Broker.MaxInflight != c.Broker.MaxInflight || len(got.Apps) != 1 {
		t.Errorf("got %+v, want limits and Apps of the one, the rest of the other", got)
	}
	if c.Limits.ClientMessages != 0 || len(c.Apps) != 0 {
		t.Error("got c changed")
	}
	if r, err := r.Config.Reload(r.Config); err != nil || r.Changed != nil || r.Restart != nil {
		t.Errorf("the same: got %+v, %v, want no difference", r, err)
	}
	next = Default() // what fits its own largest packet alone
	next.Broker.MaxPacketSize, next.Limits.AppMaxQueuedBytes = 2048, 4096
	if err := next.Validate(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Reload(next); err == nil || !strings.Contains(err.Error(), "limits.app_max_queued_bytes") {
		t.Errorf("a bound that does not fit what stays: got %v, want it named", err)
	}
}
