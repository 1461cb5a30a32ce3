package bench

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
)

// runFanIn has many publishers send a fixed number of messages to one subscriber.
func (f *fleet) runFanIn(r *Result) error {
	o := f.opts
	each := o.Messages / o.Publishers // what is left over is not published
	topic := f.topic("in")
	sc := f.client(0, "s")
	sc.filter = topic
	sub := newFanInSubscriber(sc.meter, o.Publishers, each)
	sc.role = sub
	clients := []*client{sc}
	publishers := make([]*publisher, o.Publishers)
	for i := range publishers {
		c := f.client(i, "p"+strconv.Itoa(i))
		p := newPublisher(c, uint32(i), topic)
		p.until = uint32(each)
		p.acked = newBitmap(each)
		publishers[i] = p
		clients = append(clients, c)
	}
	if err := f.join(r, clients); err != nil {
		return err
	}
	start, err := f.begin()
	if err != nil {
		return err
	}
	for _, p := range publishers {
		p.m.loop.Post(p)
	}
	if err := f.awaitFanIn(r, sub); err != nil {
		return err
	}
	if err := f.finish(r, start); err != nil {
		return err
	}
	return f.account(r, sub, publishers, start)
}

// awaitFanIn waits until every message has been acknowledged and received, or
// no delivery has come for Options.Drain.
func (f *fleet) awaitFanIn(r *Result, sub *fanInSubscriber) error {
	limit := time.NewTimer(10 * f.opts.Duration)
	defer limit.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var last counts
	moved := time.Now()
	r.Messages = &Messages{}
	for {
		select {
		case <-sub.done:
		case <-tick.C:
		case <-limit.C:
			return fmt.Errorf("%w: %d messages took longer than %v", ErrStalled, sub.total, 10*f.opts.Duration)
		case <-f.ctx.Done():
			return context.Cause(f.ctx)
		}
		rd, err := f.read(f.ctx, nil)
		if err != nil {
			return err
		}
		if rd.counts != last {
			last, moved = rd.counts, time.Now()
		}
		f.progress("fan in", int64(rd.unique()), int64(sub.total))
		if rd.unique() == sub.total || time.Since(moved) > f.opts.Drain {
			return nil
		}
	}
}

// account fills in the numbers of the whole run. What is lost comes from the
// bitmaps: totals would hide a message that is lost behind one that has not been
// acknowledged and came all the same.
func (f *fleet) account(r *Result, sub *fanInSubscriber, publishers []*publisher, start moment) error {
	acked := make([]*bitmap, len(publishers))
	err := f.onLoops(f.ctx, func(m *meter) {
		m.stopped = true
		for i, p := range publishers {
			if p.m == m {
				acked[i] = p.acked.clone()
			}
		}
	})
	if err != nil {
		return err
	}
	rd, err := f.read(f.ctx, nil)
	if err != nil {
		return err
	}
	s := r.Messages
	f.total(s, rd.counts, 1)
	s.Lost = 0
	err = f.onLoops(f.ctx, func(m *meter) {
		if m != sub.m {
			return
		}
		for i, a := range acked {
			s.Lost += uint64(a.without(sub.got[i]))
		}
		r.Seconds = (time.Duration(sub.last) - start.at).Seconds()
	})
	if err != nil {
		return err
	}
	if s.Received == 0 {
		return fmt.Errorf("%w: no message has arrived", ErrStalled)
	}
	s.DeliveriesPerSecond = float64(s.Received) / r.Seconds
	r.Generator.Cores = r.Generator.CPUSeconds / r.Seconds
	return nil
}

// fanInSubscriber gets the messages of all publishers.
type fanInSubscriber struct {
	m     *meter
	got   []*bitmap // by publisher
	next  []uint32  // by publisher: sequence number after the highest one seen
	each  uint32
	total uint64
	last  int64 // clock of the last delivery
	fresh bool  // something came in this read
	done  chan struct{}
}

func newFanInSubscriber(m *meter, publishers, each int) *fanInSubscriber {
	s := &fanInSubscriber{
		m: m, got: make([]*bitmap, publishers), next: make([]uint32, publishers),
		each: uint32(each), total: uint64(publishers) * uint64(each), done: make(chan struct{}, 1),
	}
	for i := range s.got {
		s.got[i] = newBitmap(each)
	}
	return s
}

func (s *fanInSubscriber) message(mk mark) error {
	if int(mk.publisher) >= len(s.got) || mk.sequence >= s.each {
		return errForeign
	}
	s.m.received++
	s.fresh = true
	got := s.got[mk.publisher]
	if got.has(mk.sequence) {
		s.m.duplicates++
		return nil
	}
	got.set(mk.sequence)
	if mk.sequence < s.next[mk.publisher] {
		s.m.outOfOrder++
	} else {
		s.next[mk.publisher] = mk.sequence + 1
	}
	s.m.arrived(mk.stamp)
	return nil
}

func (s *fanInSubscriber) ack(packet.PacketID, packet.ReasonCode) error { return errNoAck }

func (s *fanInSubscriber) turn() {
	if !s.fresh {
		return
	}
	s.fresh = false
	s.last = s.m.time()
	if s.m.unique() == s.total {
		select {
		case s.done <- struct{}{}:
		default:
		}
	}
}
