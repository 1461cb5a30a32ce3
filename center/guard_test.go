package center

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

var (
	loopbackAddr = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8088}
	publicAddr   = &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 8088}
)

// askFor returns the answer of a ready node's API that may be asked for by hosts.
func askFor(t *testing.T, hosts []string, at net.Addr, method, path string, header http.Header) *httptest.ResponseRecorder {
	t.Helper()
	s := New(Config{Metrics: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler), Hosts: hosts})
	s.SetStore(&fakeStore{})
	s.SetState(Ready)
	r := httptest.NewRequestWithContext(context.WithValue(t.Context(), http.LocalAddrContextKey, at), method, path, nil)
	r.Host = header.Get("Host")
	r.Header = header
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	return w
}

// A page whose host's name points at the node's address is of the same origin as the API for its browser.
func TestHosts(t *testing.T) {
	hosts := []string{"Node.Example", "node"}
	for _, tt := range []struct {
		hosts  []string
		at     net.Addr
		path   string
		host   string
		status int
	}{
		{hosts, publicAddr, "/v1/store/stats", "node.example:8088", 200},
		{hosts, publicAddr, "/v1/store/stats", "NODE", 200},
		{hosts, publicAddr, "/v1/store/stats", "node.example.", 200},
		{hosts, publicAddr, "/v1/store/stats", "192.0.2.1:8088", 200},
		{hosts, publicAddr, "/v1/store/stats", "[2001:db8::1]:8088", 200},
		{hosts, publicAddr, "/readyz", "", 200}, // HTTP/1.0
		{hosts, publicAddr, "/v1/store/stats", "evil.example:8088", 403},
		{hosts, publicAddr, "/v1/store/backup", "node.example.evil.example", 403},
		{hosts, publicAddr, "/v1/store/backup", "node.example@evil.example", 403},
		{hosts, publicAddr, "/metrics", "evil.example", 403},
		{hosts, publicAddr, "/readyz", "evil.example", 403},
		{hosts, publicAddr, "/nothing", "evil.example", 403},
		{hosts, loopbackAddr, "/v1/store/stats", "node.example", 200}, // through a proxy on the machine
		{hosts, loopbackAddr, "/v1/store/stats", "localhost:8088", 200},
		{hosts, loopbackAddr, "/v1/store/stats", "evil.example", 403},
		{hosts, loopbackAddr, "/metrics", "evil.example", 403},
		{nil, publicAddr, "/v1/store/stats", "any.example", 200},
		{nil, loopbackAddr, "/v1/store/stats", "any.example", 403},
		{nil, loopbackAddr, "/metrics", "any.example", 200},
	} {
		w := askFor(t, tt.hosts, tt.at, "GET", tt.path, http.Header{"Host": {tt.host}})
		if w.Code != tt.status || tt.status == 403 && !strings.Contains(w.Body.String(), `"code":40301`) {
			t.Errorf("%s for %q at %v with hosts %q: got %d %q, want %d", tt.path, tt.host, tt.at, tt.hosts, w.Code, w.Body, tt.status)
		}
	}
}

// What only reads costs, too: a page must not have the node make backups.
func TestPagesReadNothing(t *testing.T) {
	for _, tt := range []struct {
		name, method, path string
		header             http.Header
		status             int
	}{
		{"an image of a page", "GET", "/v1/store/backup", http.Header{"Sec-Fetch-Site": {"cross-site"}}, 403},
		{"another subdomain's", "GET", "/v1/store/backup", http.Header{"Sec-Fetch-Site": {"same-site"}}, 403},
		{"a count", "GET", "/v1/store/stats?usage=true", http.Header{"Sec-Fetch-Site": {"cross-site"}}, 403},
		{"HEAD", "HEAD", "/v1/store/backup", http.Header{"Sec-Fetch-Site": {"cross-site"}}, 403},
		{"a browser that says only where from", "GET", "/v1/store/backup", http.Header{"Origin": {"http://evil.example"}}, 403},
		{"a person", "GET", "/v1/store/stats", http.Header{"Sec-Fetch-Site": {"none"}}, 200},
		{"a program", "GET", "/v1/store/backup", http.Header{}, 200},
	} {
		tt.header.Set("Host", "127.0.0.1:8088")
		if w := askFor(t, nil, loopbackAddr, tt.method, tt.path, tt.header); w.Code != tt.status {
			t.Errorf("%s: got %d %q, want %d", tt.name, w.Code, w.Body, tt.status)
		}
	}
}
