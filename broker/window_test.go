package broker

import (
	"testing"

	"github.com/holdfast-mqtt/holdfast/internal/randtest"
)

func TestPacketIDAfter(t *testing.T) {
	for _, c := range []struct {
		id   PacketID
		n    int
		want PacketID
	}{
		{1, 0, 1}, {1, 1, 2}, {65534, 1, 65535}, {65535, 1, 1}, {65535, 2, 2}, {1, 65534, 65535}, {1, 65535, 1}, {65535, 65534, 65534},
	} {
		if got := c.id.after(c.n); got != c.want {
			t.Errorf("PacketID(%d).after(%d): got %d, want %d", c.id, c.n, got, c.want)
		}
	}
}

// modelWindow is a naive window: a list of deliveries in order.
type modelWindow []modelDelivery

type modelDelivery struct {
	id    PacketID
	state inflightState
	msg   *Message
}

func (m modelWindow) index(id PacketID) int {
	for i, d := range m {
		if d.id == id {
			return i
		}
	}
	return -1
}

func (m modelWindow) unacked() int {
	n := 0
	for _, d := range m {
		if d.state != acknowledged {
			n++
		}
	}
	return n
}

// TestWindow compares a window with a list under random operations. Packet
// Identifiers wrap several times; some deliveries are held, some are not.
func TestWindow(t *testing.T) {
	for _, c := range []struct {
		name  string
		first PacketID
		holds func(i int) bool
		most  int // in flight
	}{
		{"nothing held", 1, func(int) bool { return false }, 50},
		{"all held, wrap", 65500, func(int) bool { return true }, 100},
		{"some held, wrap", 65530, func(i int) bool { return i%7 == 3 }, 20},
		{"held late", 65200, func(i int) bool { return i%100 > 90 }, 150},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := randtest.New(t)
			w := new(window)
			var m modelWindow
			next := c.first
			for i := range 6_000 {
				switch p := r.IntN(10); {
				case p < 5 && len(m) < c.most:
					d := modelDelivery{id: next, state: awaitAck}
					qos := QoS(1 + r.IntN(2))
					if qos == 2 {
						d.state = awaitReceipt
					}
					var h held
					if c.holds(i) {
						d.msg = &Message{TopicName: "t"}
						h.item.msg = d.msg
					}
					w.push(next, qos, h)
					m = append(m, d)
					next = next.after(1)
				case p < 6 && len(m) > 0: // a step
					at := r.IntN(len(m))
					if m[at].state == awaitReceipt {
						m[at].state = awaitDone
						*w.states.at(w.index(m[at].id)) = awaitDone
					}
				case len(m) > 0:
					m = settleModel(t, w, m, r.IntN(min(len(m), 1+r.IntN(len(m)))))
				}
				compareWindow(t, i, w, m)
				if t.Failed() {
					return
				}
			}
		})
	}
}

func settleModel(t *testing.T, w *window, m modelWindow, at int) modelWindow {
	t.Helper()
	if m[at].state == acknowledged {
		return m
	}
	if h := w.settle(w.index(m[at].id)); h.item.msg != m[at].msg {
		t.Errorf("settle(%d): got message %p, want %p", m[at].id, h.item.msg, m[at].msg)
	}
	m[at].state, m[at].msg = acknowledged, nil
	for len(m) > 0 && m[0].state == acknowledged {
		m = m[1:]
	}
	return m
}

func compareWindow(t *testing.T, step int, w *window, m modelWindow) {
	t.Helper()
	if w.states.len() != len(m) || w.unacked != m.unacked() {
		t.Errorf("step %d: got span %d and %d unacked, want %d and %d", step, w.states.len(), w.unacked, len(m), m.unacked())
		return
	}
	for i, d := range m {
		if got := w.index(d.id); got != i {
			t.Errorf("step %d: index(%d): got %d, want %d", step, d.id, got, i)
			return
		}
		if got := *w.states.at(i); got != d.state {
			t.Errorf("step %d: state of %d: got %d, want %d", step, d.id, got, d.state)
		}
		var msg *Message
		if h := w.hold(i); h != nil {
			msg = h.item.msg
		}
		if msg != d.msg {
			t.Errorf("step %d: held for %d: got %p, want %p", step, d.id, msg, d.msg)
		}
	}
	for _, id := range []PacketID{0, 1, 65535, 30000} {
		if got, want := w.index(id), m.index(id); got != want {
			t.Errorf("step %d: index(%d): got %d, want %d", step, id, got, want)
		}
	}
}

// TestWindowStuckFirst keeps the first delivery unacknowledged while all other
// Packet Identifiers are used once.
func TestWindowStuckFirst(t *testing.T) {
	w := new(window)
	first := PacketID(40_000)
	for i := range maxPacketID {
		w.push(first.after(i), 1, held{})
		if i > 0 {
			w.settle(w.index(first.after(i)))
		}
	}
	if w.states.len() != maxPacketID || w.unacked != 1 {
		t.Fatalf("got span %d and %d unacked, want %d and 1", w.states.len(), w.unacked, maxPacketID)
	}
	if got := w.index(first.after(maxPacketID - 1)); got != maxPacketID-1 {
		t.Errorf("index of the last: got %d, want %d", got, maxPacketID-1)
	}
	w.settle(0)
	if w.states.len() != 0 || w.unacked != 0 {
		t.Errorf("after the first is settled: got span %d and %d unacked, want 0 and 0", w.states.len(), w.unacked)
	}
	if got := w.index(first); got != -1 {
		t.Errorf("index in an empty window: got %d, want -1", got)
	}
}
