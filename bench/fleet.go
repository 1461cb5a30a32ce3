package bench

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

// closeTime is how long connections may take to end in good order.
const closeTime = 10 * time.Second

// fleet is the connections of a run, with what they share.
type fleet struct {
	// static
	opts    *Options
	engine  *netloop.Engine
	dials   netloop.DialConfig
	natives netloop.DialConfig // of Options.Receivers
	run     string             // makes Client Identifiers and topics unique
	started time.Time
	meters  []*meter      // one a loop
	clients []*client     // all that connect was given
	redial  chan *client  // dials that have to be repeated
	slots   chan struct{} // one a handshake in flight
	report  func(Progress)

	// ctx ends with the cause of the run's failure.
	ctx    context.Context
	cancel context.CancelCauseFunc

	finished   atomic.Int64 // handshakes that have succeeded or failed
	expected   int64        // handshakes that connect waits for
	finishedAt chan int64   // clock when the last one did
	failures   atomic.Int64
	first      atomic.Pointer[error] // the first failure
	tolerant   bool                  // failures are counted, and do not end the run
	stallCheck time.Time             // last look for windows that stand still
}

// Progress tells how far a run has got.
type Progress struct {
	// Stage is what is being done, such as "connect".
	Stage string
	// Done and Total are in connections, messages or milliseconds.
	Done, Total int64
}

func newFleet(ctx context.Context, o *Options, report func(Progress)) (*fleet, error) {
	if err := RaiseFileLimit(o.connections() + 64); err != nil {
		return nil, err
	}
	dials, err := o.dials(ctx, o.URL)
	if err != nil {
		return nil, err
	}
	natives := dials
	if o.Receivers != "" {
		if natives, err = o.dials(ctx, o.Receivers); err != nil {
			return nil, err
		}
	}
	engine, err := netloop.New(netloop.Config{Loops: o.Loops})
	if err != nil {
		return nil, err
	}
	var id [4]byte
	rand.Read(id[:]) // never fails
	f := &fleet{
		opts: o, engine: engine, dials: dials, natives: natives, report: report,
		run: hex.EncodeToString(id[:]), started: time.Now(),
		redial: make(chan *client, o.connections()),
	}
	f.ctx, f.cancel = context.WithCancelCause(ctx)
	for _, l := range engine.Loops() {
		f.meters = append(f.meters, newMeter(l, f.started))
	}
	return f, nil
}

// dials says what every connection to a URL dials.
func (o *Options) dials(ctx context.Context, to string) (netloop.DialConfig, error) {
	cfg, err := endpoint(to)
	if err != nil {
		return cfg, err
	}
	if cfg.Network == "tcp" { // once, not for every connection
		host, port, _ := net.SplitHostPort(cfg.Address)
		a, err := new(net.Resolver).LookupHost(ctx, host)
		if err != nil {
			return cfg, fmt.Errorf("resolve the broker's address: %w", err)
		}
		cfg.Address = net.JoinHostPort(a[0], port)
	}
	if cfg.TLS != nil {
		err = o.secure(cfg.TLS)
	}
	return cfg, err
}

// client makes a client of loop i modulo the number of loops. name is unique
// within the run.
func (f *fleet) client(loop int, name string) *client {
	return &client{fleet: f, meter: f.meters[loop%len(f.meters)], id: "bench-" + f.run + "-" + name}
}

// topic makes a Topic Name of this run.
func (f *fleet) topic(name string) string { return "bench/" + f.run + "/" + name }

// settled notes the end of a handshake.
func (f *fleet) settled(m *meter, err error) {
	if err != nil {
		f.fault(err)
	}
	if f.finished.Add(1) == f.expected {
		f.finishedAt <- m.clock()
	}
	<-f.slots // the handshake's own, so it does not block
}

// fault ends the run, or counts a failure.
func (f *fleet) fault(err error) {
	f.failures.Add(1)
	f.first.CompareAndSwap(nil, &err)
	if !f.tolerant {
		f.cancel(err)
	}
}

