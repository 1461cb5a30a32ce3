package bench

import (
	"math"
	"strconv"
	"sync/atomic"

	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

// runFanOut has one publisher send to many subscribers.
func (f *fleet) runFanOut(r *Result) error {
	o := f.opts
	topic := f.topic("out")
	pc := f.client(0, "p")
	p := newPublisher(pc, 0, topic)
	p.sampled = 1 // each subscriber chooses which it records
	w := newFanOutWindow(p, o.Window, o.Subscribers)
	clients := []*client{pc}
	for i := range o.Subscribers {
		c := f.client(i, "s"+strconv.Itoa(i))
		c.filter = topic
		c.role = &fanOutSubscriber{m: c.meter, window: w, sample: i % o.SampleEvery}
		clients = append(clients, c)
	}
	if err := f.join(r, clients); err != nil {
		return err
	}
	p.m.loop.Post(p)
	err := f.measure(r, func() error {
		if !f.stallDue() {
			return nil
		}
		return f.onLoops(f.ctx, func(m *meter) {
			if m == p.m {
				w.unstall()
			}
		})
	})
	if err != nil {
		return err
	}
	return f.drain(r, uint64(o.Subscribers))
}

// fanOutWindow holds the publisher back until every subscriber has what it
// published a window ago.
type fanOutWindow struct {
	// static
	p           *publisher
	subscribers int32
	size        uint32

	// shared by the loops. got[s % size] counts the subscribers that have message
	// s, for base <= s < base + size.
	got  []atomic.Int32
	base atomic.Uint32 // first message that not all have; written by p's loop
}

func newFanOutWindow(p *publisher, size, subscribers int) *fanOutWindow {
	p.until = uint32(size)
	return &fanOutWindow{
		p: p, subscribers: int32(subscribers), size: uint32(size), got: make([]atomic.Int32, size),
	}
}

// received notes that one more subscriber, on loop m, has message s.
func (w *fanOutWindow) received(m *meter, s uint32) {
	if s-w.base.Load() >= w.size { // given up by unstall
		return
	}
	if w.got[s%w.size].Add(1) < w.subscribers {
		return
	}
	if m == w.p.m {
		w.Run(m.loop)
		return
	}
	w.p.m.loop.Post(w)
}

// Run moves the window on: netloop.Task, on p's loop.
func (w *fanOutWindow) Run(*netloop.Loop) {
	base := w.base.Load()
	for w.got[base%w.size].Load() >= w.subscribers && base < w.p.next {
		w.got[base%w.size].Store(0)
		base++
	}
	w.moveTo(base)
}

func (w *fanOutWindow) moveTo(base uint32) {
	if base > math.MaxUint32-2*w.size {
		return // four thousand million messages are enough
	}
	w.base.Store(base)
	w.p.until = base + w.size
	w.p.turn()
}

// unstall gives up messages that do not arrive any more: called on p's loop,
// now and then.
func (w *fanOutWindow) unstall() {
	p := w.p
	if p.next == p.until && p.stuck == p.until {
		p.m.stalls++
		for i := range w.got {
			w.got[i].Store(0)
		}
		w.moveTo(p.next)
	}
	p.stuck = p.until
}

// fanOutSubscriber is one of the subscribers.
type fanOutSubscriber struct {
	m       *meter
	window  *fanOutWindow
	sample  int // messages until the next recorded one
	tracker tracker
}

func (s *fanOutSubscriber) message(mk mark) error {
	if mk.publisher != 0 {
		return errForeign
	}
	if !s.m.count(&s.tracker, mk.sequence) {
		return nil
	}
	if s.sample--; s.sample < 0 {
		s.sample = s.window.p.c.fleet.opts.SampleEvery - 1
		s.m.arrived(mk.stamp)
	}
	s.window.received(s.m, mk.sequence)
	return nil
}

func (s *fanOutSubscriber) ack(packet.PacketID, packet.ReasonCode) error { return errNoAck }

func (s *fanOutSubscriber) turn() {}
