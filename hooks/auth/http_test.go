package auth

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/hooks/callout"
)

// newHTTP returns an HTTP whose service is a function.
func newHTTP(t *testing.T, cfg HTTPConfig, service transport) *HTTP {
	t.Helper()
	cfg.URL = "https://user:geheim@auth.example/check?token=geheim"
	cfg.Client = &http.Client{Transport: service, CheckRedirect: callout.NoRedirects}
	if cfg.Grant == nil {
		cfg.Grant = testGrant
	}
	h, err := NewHTTP(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestHTTPAnswers(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		code       int
		want       broker.Decision
		id         broker.Identity
		err        error
	}{
		{"allow", `{"decision":"allow"}`, 200, broker.Allow, broker.Identity{}, nil},
		{"deny", `{"decision":"deny","app":"a/b"}`, 200, broker.Deny, broker.Identity{}, nil},
		{"ban", `{"decision":"ban"}`, 200, broker.Deny, broker.Identity{}, broker.ErrBanned},
		{"ignore", `{"decision":"ignore"}`, 200, broker.Ignore, broker.Identity{}, nil},
		{"identity", `{"decision":"allow","app":"meters","client_id":"c1","user":"bob","expires":32503680000,"more":[]}`, 200, broker.Allow,
			broker.Identity{App: "meters", ClientID: "c1", User: "bob", Expires: time.Unix(32503680000, 0)}, nil},
		{"token", `{"decision":"allow","token":"geheim"}`, 200, broker.Allow, broker.Identity{Token: "geheim"}, nil},
		{"token is too long", `{"decision":"allow","token":"` + strings.Repeat("x", 257) + `"}`, 200, broker.Deny, broker.Identity{}, ErrUnavailable},
		{"acl", `{"decision":"allow","acl":{"publish":["a"],"subscribe":[]}}`, 200, broker.Allow, broker.Identity{Permissions: granted{[]string{"a"}, []string{}}}, nil},
		{"half an acl", `{"decision":"allow","acl":{"publish":["a"]}}`, 200, broker.Allow, broker.Identity{Permissions: granted{[]string{"a"}, nil}}, nil},
		{"no acl", `{"decision":"allow","acl":null}`, 200, broker.Allow, broker.Identity{}, nil},
		{"another client id", `{"decision":"allow","client_id":"c2"}`, 200, broker.Deny, broker.Identity{}, ErrClientID},
		{"expired", `{"decision":"allow","expires":1}`, 200, broker.Deny, broker.Identity{}, nil},
		{"no decision", `{}`, 200, broker.Deny, broker.Identity{}, ErrUnavailable},
		{"decision", `{"decision":"Allow"}`, 200, broker.Deny, broker.Identity{}, ErrUnavailable},
		{"boolean", `{"decision":true}`, 200, broker.Deny, broker.Identity{}, ErrUnavailable},
		{"no JSON", `geheim`, 200, broker.Deny, broker.Identity{}, ErrUnavailable},
		{"two answers", `{"decision":"allow"}{"decision":"deny"}`, 200, broker.Deny, broker.Identity{}, ErrUnavailable},
		{"empty", ``, 200, broker.Deny, broker.Identity{}, ErrUnavailable},
		{"app", `{"decision":"allow","app":"a b"}`, 200, broker.Deny, broker.Identity{}, ErrUnavailable},
		{"user", `{"decision":"allow","user":"a\u0000"}`, 200, broker.Deny, broker.Identity{}, ErrUnavailable},
		{"expires", `{"decision":"allow","expires":1e99}`, 200, broker.Deny, broker.Identity{}, ErrUnavailable},
		{"expires is negative", `{"decision":"allow","expires":-1}`, 200, broker.Deny, broker.Identity{}, ErrUnavailable},
		{"acl of more", `{"decision":"allow","acl":{"deny":["geheim"]}}`, 200, broker.Deny, broker.Identity{}, ErrUnavailable},
		{"acl of a bad filter", `{"decision":"allow","acl":{"publish":["bad"]}}`, 200, broker.Deny, broker.Identity{}, ErrUnavailable},
		{"not found", `{"decision":"allow"}`, 404, broker.Deny, broker.Identity{}, ErrUnavailable},
		{"too many requests", `{"decision":"allow"}`, 429, broker.Deny, broker.Identity{}, ErrUnavailable},
		{"created", `{"decision":"allow"}`, 201, broker.Deny, broker.Identity{}, ErrUnavailable},
		{"moved", `{"decision":"allow"}`, 307, broker.Deny, broker.Identity{}, ErrUnavailable},
		{"too long", `{"decision":"allow"}` + strings.Repeat(" ", maxAnswer), 200, broker.Deny, broker.Identity{}, ErrUnavailable},
	} {
		h := newHTTP(t, HTTPConfig{}, func(*http.Request) (*http.Response, error) { return answer(tt.code, tt.body), nil })
		d, id, err := ask(t, h, withPassword("alice", "geheim"))
		if d != tt.want || !errors.Is(err, tt.err) || d == broker.Allow && !reflect.DeepEqual(*id, tt.id) {
			t.Errorf("%s: got %d, %+v, %v, want %d, %+v, %v", tt.name, d, id, err, tt.want, tt.id, tt.err)
		}
		if err != nil && (strings.Contains(err.Error(), "geheim") || strings.Contains(err.Error(), "auth.example")) {
			t.Errorf("%s: got %q, which holds a secret", tt.name, err)
		}
	}
}

// A service that says by 401 that a password is wrong does not keep its addresses from being counted, nor can they have it left alone. They
// are to try again: it may as well be the node whose Header is wrong, as after a token has been replaced, and devices that are told that
// their credentials are wrong give up for good.
func TestHTTPRefusalsCount(t *testing.T) {
	code := 401
	h := newHTTP(t, HTTPConfig{MaxFailures: 1}, func(*http.Request) (*http.Response, error) { return answer(code, `{"decision":"allow"}`), nil })
	c := NewChain(NewFailures(FailuresConfig{Burst: 2, Every: time.Hour}), Link{"http", h})
	for range 2 {
		if d, _, err := ask(t, c, withPassword("alice", "wrong")); d != broker.Deny || !errors.Is(err, callout.ErrRefused) || !errors.Is(err, ErrUnavailable) {
			t.Errorf("got %d, %v, want a denial that wraps %v and %v", d, err, callout.ErrRefused, ErrUnavailable)
		}
	}
	if _, _, err := ask(t, c, withPassword("alice", "wrong")); !errors.Is(err, ErrTooManyFailures) {
		t.Errorf("got %v, want %v", err, ErrTooManyFailures)
	}
	code = 200
	if d, _, err := ask(t, h, withPassword("bob", "right")); d != broker.Allow || err != nil {
		t.Errorf("another client: got %d, %v, want it let in", d, err)
	}
}

func TestHTTPQuestion(t *testing.T) {
	cert := certificate(t, x509.Certificate{Subject: pkix.Name{CommonName: "pump"}})
	bare := &broker.ConnectRequest{App: "default", Listener: "unix:///run/h.sock", Protocol: "mqtt", Version: 5}
	binary := withPassword("", "\xff\xfe")
	binary.Certificate = cert
	for _, tt := range []struct {
		r    *broker.ConnectRequest
		want string
	}{
		{withPassword("alice", "geheim"), `{"app":"default","client_id":"c1","user":"alice","password":"geheim","address":"203.0.113.7",` +
			`"listener":"mqtt://0.0.0.0:1883","protocol":"mqtt","version":4}`},
		{bare, `{"app":"default","listener":"unix:///run/h.sock","protocol":"mqtt","version":5}`},
		{binary, `"user":"","password_base64":"//4=",`},
		{binary, `"certificate":{"common_name":"pump","sha256":"`},
	} {
		var got string
		h := newHTTP(t, HTTPConfig{Header: header("authorization", "Bearer geheim")}, func(r *http.Request) (*http.Response, error) {
			body, err := io.ReadAll(r.Body)
			got = string(body)
			if r.Method != http.MethodPost || r.Header.Get("Authorization") != "Bearer geheim" || r.Header.Get("Content-Type") != "application/json" {
				t.Errorf("got %s with %v", r.Method, r.Header)
			}
			return answer(200, `{"decision":"deny"}`), err
		})
		if _, _, err := ask(t, h, tt.r); err != nil || !strings.Contains(got, tt.want) {
			t.Errorf("got %s, %v, want %s", got, err, tt.want)
		}
	}
}

func TestHTTPCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		h := newHTTP(t, HTTPConfig{AllowFor: time.Minute, DenyFor: time.Second, CacheSize: 3}, func(r *http.Request) (*http.Response, error) {
			asked++
			body, _ := io.ReadAll(r.Body)
			if strings.Contains(string(body), `"password":"right"`) {
				return answer(200, fmt.Sprintf(`{"decision":"allow","expires":%d}`, time.Now().Add(50*time.Second).Unix())), nil
			}
			return answer(200, `{"decision":"deny"}`), nil
		})
		check := func(r *broker.ConnectRequest, want broker.Decision, requests int) {
			t.Helper()
			if d, _, err := ask(t, h, r); d != want || asked != requests {
				t.Errorf("got %d, %v after %d requests, want %d after %d", d, err, asked, want, requests)
			}
		}
		check(withPassword("u", "right"), broker.Allow, 1)
		check(withPassword("u", "right"), broker.Allow, 1)
		otherPort := withPassword("u", "right")
		otherPort.Remote = netip.AddrPortFrom(otherPort.Remote.Addr(), 99)
		check(otherPort, broker.Allow, 1)
		check(withPassword("u", "wrong"), broker.Deny, 2)
		check(withPassword("u", "wrong"), broker.Deny, 2)
		<-time.After(time.Second)
		check(withPassword("u", "wrong"), broker.Deny, 3)
		check(withPassword("u", "right"), broker.Allow, 3)
		<-time.After(49 * time.Second)
		check(withPassword("u", "right"), broker.Deny, 3) // remembered, but over
		<-time.After(10 * time.Second)
		check(withPassword("u", "right"), broker.Allow, 4)
		for i := range 10 {
			check(withPassword("u", fmt.Sprint(i)), broker.Deny, 5+i)
		}
		if got, want := h.Stats(), (HTTPStats{Requests: 14, Hits: 5, Cached: 3}); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
}