// dial starts c's handshake.
func (f *fleet) dial(c *client) {
	c.dialed = c.meter.clock()
	dials := c.dials
	switch {
	case dials != nil:
	case c.native != nil:
		dials = &f.natives
	default:
		dials = &f.dials
	}
	err := f.engine.DialWith(c.meter.loop, *dials, func(*netloop.Conn) netloop.Handler { return c })
	if err != nil {
		f.settled(c.meter, fmt.Errorf("client %s: dial: %w", c.id, err))
	}
}

// connect has all clients finish their handshakes, Options.InFlight at a time,
// and returns how long that took, or the first error. Their latency, from dialing
// to CONNACK, goes into the meters.
func (f *fleet) connect(stage string, clients []*client) (time.Duration, error) {
	inFlight := f.opts.InFlight
	if f.opts.Burst {
		inFlight = len(clients)
	}
	f.clients = append(f.clients, clients...)
	f.slots = make(chan struct{}, min(inFlight, len(clients)))
	f.finished.Store(0)
	f.expected, f.finishedAt = int64(len(clients)), make(chan int64, 1)
	began := f.meters[0].clock()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	total := int64(len(clients))
	moved, since := int64(0), time.Now()
	for n := 0; ; {
		slots := f.slots
		if n == len(clients) {
			slots = nil
		}
		select {
		case slots <- struct{}{}:
			f.dial(clients[n])
			n++
			continue
		case at := <-f.finishedAt:
			f.progress(stage, total, total)
			return time.Duration(at - began), nil
		case <-tick.C:
		case <-f.ctx.Done():
			return 0, context.Cause(f.ctx)
		}
		f.redialAll()
		done := f.finished.Load()
		f.progress(stage, done, total)
		switch {
		case done > moved:
			moved, since = done, time.Now()
		case time.Since(since) > f.opts.ConnectTimeout:
			return 0, fmt.Errorf("%w: %d of %d handshakes done, none for %v", ErrStalled, done, total, f.opts.ConnectTimeout)
		}
	}
}

// redialAll repeats dials that found a full backlog.
func (f *fleet) redialAll() {
	for {
		select {
		case c := <-f.redial:
			f.dial(c)
		default:
			return
		}
	}
}

func (f *fleet) progress(stage string, done, total int64) {
	if f.report != nil {
		f.report(Progress{Stage: stage, Done: done, Total: total})
	}
}

// pause lets d pass, calling each, if not nil, ten times a second.
func (f *fleet) pause(stage string, d time.Duration, each func() error) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	end := time.NewTimer(d)
	defer end.Stop()
	for began := time.Now(); ; {
		select {
		case <-end.C:
			f.progress(stage, d.Milliseconds(), d.Milliseconds())
			return nil
		case <-f.ctx.Done():
			return context.Cause(f.ctx)
		case <-tick.C:
			f.progress(stage, min(time.Since(began), d).Milliseconds(), d.Milliseconds())
			if each != nil {
				if err := each(); err != nil {
					return err
				}
			}
		}
	}
}

// removeSessions has the broker forget the Sessions of a persistent run: each
// client leaves and comes back with Clean Session 1.
func (f *fleet) removeSessions() error {
	var old []*client
	for _, c := range f.clients {
		if c.lasting() {
			old = append(old, c)
		}
	}
	if len(old) == 0 {
		return nil
	}
	err := f.onLoops(f.ctx, func(m *meter) {
		for _, c := range old {
			if c.meter == m && c.stage != ended {
				c.quiet = true
				c.OnShutdown(c.conn)
			}
		}
	})
	if err != nil {
		return err
	}
	clients := make([]*client, len(old))
	for i, c := range old {
		clients[i] = &client{fleet: f, meter: c.meter, id: c.id, clean: true}
	}
	if _, err := f.connect("remove sessions", clients); err != nil {
		return fmt.Errorf("remove sessions: %w", err)
	}
	return nil
}

// close ends all connections in good order and stops the loops.
func (f *fleet) close() error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(f.ctx), closeTime)
	defer cancel()
	defer f.cancel(nil)
	_ = f.onLoops(ctx, func(m *meter) { m.closing, m.stopped = true, true })
	if err := f.engine.Shutdown(ctx); err != nil {
		return fmt.Errorf("close connections: %w", err)
	}
	return nil
}
