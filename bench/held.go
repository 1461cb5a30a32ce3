package bench

import (
	"sync"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

// releaseEvery is how often late acknowledgements are looked at.
const releaseEvery = time.Millisecond

// heldAcks are the PUBACKs that a subscriber keeps back. They belong to its
// client's loop.
type heldAcks struct {
	// static
	c    *client
	hold int64 // nanoseconds

	queue []heldAck
	head  int // of queue: the first that is still held
}

type heldAck struct {
	due int64 // clock
	id  packet.PacketID
}

func (h *heldAcks) add(id packet.PacketID) {
	h.queue = append(h.queue, heldAck{h.c.meter.time() + h.hold, id})
}

// Run sends what is due: netloop.Task.
func (h *heldAcks) Run(*netloop.Loop) {
	if h.c.stage != ready {
		return
	}
	m := h.c.meter
	now := m.clock()
	m.acks = m.acks[:0]
	for ; h.head < len(h.queue) && h.queue[h.head].due <= now; h.head++ {
		id := h.queue[h.head].id
		m.acks = append(m.acks, byte(packet.TypePubAck)<<4, 2, byte(id>>8), byte(id))
	}
	if len(m.acks) > 0 {
		h.c.conn.Write(m.loop, m.acks)
	}
	if h.head > len(h.queue)/2 { // what is gone is most of it
		h.queue = h.queue[:copy(h.queue, h.queue[h.head:])]
		h.head = 0
	}
}

// releaseAcks has held acknowledgements sent when they are due, until stop is
// called, which waits until no more is posted.
func (f *fleet) releaseAcks(clients []*client) (stop func()) {
	quit := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(releaseEvery)
		defer tick.Stop()
		for {
			select {
			case <-quit:
				return
			case <-tick.C:
			}
			for _, c := range clients {
				if c.held != nil {
					c.meter.loop.Post(c.held)
				}
			}
		}
	})
	return func() {
		close(quit)
		wg.Wait()
	}
}
