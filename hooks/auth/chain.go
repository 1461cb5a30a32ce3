package auth

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"

	"github.com/holdfast-mqtt/holdfast/broker"
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

type linkCounters struct{ allowed, denied, failed, panicked atomic.Uint64 }

var _ broker.Authenticator = (*Chain)(nil)

// NewChain returns a Chain of links, of which there may be none. It tells failures who has been
// wrong, and does not ask about addresses that have been so too often; nil has no limit.
func NewChain(failures *Failures, links ...Link) *Chain {
	return &Chain{links: links, failures: failures, stats: make([]linkCounters, len(links))}
}

// OnConnectAuthenticate returns Allow or Deny, never Ignore: what the first link says that does not ignore
// the client, Deny if there is none. The error names the link; it is nil if a link simply denies. It blocks as long as the
// links do.
func (c *Chain) OnConnectAuthenticate(ctx context.Context, r *broker.ConnectRequest) (broker.Decision, *broker.Identity, error) {
	if c.failures.Blocked(r.Remote.Addr()) {
		c.blocked.Add(1)
		return broker.Deny, nil, ErrTooManyFailures
	}
	for i := range c.links {
		if err := context.Cause(ctx); err != nil {
			return broker.Deny, nil, fmt.Errorf("%s: %w", c.links[i].Name, err)
		}
		d, id, err := c.ask(ctx, i, r)
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

// isClientsFault tells whether an error is about what a client has sent.
func isClientsFault(err error) bool {
	if _, ok := errors.AsType[*PanicError](err); ok {
		return false
	}
	return !errors.Is(err, ErrUnavailable) && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
}

// ask asks one link, and has its panic be an error.
func (c *Chain) ask(ctx context.Context, i int, r *broker.ConnectRequest) (d broker.Decision, id *broker.Identity, err error) {
	defer func() {
		if v := recover(); v != nil {
			c.stats[i].panicked.Add(1)
			d, id, err = broker.Deny, nil, &PanicError{Name: c.links[i].Name, Where: panicPlace()}
		}
	}()
	return c.links[i].Hook.OnConnectAuthenticate(ctx, r)
}

// panicPlace returns where the panic began that is being recovered from.
func panicPlace() string {
	var pcs [32]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	panicking := false
	for {
		f, more := frames.Next()
		switch {
		case strings.HasPrefix(f.Function, "runtime."):
			panicking = true
		case panicking:
			return fmt.Sprintf("%s (%s:%d)", f.Function, f.File[strings.LastIndexByte(f.File, '/')+1:], f.Line)
		}
		if !more {
			return "an unknown place"
		}
	}
}

// LinkStats counts what one link of a Chain has decided.
type LinkStats struct {
	Name     string
	Allowed  uint64
	Denied   uint64
	Failed   uint64 // errors, which deny
	Panicked uint64 // those of Failed that were panics
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
		s.Links = append(s.Links, LinkStats{Name: c.links[i].Name, Allowed: st.allowed.Load(), Denied: st.denied.Load(),
			Failed: st.failed.Load(), Panicked: st.panicked.Load()})
	}
	return s
}
