package bench

import (
	"context"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

// longest is the longest latency that the histograms tell apart.
const longest = time.Minute

// counts are what one loop has counted since the run began.
type counts struct {
	published  uint64 // messages put out by publishers
	acked      uint64 // of these: acknowledged with success
	refused    uint64 // of these: acknowledged with a failure (MQTT 5)
	received   uint64 // messages that came to a subscriber, duplicates included
	duplicates uint64
	outOfOrder uint64 // messages that came after one published later
	skipped    uint64 // messages of a paced publisher whose window was full
	stalls     uint64 // windows given up because nothing arrived any more
}

func (a *counts) add(b *counts) {
	a.published += b.published
	a.acked += b.acked
	a.refused += b.refused
	a.received += b.received
	a.duplicates += b.duplicates
	a.outOfOrder += b.outOfOrder
	a.skipped += b.skipped
	a.stalls += b.stalls
}

func (a counts) minus(b counts) counts {
	return counts{
		published: a.published - b.published, acked: a.acked - b.acked, refused: a.refused - b.refused,
		received: a.received - b.received, duplicates: a.duplicates - b.duplicates,
		outOfOrder: a.outOfOrder - b.outOfOrder, skipped: a.skipped - b.skipped, stalls: a.stalls - b.stalls,
	}
}

// unique is the number of different messages received.
func (a *counts) unique() uint64 { return a.received - a.duplicates }

// meter belongs to one loop: what its connections count, and what they share.
type meter struct {
	counts
	loop    *netloop.Loop
	started time.Time

	stopped   bool // publishers publish no more
	closing   bool // connections that end are no fault
	recording bool
	latency   *hdrhistogram.Histogram // publish to receive, nanoseconds
	lag       *hdrhistogram.Histogram // paced publishers: how late they published, nanoseconds
	ack       *hdrhistogram.Histogram // publish to PUBACK, nanoseconds, of publishers that time it
	now       int64                   // time of this read, once somebody has asked; 0 before
	acks      []byte                  // PUBACKs of this read
}

func newMeter(l *netloop.Loop, started time.Time) *meter {
	return &meter{loop: l, started: started, latency: newHistogram(), lag: newHistogram(), ack: newHistogram()}
}

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1000, int64(longest), 3)
}

// clock is the time since the run began in nanoseconds, never 0.
func (m *meter) clock() int64 { return int64(time.Since(m.started)) | 1 }

// time is the clock, read at most once for all messages of a read.
func (m *meter) time() int64 {
	if m.now == 0 {
		m.now = m.clock()
	}
	return m.now
}

// arrived records the latency of a timed message.
func (m *meter) arrived(stamp int64) {
	if stamp != 0 && m.recording {
		record(m.latency, m.time()-stamp)
	}
}

func record(h *hdrhistogram.Histogram, ns int64) {
	_ = h.RecordValue(min(max(ns, 0), int64(longest))) // within the range, so never an error
}

// reading is what all loops together have counted at one moment.
type reading struct {
	counts
	at  time.Duration // since the run began, the mean over the loops
	own time.Duration // the generator's CPU time
}

// onLoops runs do once on every loop, at the same time, and waits for all.
func (f *fleet) onLoops(ctx context.Context, do func(*meter)) error {
	done := make(chan struct{}, len(f.meters))
	for _, m := range f.meters {
		m.loop.PostFunc(func() {
			do(m)
			done <- struct{}{}
		})
	}
	for range f.meters {
		select {
		case <-done:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// read takes a reading. record, if not nil, also starts (true) or ends (false)
// the recording of latencies at that moment.
func (f *fleet) read(ctx context.Context, record *bool) (reading, error) {
	type part struct {
		counts
		at int64
	}
	parts := make(chan part, len(f.meters))
	err := f.onLoops(ctx, func(m *meter) {
		if record != nil {
			m.recording = *record
		}
		parts <- part{m.counts, m.clock()}
	})
	if err != nil {
		return reading{}, err
	}
	r := reading{own: ownCPU()}
	for range f.meters {
		p := <-parts
		r.add(&p.counts)
		r.at += time.Duration(p.at) / time.Duration(len(f.meters))
	}
	return r, nil
}

// histogram merges one histogram of every loop.
func (f *fleet) histogram(ctx context.Context, of func(*meter) *hdrhistogram.Histogram) (*hdrhistogram.Histogram, error) {
	all := make(chan *hdrhistogram.Histogram, len(f.meters))
	err := f.onLoops(ctx, func(m *meter) {
		h := newHistogram()
		h.Merge(of(m))
		all <- h
	})
	if err != nil {
		return nil, err
	}
	sum := newHistogram()
	for range f.meters {
		sum.Merge(<-all)
	}
	return sum, nil
}
