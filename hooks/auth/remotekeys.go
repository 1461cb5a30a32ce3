package auth

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/holdfast-mqtt/holdfast/hooks/callout"
)

// RemoteKeysConfig says where a key set is to be fetched from, and how often.
type RemoteKeysConfig struct {
	// URL of the key set, which begins with https://.
	URL string
	// Plain allows http:// too. Whoever is between can then make tokens.
	Plain bool
	// Client fetches; nil is one that follows no redirects.
	Client *http.Client
	// Refresh is how long a key set is used before it is fetched anew. 0 is 10 minutes.
	Refresh time.Duration
	// MinInterval is the least time between two attempts, which tokens of unknown keys can cause. 0 is 30 s.
	MinInterval time.Duration
	// MaxStale is how long the last key set is used while none can be fetched. 0 is 24 hours.
	MaxStale time.Duration
	// Timeout of an attempt. 0 is 10 s.
	Timeout time.Duration
}

// RemoteKeys has the keys of a JSON Web Key Set that it fetches again and again. Tokens are verified with what it has; a
// token signed with a key that it does not have makes it look for that, and wait.
type RemoteKeys struct {
	cfg  RemoteKeysConfig
	wake chan struct{} // holds one if an attempt is wanted

	mu        sync.Mutex
	set       *KeySet       // nil before the first
	fetched   time.Time     // when
	attempted time.Time     // when the last attempt ended
	done      chan struct{} // closed when the next attempt has ended
}

var _ KeySource = (*RemoteKeys)(nil)

// NewRemoteKeys returns a RemoteKeys without keys: Run fetches them.
func NewRemoteKeys(cfg RemoteKeysConfig) (*RemoteKeys, error) {
	if err := callout.CheckURL(cfg.URL, cfg.Plain); err != nil {
		return nil, err
	}
	cfg.Refresh = cmp.Or(cfg.Refresh, 10*time.Minute)
	cfg.MinInterval = cmp.Or(cfg.MinInterval, 30*time.Second)
	cfg.MaxStale = cmp.Or(cfg.MaxStale, 24*time.Hour)
	cfg.Timeout = cmp.Or(cfg.Timeout, 10*time.Second)
	if cfg.Client == nil {
		cfg.Client = &http.Client{CheckRedirect: callout.NoRedirects}
	}
	return &RemoteKeys{cfg: cfg, wake: make(chan struct{}, 1), done: make(chan struct{})}, nil
}

// Run fetches the keys until ctx ends: now, every Refresh, and when they are wanted. It logs why it can't.
func (r *RemoteKeys) Run(ctx context.Context, log *slog.Logger) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-r.wake:
			if !r.mayAttempt() {
				continue
			}
		}
		next := r.cfg.Refresh
		if err := r.attempt(ctx); err != nil && ctx.Err() == nil {
			log.Error("cannot fetch the keys of tokens, the old ones stay for some time", "error", err)
			next = min(next, r.cfg.MinInterval)
		}
		timer.Reset(next)
	}
}

// attempt fetches the keys once, and tells those who wait.
func (r *RemoteKeys) attempt(ctx context.Context) error {
	set, err := r.fetch(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.attempted = time.Now()
	if err == nil {
		r.set, r.fetched = set, r.attempted
	}
	close(r.done)
	r.done = make(chan struct{})
	return err
}

func (r *RemoteKeys) fetch(ctx context.Context) (*KeySet, error) {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.cfg.URL, nil)
	if err != nil {
		return nil, callout.ErrURL
	}
	req.Header.Set("Accept", "application/jwk-set+json, application/json")
	resp, err := r.cfg.Client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("fetch keys: %w", callout.WithoutURL(err))
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("fetch keys: the answer is %d", resp.StatusCode)
	}
	data, err := callout.ReadAtMost(resp.Body, maxKeysDoc)
	if err != nil {
		return nil, fmt.Errorf("fetch keys: %w", err)
	}
	return parseJWKS(data, false)
}

// mayAttempt tells whether the last attempt is long enough ago.
func (r *RemoteKeys) mayAttempt() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mayAttemptLocked()
}

func (r *RemoteKeys) mayAttemptLocked() bool {
	return r.attempted.IsZero() || time.Since(r.attempted) >= r.cfg.MinInterval
}

// find waits for an attempt if the key is not there and there has been none for a while.
func (r *RemoteKeys) find(ctx context.Context, alg, id string) ([]jwt.VerificationKey, error) {
	r.mu.Lock()
	keys, known := r.findLocked(ctx, alg, id)
	done, wait := r.done, r.mayAttemptLocked()
	r.mu.Unlock()
	if len(keys) == 0 && (!known || id != "") && wait {
		select {
		case r.wake <- struct{}{}:
		default: // somebody has asked for it already
		}
		select {
		case <-done:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: the keys are being fetched: %w", ErrUnavailable, context.Cause(ctx))
		}
		r.mu.Lock()
		keys, known = r.findLocked(ctx, alg, id)
		r.mu.Unlock()
	}
	if !known {
		return nil, fmt.Errorf("%w: the keys could not be fetched", ErrUnavailable)
	}
	return keys, nil
}

// findLocked looks among the keys that are there; known tells whether there are any that are not too old.
func (r *RemoteKeys) findLocked(ctx context.Context, alg, id string) (keys []jwt.VerificationKey, known bool) {
	if r.set == nil || time.Since(r.fetched) > r.cfg.MaxStale {
		return nil, false
	}
	keys, _ = r.set.find(ctx, alg, id) // never an error
	return keys, true
}
