package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/cmd/holdfast/config"
)

// What a web service is sent as Authorization may change while the node runs, as other files may.
func TestHeaderFileChanges(t *testing.T) {
	var got string
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Get("Authorization")
		_, _ = io.WriteString(w, `{"decision":"deny"}`)
	}))
	defer service.Close()
	path := filepath.Join(t.TempDir(), "header")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("Bearer old\n")
	f, err := openHeader(path)
	if err != nil {
		t.Fatal(err)
	}
	g := new(guard)
	defer g.shut()
	if err := g.serviceWith(&config.Auth{HTTPURL: service.URL, HTTPPlain: true}, f); err != nil {
		t.Fatal(err)
	}
	if len(g.beside) != 1 {
		t.Errorf("got %d things that run, want the file being looked at", len(g.beside))
	}
	ask := func(id, want string) {
		t.Helper()
		if _, _, err := g.links[0].Hook.OnConnectAuthenticate(t.Context(), &broker.ConnectRequest{ClientID: id}); err != nil || got != want {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
	ask("a", "Bearer old")
	for _, bad := range []string{"", "two\nlines", strings.Repeat("x", maxHeader+1)} {
		write(bad)
		if _, err := f.Reload(); err == nil {
			t.Errorf("%.20q: got no error", bad)
		}
	}
	ask("b", "Bearer old")
	write("  Bearer new")
	if _, err := f.Reload(); err != nil {
		t.Error(err)
	}
	ask("c", "Bearer new")
}
