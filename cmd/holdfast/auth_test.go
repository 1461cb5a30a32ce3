package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/cmd/holdfast/config"
	"github.com/prometheus/client_golang/prometheus"
)

// A message that the rules forbid is refused, or its client disconnected, as the configuration says.
func TestForbiddenPublish(t *testing.T) {
	rules := filepath.Join(t.TempDir(), "acl.yaml")
	if err := os.WriteFile(rules, []byte("rules:\n- {permit: allow, topics: [open]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		setting, version string
		code             int
		says             string
	}{
		{config.Refuse, "311", exitOK, ""},
		{config.Refuse, "5", exitFailure, "0x87"},
		{config.Disconnect, "311", exitFailure, ""},
		{config.Disconnect, "5", exitFailure, "0x87"},
	} {
		t.Run(tt.setting+tt.version, func(t *testing.T) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			c := config.Default()
			c.Data, c.Auth.ACLFile, c.Auth.ForbiddenPublish = config.InMemory, rules, tt.setting
			r, err := startRoom(c, []opened{{Listener: ln}}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
			if err != nil {
				t.Fatal(err)
			}
			_, port, _ := net.SplitHostPort(ln.Addr().String())
			mustPub(t, port, "-V", tt.version, "-t", "open", "-m", "x", "-q", "1")
			code, _, stderr := run(t, "", "pub", "-h", "127.0.0.1", "-p", port, "-V", tt.version, "-t", "shut", "-m", "x", "-q", "1")
			if code != tt.code || !strings.Contains(stderr, tt.says) {
				t.Errorf("got %d, %q, want %d, %q", code, stderr, tt.code, tt.says)
			}
			if err := r.Shutdown(context.Background()); err != nil {
				t.Errorf("Shutdown: %v", err)
			}
		})
	}
}

// A web service is told by which listener a client has come, also if the listener has neither TLS nor an App of its own.
func TestServiceIsToldTheListener(t *testing.T) {
	asked := make(chan string, 1)
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var q struct{ Listener string }
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
			t.Error(err)
		}
		asked <- q.Listener
		_, _ = w.Write([]byte(`{"decision":"allow"}`))
	}))
	defer service.Close()
	t.Setenv("HOLDFAST_AUTH_HTTP_URL", service.URL)
	t.Setenv("HOLDFAST_AUTH_HTTP_PLAIN", "true")
	d := startDurable(t, config.InMemory)
	mustPub(t, d.port, "-t", "t", "-m", "x")
	if got, want := <-asked, "mqtt://127.0.0.1:"+d.port; got != want {
		t.Errorf("got listener %q, want %q", got, want)
	}
}

// Devices behind a gateway that is exempt are not locked out by one of them that presents what nobody knows.
func TestFailuresOfGateways(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte(strings.Repeat("s", 32)), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOLDFAST_AUTH_JWT_SECRET_FILE", secret)
	t.Setenv("HOLDFAST_AUTH_ANONYMOUS", "true")
	t.Setenv("HOLDFAST_AUTH_FAILURES_EXEMPT", "192.0.2.1,127.0.0.0/8")
	d := startDurable(t, config.InMemory)
	for range 30 { // after 20 of them others are refused
		if code, _, _ := run(t, "", "pub", "-h", "127.0.0.1", "-p", d.port, "-u", "alice", "-P", "wrong", "-t", "t", "-m", "x"); code == exitOK {
			t.Error("a wrong password was taken")
		}
	}
	mustPub(t, d.port, "-t", "t", "-m", "x")
}

// A service has all the time that it may take, so that one which does not answer is found to have failed; the client waits no longer
// than it may.
func TestLoginTimeout(t *testing.T) {
	const connect = 10 * time.Second // of mqtt.Config
	for _, d := range []time.Duration{10 * time.Millisecond, 2 * time.Second, 5 * time.Second, config.MaxHTTPTimeout} {
		if got := loginTimeout(&config.Auth{HTTPTimeout: d}); got < d+time.Second || got < 5*time.Second || got >= connect {
			t.Errorf("a service that may take %v: got %v, want more, and less than %v", d, got, connect)
		}
	}
}

// Blanks around the names of a list are no part of them.
func TestSysUsers(t *testing.T) {
	if got := sysUsers(&config.Auth{SysUsers: "alice, bob"}); !slices.Equal(got, []string{"alice", "bob"}) {
		t.Errorf("got %q, want alice and bob", got)
	}
}
