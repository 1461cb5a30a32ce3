package auth

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/hooks/callout"
)

// HTTPConfig says which service is asked, and how often.
type HTTPConfig struct {
	// URL that requests are posted to, which begins with https://.
	URL string
	// Plain allows http:// too, over which passwords go in clear.
	Plain bool
	// Header returns what is sent with each request, such as Authorization. It is a secret. nil is nothing.
	Header func() http.Header
	// Client asks; nil is one with connections for MaxConcurrent requests, which follows no redirects.
	Client *http.Client
	// Timeout of a request, from when it waits for its turn. 0 is 2 s.
	Timeout time.Duration
	// MaxConcurrent is how many requests are made at a time. 0 is 32.
	MaxConcurrent int
	// AllowFor and DenyFor are how long answers are remembered, the latter also for "ignore". A client that the service no
	// longer allows can connect for so long. 0 is 1 minute and 5 s, less than 0 is not at all.
	AllowFor, DenyFor time.Duration
	// CacheSize is how many answers are remembered, at some 500 bytes each and more for long permissions. 0 is 10,000.
	CacheSize int
	// MaxFailures is after how many failures in a row the service is left alone for Cooldown. 0 is 5, and 5 s.
	MaxFailures int
	Cooldown    time.Duration
	// Grant makes permissions of "acl" in answers. If it is nil, such an answer is a failure.
	Grant GrantFunc
}

// HTTP asks a web service about clients. It posts a JSON object:
//
//	{"app": "default", "client_id": "pump-1", "user": "alice", "password": "…", "address": "203.0.113.7",
//	 "listener": "mqtts://0.0.0.0:8883", "protocol": "mqtt", "version": 5,
//	 "certificate": {"common_name": "…", "sha256": "hexadecimal"}}
//
// What the client has not sent is left out; "password_base64" takes the place of a password that is no
// UTF-8. The service answers 200 with another:
//
//	{"decision": "allow",  // or "deny", "ban", or "ignore" if it does not know the client
//	 "app": "meters", "client_id": "pump-1", "user": "alice",      // if they differ from what was asked
//	 "acl": {"publish": ["devices/%c/#"], "subscribe": []},        // nothing but these; a list left out is left to the node's rules
//	 "expires": 1767225600,                                        // when the connection ends, seconds of Unix time
//	 "token": "…"}                                                 // what XIMP's secret_ram is made with, at most 256 bytes
//
// Any other answer is a failure, and denies. A status that begins with 4, but for 408, 425 and 429, is about what was asked: it counts as a failed
// attempt of the client, and not against the service. It may be the service's fault all the same, or that of our Header, so the client is to try
// again. Answers are remembered under a keyed hash of all that was asked; passwords are not, tokens are.
type HTTP struct {
	cfg     HTTPConfig
	key     [32]byte // of the hashes
	cache   *cache[[32]byte, *verdict]
	service *callout.Service

	hits atomic.Uint64
}

var _ broker.Authenticator = (*HTTP)(nil)

// NewHTTP returns an HTTP. Close it in the end. The error is about the URL, and does not repeat it.
func NewHTTP(cfg HTTPConfig) (*HTTP, error) {
	cfg.AllowFor = cmp.Or(cfg.AllowFor, time.Minute)
	cfg.DenyFor = cmp.Or(cfg.DenyFor, 5*time.Second)
	cfg.CacheSize = cmp.Or(cfg.CacheSize, 10_000)
	if cfg.CacheSize < 0 {
		return nil, errors.New("the number of remembered answers must not be negative")
	}
	service, err := callout.New(callout.Config{
		URL: cfg.URL, Plain: cfg.Plain, Header: cfg.Header, Client: cfg.Client, Timeout: cfg.Timeout, MaxConcurrent: cfg.MaxConcurrent,
		MaxAnswer: maxAnswer, MaxFailures: cfg.MaxFailures, Cooldown: cfg.Cooldown,
	})
	if err != nil {
		return nil, err
	}
	h := &HTTP{cfg: cfg, cache: newCache[[32]byte, *verdict](cfg.CacheSize), service: service}
	rand.Read(h.key[:])
	return h, nil
}

// Close closes connections that nobody uses. Requests that are under way end with their contexts.
func (h *HTTP) Close() { h.service.Close() }

// OnConnectAuthenticate returns what the service says, or has said not long ago. It blocks for Timeout at most. Errors wrap
// ErrUnavailable, callout.ErrRefused with it perhaps, broker.ErrBanned, ErrClientID or the context's.
func (h *HTTP) OnConnectAuthenticate(ctx context.Context, r *broker.ConnectRequest) (broker.Decision, *broker.Identity, error) {
	body, err := question(r)
	if err != nil {
		return broker.Deny, nil, err
	}
	mac := hmac.New(sha256.New, h.key[:])
	mac.Write(body)
	key := [32]byte(mac.Sum(nil))
	v, ok := h.cache.get(key, time.Now())
	if ok {
		h.hits.Add(1)
	} else {
		if v, err = h.ask(ctx, body); err != nil {
			return broker.Deny, nil, err
		}
		h.remember(key, v)
	}
	return v.about(r, time.Now())
}

// remember puts an answer into the cache.
func (h *HTTP) remember(key [32]byte, v *verdict) {
	d := h.cfg.DenyFor
	if v.decision == broker.Allow {
		d = h.cfg.AllowFor
	}
	if d > 0 && h.cfg.CacheSize > 0 {
		h.cache.put(key, v, time.Now().Add(d))
	}
}

// ask makes a request when it is its turn.
func (h *HTTP) ask(ctx context.Context, body []byte) (v *verdict, err error) {
	err = h.service.Ask(ctx, body, func(answer []byte) (err error) {
		v, err = h.parseAnswer(answer)
		return err
	})
	if errors.Is(err, callout.ErrUnavailable) {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return v, err
}

// HTTPStats counts what an HTTP has done.
type HTTPStats struct {
	Requests uint64 // that were made
	Failures uint64 // those of them that failed
	Hits     uint64 // answers from memory
	Refused  uint64 // not asked, as too many were or the service had failed
	Cached   int    // answers that are remembered
	Open     bool   // the service is being left alone
}

// Stats returns the counts since the start.
func (h *HTTP) Stats() HTTPStats {
	st := h.service.Stats()
	return HTTPStats{Requests: st.Requests, Failures: st.Failures, Hits: h.hits.Load(), Refused: st.Refused,
		Cached: h.cache.len(), Open: st.Open}
}
