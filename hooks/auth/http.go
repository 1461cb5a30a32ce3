package auth

import (
	"bytes"
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
)

// HTTPConfig says which service is asked, and how often.
type HTTPConfig struct {
	// URL that requests are posted to, which begins with https://.
	URL string
	// Plain allows http:// too, over which passwords go in clear.
	Plain bool
	// Header is sent with each request, such as Authorization. It is a secret.
	Header http.Header
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
//	{"decision": "allow",  // or "deny", or "ignore" if it does not know the client
//	 "app": "meters", "client_id": "pump-1", "user": "alice",      // if they differ from what was asked
//	 "acl": {"publish": ["devices/%c/#"], "subscribe": []},        // nothing but these; a list left out is left to the node's rules
//	 "expires": 1767225600}                                        // when the connection ends, seconds of Unix time
//
// Any other answer is a failure, and denies. Answers are remembered under a keyed hash of all that was asked; passwords are not.
type HTTP struct {
	cfg     HTTPConfig
	key     [32]byte // of the hashes
	cache   *cache[[32]byte, *verdict]
	slots   chan struct{} // holds one for each request under way
	breaker breaker
	own     *http.Transport // nil if the client is the caller's

	requests, failures, hits, refused atomic.Uint64
}

var _ broker.Authenticator = (*HTTP)(nil)

// NewHTTP returns an HTTP. Close it in the end. The error is about the URL, and does not repeat it.
func NewHTTP(cfg HTTPConfig) (*HTTP, error) {
	if err := checkURL(cfg.URL, cfg.Plain); err != nil {
		return nil, err
	}
	cfg.Timeout = cmp.Or(cfg.Timeout, 2*time.Second)
	cfg.MaxConcurrent = cmp.Or(cfg.MaxConcurrent, 32)
	cfg.AllowFor = cmp.Or(cfg.AllowFor, time.Minute)
	cfg.DenyFor = cmp.Or(cfg.DenyFor, 5*time.Second)
	cfg.CacheSize = cmp.Or(cfg.CacheSize, 10_000)
	cfg.MaxFailures = cmp.Or(cfg.MaxFailures, 5)
	cfg.Cooldown = cmp.Or(cfg.Cooldown, 5*time.Second)
	if cfg.MaxConcurrent < 0 || cfg.CacheSize < 0 || cfg.MaxFailures < 0 {
		return nil, errors.New("requests at a time, remembered answers and failures must not be negative")
	}
	h := &HTTP{cfg: cfg, cache: newCache[[32]byte, *verdict](cfg.CacheSize), slots: make(chan struct{}, cfg.MaxConcurrent),
		breaker: breaker{limit: cfg.MaxFailures, cooldown: cfg.Cooldown}}
	rand.Read(h.key[:])
	if cfg.Client == nil {
		h.own = &http.Transport{MaxConnsPerHost: cfg.MaxConcurrent, MaxIdleConnsPerHost: cfg.MaxConcurrent,
			IdleConnTimeout: 90 * time.Second, TLSHandshakeTimeout: cfg.Timeout, ForceAttemptHTTP2: true, MaxResponseHeaderBytes: 64 << 10}
		h.cfg.Client = &http.Client{Transport: h.own, CheckRedirect: noRedirects}
	}
	return h, nil
}

// Close closes connections that nobody uses. Requests that are under way end with their contexts.
func (h *HTTP) Close() {
	if h.own != nil {
		h.own.CloseIdleConnections()
	}
}

// OnConnectAuthenticate returns what the service says, or has said not long ago. It blocks for Timeout at most. Errors wrap
// ErrUnavailable, ErrClientID or the context's.
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
func (h *HTTP) ask(parent context.Context, body []byte) (*verdict, error) {
	ctx, cancel := context.WithTimeout(parent, h.cfg.Timeout)
	defer cancel()
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	case <-ctx.Done():
		h.refused.Add(1)
		return nil, fmt.Errorf("%w: too many requests at a time: %w", ErrUnavailable, context.Cause(ctx))
	}
	t, ok := h.breaker.begin(time.Now())
	if !ok {
		h.refused.Add(1)
		return nil, fmt.Errorf("%w: the service has failed and is left alone for a while", ErrUnavailable)
	}
	settled := false
	defer func() {
		if !settled { // a panic, or the client has gone
			h.breaker.abandon(t)
		}
	}()
	h.requests.Add(1)
	v, err := h.post(ctx, body)
	if err != nil && parent.Err() != nil {
		return nil, context.Cause(parent)
	}
	settled = true
	h.breaker.end(t, time.Now(), err == nil)
	if err != nil {
		h.failures.Add(1)
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return v, nil
}

// post asks the service. Its errors hold nothing of the question or the answer.
func (h *HTTP) post(ctx context.Context, body []byte) (*verdict, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.cfg.URL, bytes.NewReader(body))
	if err != nil {
		return nil, errURL
	}
	for name, values := range h.cfg.Header {
		req.Header[http.CanonicalHeaderKey(name)] = values
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	resp, err := h.cfg.Client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask the service: %w", withoutURL(err))
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the service answers %d", resp.StatusCode)
	}
	data, err := readAtMost(resp.Body, maxAnswer)
	if err != nil {
		return nil, fmt.Errorf("read the service's answer: %w", err)
	}
	return h.parseAnswer(data)
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
	return HTTPStats{Requests: h.requests.Load(), Failures: h.failures.Load(), Hits: h.hits.Load(), Refused: h.refused.Load(),
		Cached: h.cache.len(), Open: h.breaker.isOpen()}
}
