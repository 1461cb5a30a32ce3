package broker_test

import (
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// laggard is a link whose client is behind, or not.
type laggard struct {
	*link
	behind bool
}

// Lags implements broker.Lagger.
func (l *laggard) Lags() bool { return l.behind }

// Clients that are behind get no QoS 0 messages under relief, which is counted, and lose nothing else.
func TestReliefDropsLagging(t *testing.T) {
	for _, tt := range []struct {
		name   string
		relief broker.Relief
		behind bool
		drops  bool
	}{
		{"no relief", broker.Relief{}, true, false},
		{"a client that keeps up", broker.Relief{DropLagging: true}, false, false},
		{"one that is behind", broker.Relief{DropLagging: true}, true, true},
		{"relief of another kind", broker.Relief{WindowShift: 3}, true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRoom(t, broker.Config{})
			l := &laggard{link: newLink(), behind: tt.behind}
			s := r.connect(t, "s", func(c *broker.Connect) { c.Link = l })
			p := r.connect(t, "p")
			p.publish("t/old", "1", 0, retained)
			r.SetRelief(tt.relief)
			s.subscribe("t/#", 2)
			wantPayloads(t, "retained, QoS 0", l.take(), 1, 1)
			p.publishAll("t/new", 1, 1, 3, broker.Accepted)
			wantPayloads(t, "QoS 1", l.take(), 1, 3)
			p.publishAll("t/new", 2, 4, 5, broker.Accepted)
			wantPayloads(t, "QoS 2", l.take(), 4, 5)
			p.publishAll("t/new", 0, 6, 8, broker.Accepted)
			last, dropped := 8, uint64(0)
			if tt.drops {
				last, dropped = 5, 3
			}
			wantPayloads(t, "QoS 0", l.take(), 6, last)
			if got := r.Stats().Dropped["overload"]; got != dropped {
				t.Errorf("got %d dropped, want %d", got, dropped)
			}
			r.SetRelief(broker.Relief{})
			p.publishAll("t/new", 0, 9, 9, broker.Accepted)
			wantPayloads(t, "QoS 0, afterwards", l.take(), 9, 9)
		})
	}
}

// A window that has shrunk leaves what is in flight, takes more when so much is acknowledged, and grows again. Nothing
// is lost or comes out of order.
func TestReliefShrinksWindows(t *testing.T) {
	for name, life := range map[string]uint32{"transient": 0, "persistent": never} {
		t.Run(name, func(t *testing.T) {
			r := newRoom(t, broker.Config{MaxInflight: 8})
			s := r.connect(t, "s", expiry(life))
			p := r.connect(t, "p")
			s.subscribe("t", 1)
			p.publishAll("t", 1, 1, 4, broker.Accepted)
			wantPayloads(t, "before", s.link.take(), 1, 4)
			r.SetRelief(broker.Relief{WindowShift: 2})
			p.publishAll("t", 1, 5, 20, broker.Accepted)
			wantPayloads(t, "with more in flight than may be", s.link.take(), 1, 0)
			s.ack(1, 2)
			wantPayloads(t, "with as many as may be", s.link.take(), 1, 0)
			s.ack(3)
			wantPayloads(t, "with one less", s.link.take(), 5, 5)
			r.SetRelief(broker.Relief{WindowShift: 200})
			s.ack(4)
			wantPayloads(t, "with the one that always may be", s.link.take(), 1, 0)
			s.ack(5)
			wantPayloads(t, "with none", s.link.take(), 6, 6)
			r.SetRelief(broker.Relief{})
			s.ack(6)
			wantPayloads(t, "afterwards", s.link.take(), 7, 14)
			s.ack(7, 8, 9, 10, 11, 12, 13, 14)
			wantPayloads(t, "the rest", s.link.take(), 15, 20)
		})
	}
}

// Retained messages go out one by one if the window has shrunk while they do.
func TestReliefWithRetained(t *testing.T) {
	r := newRoom(t, broker.Config{MaxInflight: 4})
	p := r.connect(t, "p")
	for _, name := range []string{"t/1", "t/2", "t/3"} {
		p.publish(name, name[2:], 1, retained)
	}
	r.SetRelief(broker.Relief{WindowShift: 16})
	s := r.connect(t, "s")
	s.subscribe("t/#", 1)
	for i := 1; i <= 3; i++ {
		got := s.link.take()
		if len(got) != 1 {
			t.Fatalf("message %d: got %d deliveries, want 1", i, len(got))
		}
		s.ack(got[0].id)
	}
	if got := s.link.take(); len(got) != 0 {
		t.Errorf("afterwards: got %v, want nothing", got)
	}
}
