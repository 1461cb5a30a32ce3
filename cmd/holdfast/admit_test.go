package main

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/holdfast-mqtt/holdfast/cmd/holdfast/config"
)

func TestDoorman(t *testing.T) {
	if d, err := newDoorman(&config.Limits{}, nil); d != nil || err != nil || d.admit("l") != nil {
		t.Errorf("no limits: got %v, %v, want nobody", d, err)
	}
	if n, ok := (*doorman)(nil).counts().Refused["node_full"]; n != 0 || !ok {
		t.Errorf("refused without limits: got %d (there: %t), want 0", n, ok)
	}
	deny := filepath.Join(t.TempDir(), "deny")
	if err := os.WriteFile(deny, []byte("10.0.0.0/8\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := newDoorman(&config.Limits{MaxConnections: 3, MaxPerAddress: 2, DenyFile: deny}, nil)
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
		if _, err := newDoorman(&c, nil); err == nil {
			t.Errorf("%+v: got no error", c)
		}
	}
}

// The limits in a listener's URL hold for it alone.
func TestListenerLimits(t *testing.T) {
	var listeners []opened
	for _, raw := range []string{"unix:///s/a?max-connections=2", "unix:///s/b?connect-rate=3", "unix:///s/c"} {
		w, err := config.ParseListener(raw)
		if err != nil {
			t.Fatal(err)
		}
		listeners = append(listeners, opened{&fakeListener{w.Address}, w})
	}
	for name, node := range map[string]config.Limits{"alone": {}, "with the node's": {MaxConnections: 7}} {
		d, err := newDoorman(&node, listeners)
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []int{2, 3, 10} {
			if node.MaxConnections > 0 && want == 10 {
				want = 2 // what the others have left
			}
			got := 0
			admit := d.admit(listeners[i].url())
			for range 10 {
				if admit == nil {
					got++
				} else if _, ok := admit(netip.Addr{}); ok {
					got++
				}
			}
			if got != want {
				t.Errorf("%s: %s: got %d connections let in at once, want %d", name, listeners[i].url(), got, want)
			}
		}
		if got := d.counts().Refused; got["listener_full"] != 8 || got["listener_rate"] != 7 {
			t.Errorf("%s: got %v refused", name, got)
		}
	}
}

// fakeListener is a net.Listener that has a path and nothing else.
type fakeListener struct{ path string }

func (*fakeListener) Accept() (net.Conn, error) { return nil, net.ErrClosed }
func (*fakeListener) Close() error              { return nil }
func (l *fakeListener) Addr() net.Addr          { return &net.UnixAddr{Name: l.path, Net: "unix"} }
