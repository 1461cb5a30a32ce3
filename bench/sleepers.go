package bench

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
)

// Slept is what sleepers has measured. Numbers of bytes a Session are rounded
// down.
type Slept struct {
	Sessions int `json:"sessions"`
	// RSSAsleep is the broker's resident memory in bytes once all had left and
	// Options.Settle had passed; RSSPerSession its growth since before the first
	// connection. Both are 0 without Options.PIDs.
	RSSAsleep     int64 `json:"rss_asleep_bytes"`
	RSSPerSession int64 `json:"rss_bytes_per_session"`

	Published    uint64  `json:"published"`
	Acknowledged uint64  `json:"acknowledged"`
	Refused      uint64  `json:"refused"`
	AckLatency   Latency `json:"ack_latency"` // from PUBLISH to PUBACK

	// Written is what the broker's processes had the system write from before the
	// first PUBLISH to the last PUBACK (write_bytes of /proc, whole pages); 0 without
	// Options.PIDs. Grown is how much larger the blocks of the data directory were
	// then; 0 without Options.DataDir.
	Written           int64 `json:"written_bytes"`
	WrittenPerSession int64 `json:"written_bytes_per_session"`
	Grown             int64 `json:"data_grown_bytes"`
	GrownPerSession   int64 `json:"data_grown_bytes_per_session"`

	// WakeSeconds is how long it took until the last client had come back, had got
	// everything and had left; 0 if they were not woken.
	WakeSeconds float64 `json:"wake_seconds,omitempty"`
}

func (s *Slept) rows(row rowFunc) {
	row("memory", "%d B a sleeping Session (%.1f MB in all)", s.RSSPerSession, float64(s.RSSAsleep)/1e6)
	row("sent to sleepers", "%d message(s), %d acknowledged, %d refused", s.Published, s.Acknowledged, s.Refused)
	row("PUBACK latency", "%s", s.AckLatency)
	row("written", "%d B a Session (%.1f MB in all, by the system's count)", s.WrittenPerSession, float64(s.Written)/1e6)
	row("data directory", "%d B a Session larger (%.1f MB in all)", s.GrownPerSession, float64(s.Grown)/1e6)
	if s.WakeSeconds > 0 {
		row("woken", "%.0f/s, %.2f s", float64(s.Sessions)/s.WakeSeconds, s.WakeSeconds)
	}
}

// runSleepers has clients subscribe and leave, publishes, and has them come back.
func (f *fleet) runSleepers(r *Result) error {
	o := f.opts
	r.Sleepers = &Slept{Sessions: o.Clients}
	if err := f.join(r, f.sleepers(func(c *client) { c.persistent = true })); err != nil {
		return err
	}
	if err := f.measureAsleep(r); err != nil {
		return err
	}
	if err := f.publishAsleep(r.Sleepers); err != nil {
		return err
	}
	if o.Wake {
		if err := f.wake(r); err != nil {
			return err
		}
	}
	if o.KeepSessions {
		return nil
	}
	if _, err := f.connect("remove sessions", f.sleepers(func(c *client) { c.clean, c.filter = true, "" })); err != nil {
		return fmt.Errorf("remove sessions: %w", err)
	}
	return nil
}

// sleepers makes a client for each Session. They leave by themselves.
func (f *fleet) sleepers(change func(*client)) []*client {
	f.clients = nil // of the waves before nothing is left
	out := make([]*client, f.opts.Clients)
	topic := f.topic("all")
	for i := range out {
		c := f.client(i, strconv.Itoa(i))
		c.filter, c.brief = topic, true
		change(c)
		out[i] = c
	}
	return out
}

// measureAsleep reads the broker's memory while nobody is connected, as Conn
// does while all are.
func (f *fleet) measureAsleep(r *Result) error {
	var samples []int64
	sample := func() error {
		u, err := readUsage(f.opts.PIDs)
		samples = append(samples, u.rss)
		return err
	}
	if err := f.pause("settle", f.opts.Settle, sample); err != nil {
		return err
	}
	if r.Broker == nil {
		return nil
	}
	if err := sample(); err != nil {
		return err
	}
	late := samples[len(samples)*2/3:]
	slices.Sort(late)
	s := r.Sleepers
	s.RSSAsleep = late[len(late)/2]
	r.Broker.RSSAfter = s.RSSAsleep
	s.RSSPerSession = (s.RSSAsleep - r.Broker.RSSBefore) / int64(s.Sessions)
	return nil
}

