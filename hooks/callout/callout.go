// Package callout asks web services of products: who a client is, whether it may be in a room.
//
// A [Service] posts JSON and reads JSON, so many requests at a time and for so long each. One that fails again and again is left alone for a
// while, so that nobody waits for what does not answer. Errors hold nothing of URLs, questions and answers, which may be secret.
package callout

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"
)

var (
	// ErrUnavailable means that a service has not answered, or not as was agreed on, or was not asked because of that.
	ErrUnavailable = errors.New("the service is not available")

	// ErrURL means that a text is no URL to ask.
	ErrURL = errors.New("want an absolute https:// URL")

	// ErrRefused means that a service works, and takes the question for wrong. What wraps it wraps ErrUnavailable too.
	ErrRefused = errors.New("it does not take the question")

	errTooLong = errors.New("the answer is too long")
)

// Config says which service is asked, and how often.
type Config struct {
	// URL that requests are posted to, which begins with https://.
	URL string
	// Plain allows http:// too.
	Plain bool
	// Header returns what is sent with each request, such as Authorization. It is a secret. nil is nothing.
	Header func() http.Header
	// Client asks; nil is one with connections for MaxConcurrent requests, which follows no redirects.
	Client *http.Client
	// Timeout of a request, from when it waits for its turn. 0 is 2 s.
	Timeout time.Duration
	// MaxConcurrent is how many requests are made at a time. 0 is 32.
	MaxConcurrent int
	// MaxAnswer is the greatest length of an answer in bytes. 0 is 64 KiB.
	MaxAnswer int64
	// MaxFailures is after how many failures in a row the service is left alone for Cooldown. 0 is 5, and 5 s.
	MaxFailures int
	Cooldown    time.Duration
}

// Service is a web service that is asked. It is for any number of goroutines.
type Service struct {
	cfg     Config
	slots   chan struct{} // holds one for each request under way
	breaker breaker
	own     *http.Transport // nil if the client is the caller's

	requests, failures, refused atomic.Uint64
}

// New returns a Service. Close it in the end. The error is about the URL, and does not repeat it.
func New(cfg Config) (*Service, error) {
	if err := CheckURL(cfg.URL, cfg.Plain); err != nil {
		return nil, err
	}
	cfg.Timeout = cmp.Or(cfg.Timeout, 2*time.Second)
	cfg.MaxConcurrent = cmp.Or(cfg.MaxConcurrent, 32)
	cfg.MaxAnswer = cmp.Or(cfg.MaxAnswer, 64<<10)
	cfg.MaxFailures = cmp.Or(cfg.MaxFailures, 5)
	cfg.Cooldown = cmp.Or(cfg.Cooldown, 5*time.Second)
	if cfg.MaxConcurrent < 0 || cfg.MaxAnswer < 0 || cfg.MaxFailures < 0 {
		return nil, errors.New("requests at a time, the length of answers and failures must not be negative")
	}
	s := &Service{cfg: cfg, slots: make(chan struct{}, cfg.MaxConcurrent), breaker: breaker{limit: cfg.MaxFailures, cooldown: cfg.Cooldown}}
	if cfg.Client == nil {
		s.own = &http.Transport{MaxConnsPerHost: cfg.MaxConcurrent, MaxIdleConnsPerHost: cfg.MaxConcurrent,
			IdleConnTimeout: 90 * time.Second, TLSHandshakeTimeout: cfg.Timeout, ForceAttemptHTTP2: true, MaxResponseHeaderBytes: 64 << 10}
		s.cfg.Client = &http.Client{Transport: s.own, CheckRedirect: NoRedirects}
	}
	return s, nil
}

// Close closes connections that nobody uses. Requests that are under way end with their contexts.
func (s *Service) Close() {
	if s.own != nil {
		s.own.CloseIdleConnections()
	}
}

// Ask posts question, when it is its turn, and calls read with the answer if that is 200. It blocks for Timeout at most. Errors wrap
// ErrUnavailable, and ErrRefused perhaps, or the context's; one of read is the service's failure, and must not repeat the answer. So is any other
// answer, but those by which the service says that something is wrong with the question do not have it left alone.
func (s *Service) Ask(parent context.Context, question []byte, read func(answer []byte) error) error {
	ctx, cancel := context.WithTimeout(parent, s.cfg.Timeout)
	defer cancel()
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		s.refused.Add(1)
		return fmt.Errorf("%w: too many requests at a time: %w", ErrUnavailable, context.Cause(ctx))
	}
	t, ok := s.breaker.begin(time.Now())
	if !ok {
		s.refused.Add(1)
		return fmt.Errorf("%w: it has failed and is left alone for a while", ErrUnavailable)
	}
	settled := false
	defer func() {
		if !settled { // a panic, or the client has gone
			s.breaker.abandon(t)
		}
	}()
	s.requests.Add(1)
	err := s.post(ctx, question, read)
	if err != nil && parent.Err() != nil {
		return context.Cause(parent)
	}
	settled = true
	s.breaker.end(t, time.Now(), err == nil || errors.Is(err, ErrRefused))
	if err != nil {
		s.failures.Add(1)
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return nil
}

func (s *Service) post(ctx context.Context, question []byte, read func([]byte) error) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.cfg.URL, bytes.NewReader(question))
	if err != nil {
		return ErrURL
	}
	if s.cfg.Header != nil {
		for name, values := range s.cfg.Header() {
			req.Header[http.CanonicalHeaderKey(name)] = values
		}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	resp, err := s.cfg.Client.Do(req)
	if err != nil {
		return fmt.Errorf("ask the service: %w", WithoutURL(err))
	}
	defer resp.Body.Close()
	switch code := resp.StatusCode; {
	case blamesQuestion(code):
		return fmt.Errorf("the service answers %d: %w", code, ErrRefused)
	case code != http.StatusOK:
		return fmt.Errorf("the service answers %d", code)
	}
	data, err := ReadAtMost(resp.Body, s.cfg.MaxAnswer)
	if err != nil {
		return fmt.Errorf("read the service's answer: %w", err)
	}
	return read(data)
}

// blamesQuestion tells whether a status says that the service works, and that something is wrong with what it was asked. Part of
// that is the client's to choose: it must not be able to have the service left alone, and thus to keep out all others.
func blamesQuestion(code int) bool {
	switch code {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests: // are about the service's state
		return false
	}
	return code >= 400 && code < 500
}

// Stats counts what a Service has done.
type Stats struct {
	Requests uint64 // that were made
	Failures uint64 // those of them that failed
	Refused  uint64 // not asked, as too many were or the service had failed
	Open     bool   // the service is being left alone
}

// Stats returns the counts since the start.
func (s *Service) Stats() Stats {
	return Stats{Requests: s.requests.Load(), Failures: s.failures.Load(), Refused: s.refused.Load(), Open: s.breaker.isOpen()}
}

// CheckURL tells whether text is one to ask; plain allows http:// too. The error does not repeat it, for it may hold a password.
func CheckURL(text string, plain bool) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || !plain) {
		return ErrURL
	}
	return nil
}

// NoRedirects is for http.Client.CheckRedirect: what is secret goes nowhere else.
func NoRedirects(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// ReadAtMost reads to the end, which must come after so many bytes at the latest.
func ReadAtMost(body io.Reader, most int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(body, most+1))
	if err == nil && int64(len(data)) > most {
		err = errTooLong
	}
	return data, err
}

// WithoutURL takes the URL out of a client's error, for it may hold a password.
func WithoutURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}
