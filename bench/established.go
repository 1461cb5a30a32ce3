package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

// Established are the pairs of a run of P2P that stay connected while somebody does something else to the
// broker. Its methods are for one goroutine.
type Established struct {
	f           *fleet
	subscribers []*pairSubscriber
	got         []uint32 // by pair: the highest number of a message, as of the last look
}

// Phase is what a time of Measure has given.
type Phase struct {
	PerSecond float64 // deliveries
	Latency   Latency // from publishing to receiving
	Silent    int     // pairs that got nothing
	Broker    float64 // cores that its processes took; 0 without Options.PIDs
}

// Establish connects Options.Pairs pairs, in turn over each of urls, which may hold one more than once, and has
// them publish at QoS 1 as fast as their windows allow. It blocks until all are connected. A connection that is
// lost later is an error of what is called next. The caller ends it with Close.
func Establish(ctx context.Context, o Options, urls []string, progress func(Progress)) (*Established, error) {
	if o.Mode != P2P || o.QoS == 0 || o.Receivers != "" || len(urls) == 0 {
		return nil, errors.New("establish needs the mode p2p, QoS 1, MQTT clients and a URL")
	}
	dials := make([]netloop.DialConfig, len(urls))
	for i := range urls {
		o.URL = urls[i]
		if err := o.Validate(); err != nil {
			return nil, err
		}
		var err error
		if dials[i], err = o.dials(ctx, o.URL); err != nil {
			return nil, err
		}
	}
	f, err := newFleet(ctx, &o, progress)
	if err != nil {
		return nil, err
	}
	e := &Established{f: f, got: make([]uint32, o.Pairs)}
	clients := make([]*client, 0, 2*o.Pairs)
	publishers := make([]*publisher, o.Pairs)
	for i := range publishers {
		pc, sc, p, s := f.pair(i)
		pc.dials = &dials[i%len(dials)]
		sc.dials = pc.dials
		publishers[i] = p
		e.subscribers = append(e.subscribers, s)
		clients = append(clients, pc, sc)
	}
	if err := f.join(newResult(&o), clients); err != nil {
		return nil, errors.Join(err, f.close())
	}
	for _, p := range publishers {
		p.m.loop.Post(p)
	}
	return e, nil
}

// Pause lets d pass. stage is what progress is told.
func (e *Established) Pause(stage string, d time.Duration) error { return e.f.pause(stage, d, nil) }

// Measure lets d pass and tells what was delivered meanwhile.
func (e *Established) Measure(stage string, d time.Duration) (Phase, error) {
	r := newResult(e.f.opts)
	if len(e.f.opts.PIDs) > 0 {
		r.Broker = &Broker{}
	}
	if _, err := e.silent(); err != nil {
		return Phase{}, err
	}
	start, err := e.f.begin()
	if err != nil {
		return Phase{}, err
	}
	if err := e.f.pause(stage, d, nil); err != nil {
		return Phase{}, err
	}
	if err := e.f.finish(r, start); err != nil {
		return Phase{}, err
	}
	p := Phase{PerSecond: r.Messages.DeliveriesPerSecond, Latency: r.Messages.Latency}
	if r.Broker != nil {
		p.Broker = r.Broker.CPUSeconds / r.Seconds
	}
	p.Silent, err = e.silent()
	return p, err
}

// silent is how many pairs have got nothing since it was last called.
func (e *Established) silent() (n int, err error) {
	got := make([]uint32, len(e.got))
	err = e.f.onLoops(e.f.ctx, func(m *meter) {
		for i, s := range e.subscribers {
			if s.m == m {
				got[i] = s.tracker.next
			}
		}
	})
	if err != nil {
		return 0, err
	}
	for i := range got {
		if got[i] == e.got[i] {
			n++
		}
	}
	e.got = got
	return n, nil
}

// Close has the pairs stop, waits for what is under way, at most Options.Drain after the last delivery, and
// takes leave. It tells of all messages since Establish.
func (e *Established) Close() (*Messages, error) {
	r := newResult(e.f.opts)
	r.Messages = new(Messages)
	err := e.f.drain(r, 1)
	if err = errors.Join(err, e.f.close()); err != nil {
		return nil, fmt.Errorf("end of established pairs: %w", err)
	}
	return r.Messages, nil
}
