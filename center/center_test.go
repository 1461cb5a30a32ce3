package center

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newServer() *Server {
	r := prometheus.NewRegistry()
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: "holdfast_test_total", Help: "For the test."})
	r.MustRegister(c)
	c.Inc()
	return New(Config{Metrics: r, Log: slog.New(slog.DiscardHandler)})
}

func TestAnswers(t *testing.T) {
	for _, tt := range []struct {
		method, path string
		state        State
		status       int
		body         string // a part of it
		allow        string
	}{
		{"GET", "/healthz", Starting, 200, `{"status":"ok"}`, ""},
		{"HEAD", "/healthz", Starting, 200, ``, ""},
		{"GET", "/healthz", Draining, 200, `{"status":"ok"}`, ""},
		{"GET", "/readyz", Starting, 503, `{"code":50301,"http":503,"error":"starting: listeners are not up yet",`, ""},
		{"GET", "/readyz", Ready, 200, `{"status":"ready"}`, ""},
		{"GET", "/readyz?x=1", Ready, 200, `{"status":"ready"}`, ""},
		{"GET", "/readyz", Draining, 503, `{"code":50302,"http":503,"error":"draining: the process is about to end",`, ""},
		{"GET", "/metrics", Starting, 200, "holdfast_test_total 1\n", ""},
		{"POST", "/healthz", Ready, 405, `{"code":40501,"http":405,`, "GET, HEAD"},
		{"DELETE", "/metrics", Ready, 405, `{"code":40501,"http":405,`, "GET, HEAD"},
		{"GET", "/", Ready, 404, `{"code":40401,"http":404,"error":"no such path",`, ""},
		{"POST", "/healthz/", Ready, 404, `{"code":40401,`, ""},
		{"GET", "/debug/pprof/", Ready, 404, `{"code":40401,`, ""},
	} {
		s := newServer()
		s.SetState(tt.state)
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), tt.method, tt.path, nil))
		if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.body) {
			t.Errorf("%s %s in state %d: got %d %q, want %d and %q", tt.method, tt.path, tt.state, w.Code, w.Body, tt.status, tt.body)
		}
		if got := w.Header().Get("Allow"); got != tt.allow {
			t.Errorf("%s %s: got Allow %q, want %q", tt.method, tt.path, got, tt.allow)
		}
		if tt.status >= 400 && !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s %s: got %q, want JSON", tt.method, tt.path, w.Body)
		}
	}
}

func TestCatalogue(t *testing.T) {
	page, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[int]bool)
	for _, e := range catalogue {
		if seen[e.Code] {
			t.Errorf("code %d: got it twice", e.Code)
		}
		seen[e.Code] = true
		if e.Code/100 != e.Status {
			t.Errorf("code %d: got HTTP status %d, want its first three digits", e.Code, e.Status)
		}
		if !strings.Contains(string(page), "| "+strconv.Itoa(e.Code)+" |") {
			t.Errorf("code %d: got no row in docs/operations.md", e.Code)
		}
	}
}

func TestServeAndShutdown(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := newServer()
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	req, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+ln.Addr().String()+"/healthz", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if resp.StatusCode != 200 || string(body) != "{\"status\":\"ok\"}\n" {
		t.Errorf("got %d %q, want 200 and ok", resp.StatusCode, body)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if err := <-served; err != nil {
		t.Errorf("Serve after Shutdown: got %v, want nil", err)
	}
}

// A caller that never ends its request cannot hold up the end beyond the context.
func TestShutdownIsBounded(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := newServer()
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "GET /healthz HTTP/1.1\r\n"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_ = s.Shutdown(ctx)
	if err := <-served; err != nil {
		t.Errorf("Serve after Shutdown: got %v, want nil", err)
	}
}

func TestConnectionLimit(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln := newLimitListener(inner, 1)
	for range 2 {
		c, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	first, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	second := make(chan error, 1)
	go func() {
		c, err := ln.Accept()
		if err == nil {
			err = c.Close()
		}
		second <- err
	}()
	select {
	case err := <-second:
		t.Errorf("got a second connection (%v), want it to wait for the first one's end", err)
	default:
	}
	_ = first.Close()
	_ = first.Close() // gives its slot back once
	if err := <-second; err != nil {
		t.Errorf("second connection: %v", err)
	}
	ln.slots <- struct{}{} // full again
	go func() { _, err := ln.Accept(); second <- err }()
	_ = ln.Close()
	if err := <-second; err == nil {
		t.Error("Accept after Close: got no error")
	}
}