// What is remembered does not hold the password, nor a hash that somebody without the key could try passwords against.
func TestHTTPCacheKeys(t *testing.T) {
	service := func(*http.Request) (*http.Response, error) { return answer(200, `{"decision":"allow"}`), nil }
	keyOf := func(h *HTTP) (key [32]byte) {
		for k := range h.cache.places {
			key = k
		}
		return key
	}
	one, two := newHTTP(t, HTTPConfig{}, service), newHTTP(t, HTTPConfig{}, service)
	for _, h := range []*HTTP{one, two} {
		if _, _, err := ask(t, h, withPassword("u", "p")); err != nil {
			t.Fatal(err)
		}
	}
	if keyOf(one) == keyOf(two) {
		t.Error("two processes have one key for the same client")
	}
}

func TestHTTPBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down, asked := true, 0
		h := newHTTP(t, HTTPConfig{MaxFailures: 3, Cooldown: time.Minute, DenyFor: -1}, func(*http.Request) (*http.Response, error) {
			asked++
			if down {
				return nil, errors.New("connection refused")
			}
			return answer(200, `{"decision":"deny"}`), nil
		})
		for range 10 {
			if d, _, err := ask(t, h, withPassword("u", "p")); d != broker.Deny || !errors.Is(err, ErrUnavailable) {
				t.Errorf("got %d, %v, want Deny and ErrUnavailable", d, err)
			}
		}
		if asked != 3 || !h.Stats().Open {
			t.Errorf("got %d requests, open %v, want 3, true", asked, h.Stats().Open)
		}
		<-time.After(time.Minute)
		_, _, _ = ask(t, h, withPassword("u", "p"))
		_, _, _ = ask(t, h, withPassword("u", "p"))
		if asked != 4 {
			t.Errorf("got %d requests, want one probe", asked)
		}
		down = false
		<-time.After(time.Minute)
		for range 3 {
			if d, _, err := ask(t, h, withPassword("u", "p")); d != broker.Deny || err != nil {
				t.Errorf("got %d, %v from a service that is back, want its Deny", d, err)
			}
		}
		if st := h.Stats(); asked != 7 || st.Open || st.Failures != 4 || st.Refused != 8 {
			t.Errorf("got %d requests, %+v, want 7, closed, 4 failures, 8 refused", asked, st)
		}
	})
}

