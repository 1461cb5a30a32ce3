package floods

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// ErrNotLoopback refuses a flood of anybody else.
var ErrNotLoopback = errors.New("floods: the address is not on the loopback interface")

const (
	// sources is from how many addresses a flood comes.
	sources = 16
	// patience bounds each step of an attempt.
	patience = 2 * time.Second
	// longest bounds a flood in time.
	longest = 5 * time.Minute
)

// Flood is one that is prepared. New makes it, Close ends it.
type Flood struct {
	// static
	spec     *spec
	addr     string
	greeting []byte // a ClientHello in its record

	// lines are the connections of kinds that write to many byte by byte.
	lines []*line

	done, failed atomic.Int64
	next         atomic.Uint32 // source address

	// guarded by mu
	mu    sync.Mutex
	ctx   context.Context // ends with Run, and closes connections; nil before
	held  []net.Conn      // a ring: the oldest is closed for another
	heldN int             // that have been held so far
}

// Outcome is what a flood has done.
type Outcome struct {
	Attempts int64 // in the unit of its kind, that were carried out
	Failed   int64 // of these: refused, closed early or timed out
	Took     time.Duration
}

// New prepares a flood of addr, HOST:PORT of a loopback address in digits, and connects what it needs before it
// begins.
func New(k Kind, addr string) (*Flood, error) {
	s := k.spec()
	if s == nil {
		return nil, fmt.Errorf("unknown kind of flood %q", k)
	}
	if a, err := netip.ParseAddrPort(addr); err != nil || !a.Addr().IsLoopback() {
		return nil, fmt.Errorf("%w: %s", ErrNotLoopback, addr)
	}
	f := &Flood{spec: s, addr: addr}
	var err error
	if f.greeting, err = recordHello(); err != nil {
		return nil, err
	}
	if s.prepare != nil {
		if err := s.prepare(f); err != nil {
			f.Close()
			return nil, fmt.Errorf("prepare flood %s: %w", k, err)
		}
	}
	return f, nil
}

// Run makes as many attempts as given, evenly spread over d, and blocks until they are made, d has passed, or ctx
// ends. Attempts that the broker keeps waiting are left out. It may be called once.
func (f *Flood) Run(ctx context.Context, attempts int64, d time.Duration) Outcome {
	d = min(d, longest)
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	f.mu.Lock()
	f.ctx = ctx
	f.mu.Unlock()
	began := time.Now()
	interval := float64(d) / float64(max(attempts, 1))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range f.spec.workers {
		wg.Go(func() {
			for {
				n := next.Add(1) - 1
				if n >= attempts || !sleepUntil(ctx, began.Add(time.Duration(float64(n)*interval))) {
					return
				}
				f.try(n)
			}
		})
	}
	wg.Wait()
	return Outcome{Attempts: f.done.Load(), Failed: f.failed.Load(), Took: time.Since(began)}
}

func (f *Flood) try(n int64) {
	err := f.spec.attempt(f, n)
	if f.over() {
		return // it may have failed for that reason
	}
	f.done.Add(1)
	if err != nil {
		f.failed.Add(1)
	}
}

// over tells whether the flood's time has passed.
func (f *Flood) over() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ctx == nil {
		return false
	}
	until, bounded := f.ctx.Deadline()
	return f.ctx.Err() != nil || bounded && !time.Now().Before(until) // a connection's deadline may come first
}

// Close ends all connections. Run must have returned.
func (f *Flood) Close() {
	for _, l := range f.lines {
		l.close()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.held {
		reset(c)
	}
	f.held = nil
}

// sleepUntil returns false if ctx has ended or ends before t.
func sleepUntil(ctx context.Context, t time.Time) bool {
	d := time.Until(t)
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// dial connects, from the next of the addresses. Reading and writing is bounded in time.
func (f *Flood) dial() (net.Conn, error) {
	d := net.Dialer{Timeout: patience}
	if a := netip.MustParseAddrPort(f.addr).Addr(); a.Is4() && runtime.GOOS == "linux" { // 127.0.0.0/8 is all ours there
		d.LocalAddr = &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+f.next.Add(1)%sources))}
	}
	c, err := d.Dial("tcp", f.addr)
	if err != nil {
		return nil, err
	}
	end := time.Now().Add(patience)
	f.mu.Lock()
	if f.ctx != nil {
		if until, ok := f.ctx.Deadline(); ok && until.Before(end) {
			end = until
		}
	}
	f.mu.Unlock()
	return c, c.SetDeadline(end)
}

// reset closes c without leaving its port in use for a minute.
func reset(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetLinger(0) // then it takes a port for a while
	}
	c.Close()
}

// hold keeps c open until the flood's end, or until there are too many.
func (f *Flood) hold(c net.Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.held) < f.spec.held {
		f.held = append(f.held, c)
		return
	}
	at := f.heldN % len(f.held)
	f.heldN++
	reset(f.held[at])
	f.held[at] = c
}
