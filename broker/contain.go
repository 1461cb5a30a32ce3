package broker

import (
	"context"
	"fmt"
	"runtime"
	"strings"
)

// HookKind says what a hook is for.
type HookKind uint8

// Kinds of hooks.
const (
	HookAuthenticate HookKind = iota // Authenticator, EnhancedAuthenticator, Exchange
	HookAuthorize                    // Authorizer, Permissions
	HookSession                      // ConnectInterceptor, observers of Sessions
	HookPublish                      // PublishInterceptor
	HookDelivery                     // observers of messages
	HookFront                        // what fronts ask about their own, by Contain
	hookKinds
)

func (k HookKind) String() string {
	return [...]string{"authenticate", "authorize", "session", "publish", "delivery", "front"}[k]
}

// contain is deferred around the calls of a hook, and ends its panic here. Who is asked for a decision has the
// denial in its results before it calls the hook, and so has denied if the hook does not return. The first
// panic of a kind is logged, the second, the fourth and so on: a hook may be called a million times a second. What it has
// panicked with is left out, for it may hold a secret.
func (b *Broker) contain(kind HookKind) {
	if recover() == nil {
		return
	}
	if n := b.hookPanics[kind].Add(1); n&(n-1) == 0 {
		b.cfg.Logger.Error("hook_panicked", "hook_kind", kind.String(), "where", panicPlace(), "panics", n)
	}
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

// Contain calls a hook that a front has, and contains its panic. It returns false if there was one, which must deny. It blocks as long
// as call does.
func (b *Broker) Contain(call func()) (returned bool) {
	defer b.contain(HookFront)
	call()
	return true
}

// Authenticate asks a about a client. It is Deny if a panics. It blocks as long as a does; fronts call it beside their
// loops.
func (b *Broker) Authenticate(ctx context.Context, a Authenticator, r *ConnectRequest) (d Decision, id *Identity, err error) {
	d, err = Deny, ErrHookPanicked
	defer b.contain(HookAuthenticate)
	return a.OnConnectAuthenticate(ctx, r)
}

// BeginExchange is m.Begin, and nil if that panics.
func (b *Broker) BeginExchange(m EnhancedAuthenticator, r *ConnectRequest) (x Exchange) {
	defer b.contain(HookAuthenticate)
	return m.Begin(r)
}

// StepExchange is x.Step, and Deny if that panics. It blocks as long as x does.
func (b *Broker) StepExchange(ctx context.Context, x Exchange, data []byte) (answer []byte, d Decision, id *Identity, err error) {
	d, err = Deny, ErrHookPanicked
	defer b.contain(HookAuthenticate)
	return x.Step(ctx, data)
}

// Authorize asks p and, if that ignores the request, all; each may be nil. It is Deny if one of them panics, and Ignore if
// nobody decides. It does not block.
func (b *Broker) Authorize(p Permissions, all Authorizer, a *Access) (d Decision) {
	d = Deny
	defer b.contain(HookAuthorize)
	decided := Ignore
	if p != nil {
		decided = p.Check(a)
	}
	if decided == Ignore && all != nil {
		decided = all.OnACLCheck(a)
	}
	return decided
}
