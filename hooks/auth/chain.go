package auth

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/hooks/callout"
)

// Link is an authenticator in a Chain.
type Link struct {
	Name string // for errors and statistics, as "password_file"
	Hook broker.Authenticator
}

// Chain asks authenticators in order. It is itself one, and may be called by many goroutines at once.
type Chain struct {
	links    []Link
	failures *Failures
	stats    []linkCounters // one for each link
	unknown  atomic.Uint64
	blocked  atomic.Uint64
}

type linkCounters struct{ allowed, denied, failed atomic.Uint64 }

var _ broker.Authenticator = (*Chain)(nil)

// NewChain returns a Chain of links, of which there may be none. It tells failures who has been
// wrong, and does not ask about addresses that have been so too often; nil has no limit.
func NewChain(failures *Failures, links ...Link) *Chain {
	return &Chain{links: links, failures: failures, stats: make([]linkCounters, len(links))}
}

// OnConnectAuthenticate returns Allow or Deny, never Ignore: what the first link says that does not ignore
// the client, Deny if there is none. The error names the link; it is nil if a link simply denies. It blocks as long as the
// links do. A link that panics is the broker's to contain, which denies.
func (c *Chain) OnConnectAuthenticate(ctx context.Context, r *broker.ConnectRequest) (broker.Decision, *broker.Identity, error) {
	if c.failures.Blocked(r.Remote.Addr()) {
		c.blocked.Add(1)
		return broker.Deny, nil, ErrTooManyFailures
	}
	for i := range c.links {
		if err := context.Cause(ctx); err != nil {
			return broker.Deny, nil, fmt.Errorf("%s: %w", c.links[i].Name, err)
		}
		d, id, err := c.links[i].Hook.OnConnectAuthenticate(ctx, r)
		if err == nil && d == broker.Ignore {
			continue
		}
		return c.conclude(r, i, d, id, err)
	}
	c.unknown.Add(1)
	c.failures.Record(r.Remote.Addr())
	return broker.Deny, nil, nil
}

// conclude counts what a link has said.
func (c *Chain) conclude(r *broker.ConnectRequest, i int, d broker.Decision, id *broker.Identity, err error) (broker.Decision, *broker.Identity, error) {
	st := &c.stats[i]
	switch {
	case errors.Is(err, broker.ErrBanned): // whose credentials need not have been wrong
		st.denied.Add(1)
		return broker.Deny, nil, fmt.Errorf("%s: %w", c.links[i].Name, err)
	case err != nil:
		st.failed.Add(1)
		if isClientsFault(err) {
			c.failures.Record(r.Remote.Addr())
		}
		return broker.Deny, nil, fmt.Errorf("%s: %w", c.links[i].Name, err)
	case d == broker.Allow:
		st.allowed.Add(1)
		return broker.Allow, id, nil
	}
	st.denied.Add(1)
	c.failures.Record(r.Remote.Addr())
	return broker.Deny, nil, nil
}

// isClientsFault tells whether an error is about what a client has sent, as far as is known.
func isClientsFault(err error) bool {
	return errors.Is(err, callout.ErrRefused) || !errors.Is(err, ErrUnavailable) && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
}

// LinkStats counts what one link of a Chain has decided.
type LinkStats struct {
	Name    string
	Allowed uint64
	Denied  uint64
	Failed  uint64 // errors, which deny
}

// ChainStats counts what a Chain has decided.
type ChainStats struct {
	Links   []LinkStats
	Unknown uint64 // denied, as no link knew the client
	Blocked uint64 // denied for their address, without asking any link
}

// Stats returns the counts since the start.
func (c *Chain) Stats() ChainStats {
	s := ChainStats{Unknown: c.unknown.Load(), Blocked: c.blocked.Load()}
	for i := range c.links {
		st := &c.stats[i]
		s.Links = append(s.Links, LinkStats{Name: c.links[i].Name, Allowed: st.allowed.Load(), Denied: st.denied.Load(), Failed: st.failed.Load()})
	}
	return s
}
