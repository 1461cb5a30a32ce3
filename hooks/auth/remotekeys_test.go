package auth

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/hooks/callout"
)

// transport is an http.RoundTripper made of a function, so that tests need no network and no real time.
type transport func(r *http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answer(code int, body string) *http.Response {
	return &http.Response{StatusCode: code, Header: make(http.Header), Body: io.NopCloser(strings.NewReader(body))}
}

// keyServer answers with a key set, or an error, and counts.
type keyServer struct {
	mu    sync.Mutex
	body  string
	err   error
	asked int
}

func (s *keyServer) set(body string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.body, s.err = body, err
}

func (s *keyServer) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

func (s *keyServer) RoundTrip(*http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	if s.err != nil {
		return nil, s.err
	}
	return answer(200, s.body), nil
}

// bubble runs a test with RemoteKeys of a keyServer, within a synctest bubble.
func bubble(t *testing.T, test func(t *testing.T, srv *keyServer, r *RemoteKeys)) {
	synctest.Test(t, func(t *testing.T) {
		srv := new(keyServer)
		r, err := NewRemoteKeys(RemoteKeysConfig{URL: "https://user:geheim@keys.example/jwks", Client: &http.Client{Transport: srv},
			Refresh: 10 * time.Minute, MinInterval: time.Minute, MaxStale: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		test(t, srv, r)
	})
}

func startKeys(t *testing.T, r *RemoteKeys) {
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { r.Run(ctx, slog.New(slog.DiscardHandler)) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	synctest.Wait()
}

func TestRemoteKeys(t *testing.T) {
	s := testSigners()
	one := jwks(jwkOf(t, s.public("ES256"), "kid", "one"))
	two := jwks(jwkOf(t, s.public("ES384"), "kid", "two"))
	bubble(t, func(t *testing.T, srv *keyServer, r *RemoteKeys) {
		srv.set(one, nil)
		startKeys(t, r)
		j := newJWT(t, JWTConfig{Keys: r})
		check := func(alg, kid string, want broker.Decision, asked int) {
			t.Helper()
			d, _, err := ask(t, j, withPassword("u", sign(t, alg, good(), s.signer(alg), "kid", kid)))
			if got := srv.count(); d != want || got != asked {
				t.Errorf("%s by %s: got %d, %v after %d requests, want %d after %d", alg, kid, d, err, got, want, asked)
			}
		}
		check("ES256", "one", broker.Allow, 1)
		// A key that is not there is looked for, but not all the time.
		srv.set(two, nil)
		for range 10 {
			check("ES384", "two", broker.Deny, 1)
		}
		<-time.After(time.Minute)
		check("ES384", "two", broker.Allow, 2)
		check("ES256", "one", broker.Deny, 2)
		// Keys are fetched again in time, without anybody's waiting.
		srv.set(one, nil)
		<-time.After(10 * time.Minute)
		synctest.Wait()
		check("ES256", "one", broker.Allow, 3)
	})
}

func TestRemoteKeysWhileTheServerIsDown(t *testing.T) {
	s := testSigners()
	down := errors.New("connection refused")
	bubble(t, func(t *testing.T, srv *keyServer, r *RemoteKeys) {
		j := newJWT(t, JWTConfig{Keys: r})
		token := sign(t, "ES256", jwtFor(24*time.Hour), s.signer("ES256"), "kid", "one")
		check := func(when string, want broker.Decision) {
			t.Helper()
			d, _, err := ask(t, j, withPassword("u", token))
			if d != want || want == broker.Deny && (!errors.Is(err, ErrUnavailable) || strings.Contains(err.Error(), "geheim")) {
				t.Errorf("%s: got %d, %v, want %d", when, d, err, want)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if d, _, err := j.OnConnectAuthenticate(ctx, withPassword("u", token)); d != broker.Deny || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("before Run: got %d, %v, want Deny when the context ends", d, err)
		}
		srv.set("", down)
		startKeys(t, r)
		check("down from the start", broker.Deny)
		srv.set(jwks(jwkOf(t, s.public("ES256"))), nil)
		<-time.After(time.Minute)
		synctest.Wait()
		check("up", broker.Allow)
		srv.set("", down)
		<-time.After(59 * time.Minute)
		check("down for almost an hour", broker.Allow)
		<-time.After(2 * time.Minute)
		check("down for an hour", broker.Deny)
	})
}

func jwtFor(d time.Duration) map[string]any { return good("exp", time.Now().Add(d).Unix()) }

// Clients that come while keys are fetched wait for the one attempt.
func TestRemoteKeysFetchOnceForAll(t *testing.T) {
	s := testSigners()
	bubble(t, func(t *testing.T, srv *keyServer, r *RemoteKeys) {
		srv.set(jwks(jwkOf(t, s.public("ES256"), "kid", "one")), nil)
		j := newJWT(t, JWTConfig{Keys: r})
		token := sign(t, "ES256", good(), s.signer("ES256"), "kid", "one")
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if d, _, err := ask(t, j, withPassword("u", token)); d != broker.Allow {
					t.Errorf("got %d, %v, want Allow", d, err)
				}
			})
		}
		synctest.Wait()
		startKeys(t, r)
		wg.Wait()
		if got := srv.count(); got != 1 {
			t.Errorf("got %d requests, want 1", got)
		}
	})
}

func TestRemoteKeysAnswers(t *testing.T) {
	good := jwks(jwkOf(t, testSigners().public("EdDSA")))
	for _, tt := range []struct {
		name string
		code int
		body string
		want string
	}{
		{"good", 200, good, ""},
		{"not found", 404, good, "the answer is 404"},
		{"moved", 302, good, "the answer is 302"},
		{"too long", 200, good + strings.Repeat(" ", maxKeysDoc), "too long"},
		{"no key set", 200, "<html>geheim", "not the JSON"},
		{"a secret", 200, jwks(jwkOf(t, []byte(strings.Repeat("geheim", 10)))), "a secret, where others can read it"},
	} {
		r, err := NewRemoteKeys(RemoteKeysConfig{URL: "https://user:geheim@keys.example/?token=geheim", Client: &http.Client{CheckRedirect: callout.NoRedirects,
			Transport: transport(func(*http.Request) (*http.Response, error) { return answer(tt.code, tt.body), nil })}})
		if err != nil {
			t.Fatal(err)
		}
		err = r.attempt(t.Context())
		if (err == nil) != (tt.want == "") || err != nil && (!strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "geheim")) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestRemoteKeysURL(t *testing.T) {
	for _, tt := range []struct {
		url       string
		plain, ok bool
	}{
		{"https://keys.example/jwks", false, true}, {"http://keys.example/jwks", false, false}, {"http://keys.example/jwks", true, true},
		{"ftp://geheim", true, false}, {"https://", false, false}, {"geheim", false, false}, {"https://geheim\x7f", false, false}, {"", false, false},
	} {
		_, err := NewRemoteKeys(RemoteKeysConfig{URL: tt.url, Plain: tt.plain})
		if (err == nil) != tt.ok || err != nil && strings.Contains(err.Error(), "geheim") {
			t.Errorf("%q: got %v, want accepted %v", tt.url, err, tt.ok)
		}
	}
}
