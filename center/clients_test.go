package center

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// fakeClients knows one client, of the App live.
type fakeClients struct{ kicked []string }

func (f *fakeClients) Kick(app, clientID string, endSession bool) error {
	switch {
	case app != "live" && app != broker.DefaultApp:
		return broker.ErrNoApp
	case clientID != "m:a/b":
		return broker.ErrNotConnected
	}
	f.kicked = append(f.kicked, fmt.Sprint(app, " ", clientID, " ", endSession))
	return nil
}

func TestKick(t *testing.T) {
	const path = "/v1/clients/kick"
	for _, tt := range []struct {
		method, query string
		state         State
		status        int
		body          string // a part of it
		kicked        string
	}{
		{"POST", "?app=live&client_id=m:a%2Fb", Ready, 200, `{"app":"live","client_id":"m:a/b","session_ended":false}`, "live m:a/b false"},
		{"POST", "?app=live&client_id=m:a%2Fb&end_session=true", Ready, 200, `"session_ended":true}`, "live m:a/b true"},
		{"POST", "?client_id=m:a%2Fb", Ready, 200, `{"app":"default",`, "default m:a/b false"},
		{"POST", "?app=live&client_id=x", Ready, 404, `{"code":40403,`, ""},
		{"POST", "?app=dead&client_id=x", Ready, 404, `{"code":40404,`, ""},
		{"POST", "", Ready, 400, `{"code":40001,"http":400,"error":"client_id is missing"`, ""},
		{"POST", "?app=live", Ready, 400, `{"code":40001,`, ""},
		{"POST", "?client_id=x&client_id=y", Ready, 400, `{"code":40001,`, ""},
		{"POST", "?client_id=x&end_session=maybe", Ready, 400, `{"code":40001,`, ""},
		{"POST", "?client_id=x&end_session=%zz", Ready, 400, `{"code":40001,`, ""},
		{"POST", "?client_id=x&ban=true", Ready, 400, `"error":"unknown parameter \"ban\""`, ""},
		{"GET", "?client_id=x", Ready, 405, `{"code":40501,`, ""},
		{"POST", "?client_id=x", Starting, 503, `{"code":50301,`, ""},
		{"POST", "?client_id=x", Draining, 503, `{"code":50302,`, ""},
	} {
		s, clients := newServer(), new(fakeClients)
		if tt.state != Starting {
			s.SetClients(clients)
		}
		s.SetState(tt.state)
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), tt.method, path+tt.query, nil))
		if got := strings.Join(clients.kicked, ";"); w.Code != tt.status || !strings.Contains(w.Body.String(), tt.body) || got != tt.kicked {
			t.Errorf("%s %s in state %d: got %d %q and kicked %q, want %d, %q and %q", tt.method, tt.query, tt.state, w.Code, w.Body, got, tt.status, tt.body, tt.kicked)
		}
	}
}

// A web page in a browser on the machine can't kick anybody.
func TestKickIsNotForWebPages(t *testing.T) {
	s, clients := newServer(), new(fakeClients)
	s.SetClients(clients)
	s.SetState(Ready)
	ctx := context.WithValue(t.Context(), http.LocalAddrContextKey, net.Addr(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8088}))
	r := httptest.NewRequestWithContext(ctx, "POST", "/v1/clients/kick?client_id=m:a%2Fb", nil)
	r.Host = "127.0.0.1:8088"
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	if w.Code != 403 || len(clients.kicked) > 0 {
		t.Errorf("got %d, and %q are kicked, want 403 and nobody", w.Code, clients.kicked)
	}
}
