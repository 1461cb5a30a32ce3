package main

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/holdfast-mqtt/holdfast/cmd/holdfast/config"
)

func TestDoorman(t *testing.T) {
	if d, err := newDoorman(&config.Limits{}); d != nil || err != nil || d.admit("l") != nil {
		t.Errorf("no limits: got %v, %v, want nobody", d, err)
	}
	if n, ok := (*doorman)(nil).counts().Refused["node_full"]; n != 0 || !ok {
		t.Errorf("refused without limits: got %d (there: %t), want 0", n, ok)
	}
	deny := filepath.Join(t.TempDir(), "deny")
	if err := os.WriteFile(deny, []byte("10.0.0.0/8\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := newDoorman(&config.Limits{MaxConnections: 3, MaxPerAddress: 2, DenyFile: deny})
	if err != nil {
		t.Fatal(err)
	}
	admit := d.admit("l")
	var releases []func()
	for i, c := range []struct {
		addr string
		want bool
	}{
		{"10.1.1.1", false}, {"192.0.2.1", true}, {"192.0.2.1", true}, {"192.0.2.1", false}, {"192.0.2.2", true}, {"192.0.2.3", false},
	} {
		release, ok := admit(netip.MustParseAddr(c.addr))
		if ok != c.want {
			t.Errorf("connection %d, from %s: got %t, want %t", i, c.addr, ok, c.want)
		}
		if ok {
			releases = append(releases, release)
		}
	}
	got := d.counts().Refused
	for reason, want := range map[string]uint64{"address_list": 1, "address_full": 1, "node_full": 1, "node_rate": 0} {
		if n, ok := got[reason]; !ok || n != want {
			t.Errorf("refused for %s: got %d (there: %t), want %d", reason, n, ok, want)
		}
	}
	releases[0]()
	if _, ok := admit(netip.MustParseAddr("192.0.2.1")); !ok {
		t.Error("when another has gone: got refused, want it let in")
	}
	for _, c := range []config.Limits{{DenyFile: deny + ".none"}, {AllowFile: filepath.Dir(deny)}} {
		if _, err := newDoorman(&c); err == nil {
			t.Errorf("%+v: got no error", c)
		}
	}
}
