package bench

import (
	"math"
	"strconv"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
)

// runPairs is P2P, Sparse and Durable: publishers with a subscriber each.
func (f *fleet) runPairs(r *Result) error {
	o := f.opts
	paced := o.Mode == Sparse
	clients := make([]*client, 0, 2*o.Pairs)
	publishers := make([]*publisher, o.Pairs)
	for i := range publishers {
		pc, sc, p, s := f.pair(i)
		p.paced = paced
		if paced {
			p.sampled = 1
		}
		if o.Mode == Durable {
			p.timeAcks()
			sc.persistent = true
			if o.HoldAcks > 0 {
				sc.held = &heldAcks{c: sc, hold: int64(o.HoldAcks)}
			}
		}
		if o.QoS == packet.AtMostOnce {
			s.window = uint32(o.Window)
			p.until = s.window
		}
		publishers[i] = p
		clients = append(clients, pc, sc)
	}
	if err := f.join(r, clients); err != nil {
		return err
	}
	if paced {
		stop := f.pace(publishers)
		defer stop()
	} else {
		for _, p := range publishers {
			p.m.loop.Post(p)
		}
	}
	if o.HoldAcks > 0 {
		stop := f.releaseAcks(clients)
		defer stop()
	}
	if err := f.measure(r, func() error { return f.unstall(publishers) }); err != nil {
		return err
	}
	if o.Mode == Durable {
		if err := f.ackLatency(r); err != nil {
			return err
		}
	}
	if paced {
		h, err := f.histogram(f.ctx, func(m *meter) *hdrhistogram.Histogram { return m.lag })
		if err != nil {
			return err
		}
		lag := latencyOf(h)
		r.Messages.Lag = &lag
	}
	return f.drain(r, 1)
}

// pair makes the clients of pair i, on the same loop: they share the window.
func (f *fleet) pair(i int) (pc, sc *client, p *publisher, s *pairSubscriber) {
	topic := f.topic(strconv.Itoa(i))
	sc = f.client(i, "s"+strconv.Itoa(i))
	topic = sc.speak(f.opts.Receivers, topic)
	pc = f.client(i, "p"+strconv.Itoa(i))
	p = newPublisher(pc, uint32(i), topic)
	s = &pairSubscriber{m: sc.meter, peer: p, index: uint32(i)}
	sc.role = s
	return pc, sc, p, s
}

// ackLatency fills in how long PUBACKs took in the measured time.
func (f *fleet) ackLatency(r *Result) error {
	h, err := f.histogram(f.ctx, func(m *meter) *hdrhistogram.Histogram { return m.ack })
	if err == nil {
		l := latencyOf(h)
		r.Messages.AckLatency = &l
	}
	return err
}

// pairSubscriber is the subscriber of one pair.
type pairSubscriber struct {
	m       *meter
	peer    *publisher
	index   uint32
	window  uint32 // QoS 0: messages under way; 0 at QoS 1
	tracker tracker
}

func (s *pairSubscriber) message(mk mark) error {
	if mk.publisher != s.index {
		return errForeign
	}
	if s.m.count(&s.tracker, mk.sequence) {
		s.m.arrived(mk.stamp)
	}
	if s.window > 0 {
		s.peer.until = max(s.peer.until, mk.sequence+1+s.window)
	}
	return nil
}

func (s *pairSubscriber) ack(packet.PacketID, packet.ReasonCode) error {
	return errNoAck
}

func (s *pairSubscriber) turn() {
	if s.window > 0 {
		s.peer.turn()
	}
}

// unstall gives up windows of QoS 0 messages that do not arrive any more.
func (f *fleet) unstall(publishers []*publisher) error {
	if f.opts.QoS > packet.AtMostOnce || f.opts.Mode == Sparse || !f.stallDue() {
		return nil
	}
	return f.onLoops(f.ctx, func(m *meter) {
		for _, p := range publishers {
			if p.m == m {
				p.unstall(uint32(f.opts.Window))
			}
		}
	})
}

// stallDue tells whether Options.Stall has passed since it last said so.
func (f *fleet) stallDue() bool {
	now := time.Now()
	if now.Sub(f.stallCheck) < f.opts.Stall {
		return false
	}
	f.stallCheck = now
	return true
}

// unstall is called on p's loop. It gives up a window that is full and has not
// moved since the last call.
func (p *publisher) unstall(window uint32) {
	if p.next == p.until && p.stuck == p.until && p.until < math.MaxUint32-window {
		p.m.stalls++
		p.until += window
		p.pump()
	}
	p.stuck = p.until
}