// publishAsleep publishes to the sleepers and measures what that costs.
func (f *fleet) publishAsleep(s *Slept) error {
	pc := f.client(0, "p")
	p := newPublisher(pc, 0, f.topic("all"))
	p.sampled, p.until = 1, uint32(f.opts.Messages)
	p.timeAcks()
	if _, err := f.connect("connect the publisher", []*client{pc}); err != nil {
		return err
	}
	start, err := f.begin()
	if err != nil {
		return err
	}
	before, err := readWritten(f.opts.PIDs, f.opts.DataDir)
	if err != nil {
		return err
	}
	p.m.loop.Post(p)
	end, err := f.awaitAcks(start)
	if err != nil {
		return err
	}
	after, err := readWritten(f.opts.PIDs, f.opts.DataDir)
	if err != nil {
		return err
	}
	s.Published, s.Acknowledged, s.Refused = end.published, end.acked, end.refused
	s.Written, s.Grown = after.system-before.system, after.directory-before.directory
	s.WrittenPerSession, s.GrownPerSession = s.Written/int64(s.Sessions), s.Grown/int64(s.Sessions)
	h, err := f.histogram(f.ctx, func(m *meter) *hdrhistogram.Histogram { return m.ack })
	if err == nil {
		s.AckLatency = latencyOf(h)
	}
	return err
}

// awaitAcks waits for the PUBACK of every message.
func (f *fleet) awaitAcks(start moment) (counts, error) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	total := uint64(f.opts.Messages)
	last, moved := uint64(0), time.Now()
	for {
		rd, err := f.read(f.ctx, nil)
		if err != nil {
			return counts{}, err
		}
		c := rd.minus(start.counts)
		done := c.acked + c.refused
		f.progress("publish", int64(done), int64(total))
		switch {
		case done == total:
			return c, nil
		case done > last:
			last, moved = done, time.Now()
		case time.Since(moved) > f.opts.ConnectTimeout:
			return c, fmt.Errorf("%w: %d of %d messages acknowledged, none for %v", ErrStalled, done, total, f.opts.ConnectTimeout)
		}
		select {
		case <-tick.C:
		case <-f.ctx.Done():
			return c, context.Cause(f.ctx)
		}
	}
}

// wake has all clients come back for what was published.
func (f *fleet) wake(r *Result) error {
	start, err := f.begin()
	if err != nil {
		return err
	}
	took, err := f.connect("wake", f.sleepers(func(c *client) {
		c.persistent, c.resumes = true, true
		c.role = &sleeper{c: c, m: c.meter, want: uint32(r.Sleepers.Acknowledged)}
	}))
	if err != nil {
		return fmt.Errorf("wake: %w", err)
	}
	if err := f.finish(r, start); err != nil {
		return err
	}
	r.Sleepers.WakeSeconds = took.Seconds()
	rd, err := f.read(f.ctx, nil)
	if err != nil {
		return err
	}
	f.total(r.Messages, rd.counts, uint64(r.Sleepers.Sessions))
	return nil
}

// sleeper is the role of a client that has come back. It belongs to its client's
// loop.
type sleeper struct {
	// static
	c    *client
	m    *meter
	want uint32 // messages

	got     uint32 // different ones
	asked   bool   // PINGREQ has been sent after the last message
	tracker tracker
}

// ready waits for the messages, Options.Drain at most.
func (s *sleeper) ready() {
	s.c.conn.SetTimer(s.c.fleet.opts.Drain)
	s.turn()
}

func (s *sleeper) message(mk mark) error {
	if mk.publisher != 0 {
		return errForeign
	}
	if s.m.count(&s.tracker, mk.sequence) {
		s.got++
	}
	return nil
}

func (s *sleeper) ack(packet.PacketID, packet.ReasonCode) error { return errNoAck }

// turn asks for a PINGRESP once all has come and been acknowledged: what the broker
// would send twice comes before that.
func (s *sleeper) turn() {
	if s.got < s.want || s.asked || s.c.stage != ready {
		return
	}
	s.asked = true
	record(s.m.latency, s.m.clock()-s.c.dialed)
	s.c.conn.Write(s.m.loop, packet.AppendPingReq(nil))
}

// pong has the client leave.
func (s *sleeper) pong() {
	if s.asked && s.c.stage == ready {
		s.c.leave()
	}
}

// giveUp has the client leave without what is missing.
func (s *sleeper) giveUp() {
	if s.c.stage == ready {
		s.c.leave()
	}
}