// A service that hangs costs each client the timeout, and few requests at a time.
func TestHTTPHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		now, most := 0, 0
		h := newHTTP(t, HTTPConfig{MaxConcurrent: 2, Timeout: time.Second, MaxFailures: 100}, func(r *http.Request) (*http.Response, error) {
			mu.Lock()
			now++
			most = max(most, now)
			mu.Unlock()
			<-r.Context().Done()
			mu.Lock()
			now--
			mu.Unlock()
			return nil, r.Context().Err()
		})
		start := time.Now()
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				if d, _, err := ask(t, h, withPassword("u", "p")); d != broker.Deny || !errors.Is(err, ErrUnavailable) {
					t.Errorf("got %d, %v, want Deny and ErrUnavailable", d, err)
				}
			})
		}
		wg.Wait()
		if took := time.Since(start); took != time.Second || most != 2 {
			t.Errorf("got %v with %d requests at a time, want 1 s with 2", took, most)
		}
	})
}

// A client that goes away says nothing about the service.
func TestHTTPClientGoes(t *testing.T) {
	h := newHTTP(t, HTTPConfig{MaxFailures: 1}, func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 {
		if d, _, err := h.OnConnectAuthenticate(ctx, withPassword("u", "p")); d != broker.Deny || !errors.Is(err, context.Canceled) {
			t.Errorf("got %d, %v, want Deny, context.Canceled", d, err)
		}
	}
	if st := h.Stats(); st.Open || st.Failures != 0 {
		t.Errorf("got %+v, want no failures", st)
	}
}

// The same over a real connection, with the client of our own.
func TestHTTPServer(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/moved" {
			http.Redirect(w, r, "/", http.StatusTemporaryRedirect)
			return
		}
		fmt.Fprint(w, `{"decision":"allow","app":"meters"}`)
	}))
	defer srv.Close()
	for path, want := range map[string]broker.Decision{"/": broker.Allow, "/moved": broker.Deny} {
		h, err := NewHTTP(HTTPConfig{URL: srv.URL + path, Plain: true, Timeout: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		if d, _, err := ask(t, h, withPassword("u", "p")); d != want {
			t.Errorf("%s: got %d, %v, want %d", path, d, err, want)
		}
		h.Close()
	}
	if _, err := NewHTTP(HTTPConfig{URL: srv.URL}); err == nil {
		t.Error("got no error for http:// without Plain")
	}
	if _, err := NewHTTP(HTTPConfig{URL: srv.URL, Plain: true, CacheSize: -1}); err == nil {
		t.Error("got no error for a negative size")
	}
}

func FuzzHTTPAnswer(f *testing.F) {
	f.Add(`{"decision":"allow","app":"a","expires":1e10,"acl":{"publish":["a"]}}`)
	f.Add(`{"decision":"deny","Decision":"allow"}`)
	h := &HTTP{cfg: HTTPConfig{Grant: testGrant}}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := h.parseAnswer([]byte(text))
		if (v == nil) != (err != nil) {
			t.Fatalf("got %v with %v", v, err)
		}
		if v == nil {
			return
		}
		d, id, _ := v.about(withPassword("u", "p"), time.Now())
		if d == broker.Allow && (id == nil || !validName(id.User) || id.ClientID != "" && id.ClientID != "c1") {
			t.Errorf("got %+v", id)
		}
	})
}
