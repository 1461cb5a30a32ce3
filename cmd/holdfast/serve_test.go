package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/holdfast-mqtt/holdfast/center"
	"github.com/holdfast-mqtt/holdfast/cmd/holdfast/config"
	"github.com/prometheus/client_golang/prometheus"
)

// fakeRoom owns listeners and can be held in its Shutdown.
type fakeRoom struct {
	listeners []opened
	hold      chan struct{}   // Shutdown ends when it is closed
	limits    []config.Limits // that Reload has been told
}

func (r *fakeRoom) Shutdown(ctx context.Context) error {
	closeAll(r.listeners)
	select {
	case <-r.hold:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *fakeRoom) Store() center.Store { return nil }
func (r *fakeRoom) Load() center.Load   { return nil }

func (r *fakeRoom) Reload(c *config.Config) error {
	if c.Limits.MaxPerAddress > 0 {
		return errUncounted
	}
	r.limits = append(r.limits, c.Limits)
	return nil
}

func (r *fakeRoom) Clients() center.Clients { return nil }

// served is a serve under way, over a fakeRoom.
type served struct {
	room   *fakeRoom
	errs   *buffer
	cancel context.CancelFunc
	wait   func() int
}

func startServe(t *testing.T, args ...string) *served {
	t.Helper()
	s := &served{room: &fakeRoom{hold: make(chan struct{})}, errs: new(buffer)}
	start := func(_ *config.Config, lns []opened, _ *slog.Logger, reg prometheus.Registerer) (room, error) {
		s.room.listeners = lns
		return s.room, reg.Register(prometheus.NewCounter(prometheus.CounterOpts{Name: "holdfast_test_total"}))
	}
	ctx, cancel := context.WithCancel(t.Context())
	s.cancel = cancel
	code := -1
	var wg sync.WaitGroup
	wg.Go(func() { code = serve(ctx, args, Stdio{Out: io.Discard, Err: s.errs}, start) })
	s.wait = func() int { wg.Wait(); return code }
	s.errs.waitFor(t, "msg=ready")
	return s
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestServeLifecycle(t *testing.T) {
	sock := filepath.Join(t.TempDir(), "s")
	s := startServe(t, "--listen", "mqtt://127.0.0.1:0", "--listen", "unix://"+sock, "--api", "127.0.0.1:0")
	api := regexp.MustCompile(`url=(http://\S+)`).FindStringSubmatch(s.errs.String())[1]
	for _, url := range regexp.MustCompile(`url=(mqtt|unix)://(\S+)`).FindAllStringSubmatch(s.errs.String(), -1) {
		network := map[string]string{"mqtt": "tcp", "unix": "unix"}[url[1]]
		c, err := net.Dial(network, url[2])
		if err != nil {
			t.Errorf("%s: %v", url[0], err)
			continue
		}
		_ = c.Close()
	}
	for path, want := range map[string]string{"/healthz": "ok", "/readyz": "ready", "/metrics": "holdfast_test_total 0"} {
		if code, body := get(t, api+path); code != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: got %d %.200q, want 200 and %q", path, code, body, want)
		}
	}
	s.cancel()
	s.errs.waitFor(t, "msg=draining")
	if code, body := get(t, api+"/healthz"); code != 200 {
		t.Errorf("/healthz while draining: got %d %q, want 200", code, body)
	}
	close(s.room.hold)
	if code := s.wait(); code != exitOK {
		t.Errorf("got exit code %d, want 0; log: %s", code, s.errs)
	}
	if !strings.Contains(s.errs.String(), "msg=stopped") {
		t.Errorf("got log %s, want stopped", s.errs)
	}
	if _, err := os.Stat(sock); err == nil {
		t.Error("got a socket file after the end, want none")
	}
}

func TestServeHostsOfTheAPI(t *testing.T) {
	t.Setenv("HOLDFAST_API_HOSTS", "node.example")
	s := startServe(t, "--listen", "mqtt://127.0.0.1:0", "--api", "127.0.0.1:0")
	api := regexp.MustCompile(`url=(http://\S+)`).FindStringSubmatch(s.errs.String())[1]
	for host, want := range map[string]int{"node.example": 200, "127.0.0.1:1": 200, "evil.example": 403} {
		req, err := http.NewRequestWithContext(t.Context(), "GET", api+"/readyz", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("Host %s: got %d, want %d", host, resp.StatusCode, want)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	close(s.room.hold)
	s.cancel()
	if code := s.wait(); code != exitOK {
		t.Errorf("got exit code %d, want 0", code)
	}
}

func TestServeWithoutAPI(t *testing.T) {
	s := startServe(t, "--listen", "mqtt://127.0.0.1:0", "--api", "off", "--log-level", "info")
	if strings.Contains(s.errs.String(), "http://") {
		t.Errorf("got log %s, want no API", s.errs)
	}
	close(s.room.hold)
	s.cancel()
	if code := s.wait(); code != exitOK {
		t.Errorf("got exit code %d, want 0", code)
	}
}

func TestServeRefuses(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	live := filepath.Join(t.TempDir(), "live")
	ln, err := net.Listen("unix", live)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	for _, tt := range []struct {
		args string
		code int
		want string
	}{
		{"--bogus", exitUsage, "unknown flag"},
		{"--data=", exitUsage, "holdfast: serve: data: name a directory"},
		{"--storage-sync daily", exitUsage, "holdfast: serve: storage.sync: \"daily\" is not one of"},
		{"--listen mqtt://0.0.0.0:0", exitUsage, "can be reached from other machines"},
		{"--listen mqtt://" + taken.Addr().String() + " --api off", exitFailure, "another program has it"},
		{"--listen mqtt://127.0.0.1:0 --api " + taken.Addr().String(), exitFailure, "operators' API (--api): listen tcp"},
		{"--listen unix://" + file + " --api off", exitFailure, "not a socket"},
		{"--listen unix://" + live + " --api off", exitFailure, "another program listens there"},
		{"--listen mqtt://127.0.0.1:0 --api 127.0.0.1:0", exitFailure, "no room"},
	} {
		var errs buffer
		start := func(*config.Config, []opened, *slog.Logger, prometheus.Registerer) (room, error) {
			return nil, errors.New("no room")
		}
		code := serve(t.Context(), strings.Fields(tt.args), Stdio{Out: io.Discard, Err: &errs}, start)
		if code != tt.code || !strings.Contains(errs.String(), tt.want) {
			t.Errorf("serve %s: got %d, %q, want %d, %q", tt.args, code, errs.String(), tt.code, tt.want)
		}
	}
}

func TestStaleSocketIsReplaced(t *testing.T) {
	sock := filepath.Join(t.TempDir(), "s")
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: sock, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	ln.SetUnlinkOnClose(false)
	_ = ln.Close()
	again, err := listen(t.Context(), "unix", sock)
	if err != nil {
		t.Fatalf("got %v, want the file of a process that is gone replaced", err)
	}
	_ = again.Close()
}

func TestNotifiesSystemd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	s := startServe(t, "--listen", "mqtt://127.0.0.1:0", "--api", "off")
	close(s.room.hold)
	s.cancel()
	s.wait()
	for _, want := range []string{"READY=1", "STOPPING=1"} {
		b := make([]byte, 64)
		n, err := c.Read(b)
		if err != nil || string(b[:n]) != want {
			t.Errorf("got %q, %v, want %q", b[:n], err, want)
		}
	}
}

func TestServeLogsJSON(t *testing.T) {
	var b buffer
	newLogger(&b, "warn", "json").Warn("shown", "key", 1)
	newLogger(&b, "warn", "json").Info("not shown")
	if got := b.String(); !strings.HasPrefix(got, "{") || !strings.Contains(got, `"msg":"shown","key":1}`) || strings.Contains(got, "not shown") {
		t.Errorf("got %q, want one JSON object", got)
	}
}
