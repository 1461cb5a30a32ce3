package broker_test

import (
	"fmt"
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/topic"
	"github.com/holdfast-mqtt/holdfast/storage/memory"
)

// sink is a Link that does nothing.
type sink struct{ last broker.PacketID }

func (s *sink) Deliver(d *broker.Delivery) broker.Verdict {
	s.last = d.PacketID
	return broker.Sent
}
func (*sink) Release(broker.PacketID, any) {}
func (*sink) Yield(any)                    {}
func (*sink) End(error)                    {}

// hall is a broker with subscribers that take everything.
type hall struct {
	b       *broker.Broker
	sc      *broker.Scratch
	publish broker.Publish
	message broker.Message
	name    []byte
	payload []byte
	subs    []*seat
}

// seat is a subscriber in a hall.
type seat struct {
	sink
	session *broker.Session
	epoch   uint64
}

func newHall(t testing.TB, subscribers int, qos uint8) *hall {
	b := broker.New(broker.Config{Store: memory.New()})
	t.Cleanup(b.Close)
	h := &hall{b: b, sc: b.NewScratch(nil), name: []byte("a/b"), payload: make([]byte, 64)}
	app := b.App(broker.DefaultApp)
	for i := range subscribers + 1 {
		s := new(seat)
		b.Connect(h.sc, &broker.Connect{App: app, ClientID: fmt.Sprint(i), CleanStart: true, Link: s}, func(c broker.Connected) {
			s.session, s.epoch = c.Session, c.Epoch
			c.Session.Start(h.sc, c.Epoch)
		})
		if i == subscribers { // the last one publishes
			h.publish = broker.Publish{App: app, Message: &h.message, Session: s.session, Epoch: s.epoch, Deferrer: new(publication)}
			break
		}
		sub := broker.Subscribe{TopicFilter: "a/b", Options: topic.NewOptions(qos, false, false, 0)}
		if _, _, err := s.session.Subscribe(h.sc, s.epoch, []broker.Subscribe{sub}, nil); err != nil {
			t.Fatalf("Subscribe: got %v, want nil", err)
		}
		h.subs = append(h.subs, s)
	}
	return h
}

// round publishes a borrowed message and has all subscribers acknowledge it.
func (h *hall) round(qos broker.QoS) broker.Result {
	h.message = broker.Message{TopicName: borrowString(h.name), Payload: h.payload, QoS: qos}
	h.message.Borrow()
	r := h.b.Publish(h.sc, &h.publish)
	for _, s := range h.subs {
		switch qos {
		case 1:
			s.session.Ack(h.sc, s.epoch, s.last)
		case 2:
			s.session.Received(h.sc, s.epoch, s.last, true)
			s.session.Complete(h.sc, s.epoch, s.last)
		}
	}
	return r
}

// TestFastPathDoesNotAllocate publishes to a client that takes everything at
// once. One, because the race detector has sync.Pool forget things.
func TestFastPathDoesNotAllocate(t *testing.T) {
	for qos := broker.QoS(0); qos <= 2; qos++ {
		h := newHall(t, 1, 2)
		if got := h.round(qos); got != broker.Accepted {
			t.Errorf("QoS %d: got result %d, want %d", qos, got, broker.Accepted)
		}
		if got := testing.AllocsPerRun(1000, func() { h.round(qos) }); got != 0 {
			t.Errorf("QoS %d: got %v allocations per publish, want 0", qos, got)
		}
	}
}

func BenchmarkPublish(b *testing.B) {
	for _, subscribers := range []int{1, 1000} {
		for qos := broker.QoS(0); qos <= 2; qos++ {
			b.Run(fmt.Sprintf("subscribers=%d/qos=%d", subscribers, qos), func(b *testing.B) {
				h := newHall(b, subscribers, 2)
				b.ReportAllocs()
				for b.Loop() {
					h.round(qos)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(subscribers), "ns/delivery")
			})
		}
	}
}

// BenchmarkMailbox publishes to a persistent Session that acknowledges at once.
func BenchmarkMailbox(b *testing.B) {
	r := newRoom(b, broker.Config{})
	s, p := r.connect(b, "s", expiry(never)), newHall(b, 0, 0)
	s.subscribe("a/b", 1)
	c := r.connect(b, "p")
	p.publish.App, p.publish.Session, p.publish.Epoch = r.app, c.s, c.epoch
	p.b, p.sc = r.Broker, c.sc
	b.ReportAllocs()
	for b.Loop() {
		p.round(1)
		for _, d := range s.link.take() {
			s.ack(d.id)
		}
	}
}
