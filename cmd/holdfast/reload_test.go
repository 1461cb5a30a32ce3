package main

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/cmd/holdfast/config"
	"github.com/prometheus/client_golang/prometheus"
)

// SIGHUP has the file read again, as often as it comes. A file with faults changes nothing, and what needs a restart is named, by name
// alone.
func TestHangup(t *testing.T) {
	file := filepath.Join(t.TempDir(), "holdfast.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte("listen: [\"mqtt://127.0.0.1:0\"]\napi: off\n"+text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("limits: {client_messages: 1}\n")
	s := startServe(t, "--config", file, "--log-format", "text")
	for _, step := range []struct{ file, want string }{
		{"limits: {client_messages: 2}\n", "msg=configuration_reloaded settings=[limits.client_messages]"},
		{"limits: {client_messages: 2}\n", "msg=configuration_reloaded settings=[]"},
		{"limits: {client_messages: -1}\n", `msg=configuration_not_reloaded error="limits.client_messages: -1 is not within`},
		{"limits: {client_messagess: 1}\n", "client_messagess"},
		{"limits: {client_messages: 3, max_per_address: 1}\n", `msg=configuration_not_reloaded error="connections are not counted`},
		{"limits: {client_messages: 4}\nauth: {http_url: \"https://u:s3cr3t@h/\"}\nlog_level: debug\n", "msg=settings_need_restart settings=\"[auth.http_url log_level]\""},
	} {
		write(step.file)
		if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		s.errs.waitFor(t, step.want)
	}
	close(s.room.hold)
	s.cancel()
	if code := s.wait(); code != exitOK {
		t.Errorf("got exit code %d, want 0", code)
	}
	if got := s.errs.String(); strings.Contains(got, "s3cr3t") {
		t.Errorf("got the log %s, which holds a secret", got)
	}
	if len(s.room.limits) != 2 || s.room.limits[0].ClientMessages != 2 || s.room.limits[1].ClientMessages != 4 {
		t.Errorf("the room was told %+v, want 2 messages a second, then 4", s.room.limits)
	}
}

// A room keeps to limits of connections, rates and bounds of Apps that have been reloaded, also for clients that are connected.
func TestRoomReload(t *testing.T) {
	c := config.Default()
	c.Limits.MaxConnections, c.Limits.ClientMessages = 2, 1000
	r, addresses := startRoomIn(t, c, prometheus.NewPedanticRegistry(), "mqtt://127.0.0.1:0")
	set := func(l config.Limits, apps config.Apps) {
		t.Helper()
		next := *c
		next.Limits, next.Apps = l, apps
		if err := r.Reload(&next); err != nil {
			t.Fatal(err)
		}
	}
	connect := func(id string) (code byte) {
		t.Helper()
		nc, err := net.Dial("tcp", addresses[0])
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if code != 0 { // not kept: it counts until it is closed, and connect is called again and again
				nc.Close()
			}
		}()
		t.Cleanup(func() { nc.Close() })
		if err := nc.SetDeadline(time.Now().Add(limit)); err != nil {
			t.Fatal(err)
		}
		_, _ = nc.Write([]byte(strings.Replace(connect3, "\x01a", "\x01"+id, 1)))
		var b [4]byte
		if _, err := io.ReadFull(nc, b[:]); err != nil {
			return 0xff // closed before a byte was read
		}
		return b[3]
	}
	if got := connect("a"); got != 0 {
		t.Errorf("got return code %d, want 0", got)
	}
	paced := r.rates.Pace("default", "c")
	if got := paced.Publish(0, 1); got != 0 {
		t.Errorf("got a pause of %v, want none", got)
	}
	set(config.Limits{MaxConnections: 2, ClientMessages: 1}, config.Apps{"default": {MaxConnections: new(1)}})
	paced.Publish(0, 1)
	if got := paced.Publish(0, 1); got < time.Second/2 {
		t.Errorf("got a pause of %v, want one of a slower rate", got)
	}
	for id, want := range map[string]byte{"b": 3, "c": 3} { // the App is full, the node is not: the one refused is closed
		got := connect(id)
		for end := time.Now().Add(limit); got == 0xff && time.Now().Before(end); {
			got = connect(id)
		}
		if got != want {
			t.Errorf("client %s: got return code %d, want %d", id, got, want)
		}
	}
	set(config.Limits{MaxConnections: 1}, nil)
	if got := connect("d"); got != 0xff {
		t.Errorf("got return code %d from a node that is full, want none", got)
	}
	set(config.Limits{MaxConnections: 100}, nil)
	if got := connect("d"); got != 0 {
		t.Errorf("got return code %d, want 0", got)
	}
	// A limit by address was not there at the start: nothing is changed.
	next := *c
	next.Limits = config.Limits{MaxConnections: 1, MaxPerAddress: 1, ClientMessages: 5000}
	if err := r.Reload(&next); err == nil {
		t.Error("a limit by address that is new: got no error")
	}
	if p := r.rates.Pace("default", "d"); p != nil {
		t.Error("got a rate of a configuration that was refused")
	}
	unlimited, _ := startRoomIn(t, config.Default(), prometheus.NewPedanticRegistry(), "mqtt://127.0.0.1:0")
	next.Limits = config.Limits{MaxConnections: 1}
	if err := unlimited.Reload(&next); err == nil {
		t.Error("a limit of connections where there was none: got no error")
	}
	next.Limits = config.Limits{ClientMessages: 1}
	if err := unlimited.Reload(&next); err != nil || unlimited.rates.Pace("default", "c") == nil {
		t.Errorf("a rate where there was none: got %v, want it in force", err)
	}
}

// Every setting that is reloaded is one that Reload puts into force: a new one has to be looked at here.
func TestReloadableSettings(t *testing.T) {
	next := config.Default()
	for _, s := range []*int{
		&next.Limits.MaxConnections, &next.Limits.MaxPerAddress, &next.Limits.ConnectRate, &next.Limits.AddressRate, &next.Limits.ClientMessages,
		&next.Limits.AppMaxConnections, &next.Limits.AppMaxSubscriptions, &next.Limits.AppMaxQueuedMessages, &next.Limits.AppMessages,
	} {
		*s = 1
	}
	next.Limits.ClientBytes, next.Limits.AppMaxQueuedBytes, next.Limits.AppBytes = 1, 10<<20, 1
	next.Apps = config.Apps{"a": {}}
	what, err := config.Default().Reload(next)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"apps", "limits.address_rate", "limits.app_bytes", "limits.app_max_connections", "limits.app_max_queued_bytes",
		"limits.app_max_queued_messages", "limits.app_max_subscriptions", "limits.app_messages", "limits.client_bytes", "limits.client_messages",
		"limits.connect_rate", "limits.max_connections", "limits.max_per_address"}
	if !slices.Equal(what.Changed, want) || what.Restart != nil {
		t.Errorf("got %q, and %q for a restart, want %q", what.Changed, what.Restart, want)
	}
}
