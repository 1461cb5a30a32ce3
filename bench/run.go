package bench

import (
	"context"
	"errors"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
)

// Run carries out one run and blocks until it has ended, ctx ends or something
// goes wrong: a refusal, a lost connection, an unexpected packet. progress, if not
// nil, is called about ten times a second, from the calling goroutine. The result
// is nil only with an error; Conn gives both when connections have failed.
func Run(ctx context.Context, o Options, progress func(Progress)) (*Result, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	before, err := readUsage(o.PIDs)
	if err != nil {
		return nil, err
	}
	f, err := newFleet(ctx, &o, progress)
	if err != nil {
		return nil, err
	}
	r := newResult(&o)
	if len(o.PIDs) > 0 {
		r.Broker = &Broker{PIDs: o.PIDs, RSSBefore: before.rss}
	}
	switch o.Mode {
	case Conn:
		err = f.runConn(r)
	case FanOut:
		err = f.runFanOut(r)
	case FanIn:
		err = f.runFanIn(r)
	case Sleepers:
		err = f.runSleepers(r)
	default:
		err = f.runPairs(r)
	}
	if (o.Persistent || o.Mode == Durable) && err == nil {
		err = f.removeSessions()
	}
	err = errors.Join(err, f.close())
	if err != nil && o.Mode != Conn {
		return nil, err
	}
	return r, err
}

// join connects clients and reports on it.
func (f *fleet) join(r *Result, clients []*client) error {
	took, err := f.connect("connect", clients)
	c := &r.Connections
	c.Attempted, c.Failed = len(clients), int(f.failures.Load())
	if first := f.first.Load(); first != nil {
		c.First = (*first).Error()
	}
	if err != nil {
		return err
	}
	h, err := f.histogram(f.ctx, func(m *meter) *hdrhistogram.Histogram { return m.latency })
	if err != nil {
		return err
	}
	c.Seconds, c.Latency = took.Seconds(), latencyOf(h)
	c.PerSecond = perSecond(uint64(c.Attempted-c.Failed), took)
	return nil
}

// span is what passed between two readings.
type span struct {
	counts
	took   time.Duration
	broker time.Duration // CPU
	own    time.Duration // CPU
}

// measure lets warm-up and duration pass and reports on the duration. each, if
// not nil, is called ten times a second during both.
func (f *fleet) measure(r *Result, each func() error) error {
	if err := f.pause("warm up", f.opts.Warmup, each); err != nil {
		return err
	}
	start, err := f.begin()
	if err != nil {
		return err
	}
	if err := f.pause("measure", f.opts.Duration, each); err != nil {
		return err
	}
	return f.finish(r, start)
}

// moment is where a span begins.
type moment struct {
	reading
	broker usage
}

// begin starts the measured time.
func (f *fleet) begin() (moment, error) {
	err := f.onLoops(f.ctx, func(m *meter) {
		m.latency.Reset()
		m.lag.Reset()
		m.ack.Reset()
	})
	if err != nil {
		return moment{}, err
	}
	u, err := readUsage(f.opts.PIDs)
	if err != nil {
		return moment{}, err
	}
	on := true
	rd, err := f.read(f.ctx, &on)
	return moment{rd, u}, err
}

// finish ends the measured time and fills in what it gave.
func (f *fleet) finish(r *Result, start moment) error {
	off := false
	end, err := f.read(f.ctx, &off)
	if err != nil {
		return err
	}
	u, err := readUsage(f.opts.PIDs)
	if err != nil {
		return err
	}
	h, err := f.histogram(f.ctx, func(m *meter) *hdrhistogram.Histogram { return m.latency })
	if err != nil {
		return err
	}
	f.fill(r, span{
		counts: end.minus(start.counts), took: end.at - start.at,
		broker: u.cpu - start.broker.cpu, own: end.own - start.own,
	}, h)
	if r.Broker != nil {
		r.Broker.RSSAfter = u.rss
	}
	return nil
}

func (f *fleet) fill(r *Result, s span, latency *hdrhistogram.Histogram) {
	r.Seconds = s.took.Seconds()
	n := s.unique()
	r.Messages = &Messages{
		Deliveries: n, DeliveriesPerSecond: perSecond(n, s.took), Latency: latencyOf(latency),
	}
	r.Generator.CPUSeconds = s.own.Seconds()
	if r.Seconds > 0 {
		r.Generator.Cores = r.Generator.CPUSeconds / r.Seconds
	}
	if r.Broker != nil {
		r.Broker.CPUSeconds = s.broker.Seconds()
		if n > 0 {
			r.Broker.CPUPerMessage = s.broker.Seconds() * 1e6 / float64(n)
		}
	}
}

// drain stops the publishers and waits until every PUBACK and every delivery,
// owed for each message copies times, has come, or none has for Options.Drain. It
// fills in the numbers of the whole run.
func (f *fleet) drain(r *Result, copies uint64) error {
	if err := f.onLoops(f.ctx, func(m *meter) { m.stopped = true }); err != nil {
		return err
	}
	var last counts
	quiet := time.Now()
	for {
		rd, err := f.read(f.ctx, nil)
		if err != nil {
			return err
		}
		if rd.counts != last {
			last, quiet = rd.counts, time.Now()
		}
		if f.total(r.Messages, rd.counts, copies); r.Messages.complete() {
			return nil
		}
		waited := time.Since(quiet)
		if waited > f.opts.Drain {
			return nil
		}
		f.progress("drain", waited.Milliseconds(), f.opts.Drain.Milliseconds())
		select {
		case <-time.After(20 * time.Millisecond):
		case <-f.ctx.Done():
			return context.Cause(f.ctx)
		}
	}
}

// total fills in the numbers of the whole run.
func (f *fleet) total(s *Messages, c counts, copies uint64) {
	s.Published, s.Acknowledged, s.Refused = c.published, c.acked, c.refused
	s.Received, s.Duplicates, s.OutOfOrder = c.unique(), c.duplicates, c.outOfOrder
	s.Skipped, s.Stalls = c.skipped, c.stalls
	owed := c.published
	if f.opts.QoS > packet.AtMostOnce {
		owed = c.acked
		s.Unacknowledged = c.published - c.acked - c.refused
	}
	s.Expected, s.Lost = owed*copies, 0
	if s.Received < s.Expected {
		s.Lost = s.Expected - s.Received
	}
}

// complete tells whether nothing is to be waited for any more.
func (s *Messages) complete() bool { return s.Unacknowledged == 0 && s.Lost == 0 }
