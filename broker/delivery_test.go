package broker_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/topic"
)

// TestDeliver publishes to one subscriber and looks at what it gets:
// v5 [MQTT-3.8.4-8], v3.1.1 [MQTT-3.8.4-6] (QoS), v5 [MQTT-3.3.1-12],
// [MQTT-3.3.1-13] (RETAIN), v5 [MQTT-3.3.4-3] (Subscription Identifiers).
func TestDeliver(t *testing.T) {
	sub := func(id uint32, qos uint8, asPublished bool) broker.Subscribe {
		return broker.Subscribe{TopicFilter: "a/+", ID: id, Options: topic.NewOptions(qos, false, asPublished, 0)}
	}
	for _, c := range []struct {
		name   string
		sub    broker.Subscribe
		qos    broker.QoS
		retain bool
		want   delivery
	}{
		{"QoS 0", sub(0, 2, false), 0, false, delivery{}},
		{"QoS 1", sub(0, 2, false), 1, false, delivery{qos: 1, id: 1}},
		{"QoS 2", sub(0, 2, false), 2, false, delivery{qos: 2, id: 1}},
		{"QoS 2 to 1", sub(0, 1, false), 2, false, delivery{qos: 1, id: 1}},
		{"QoS 2 to 0", sub(0, 0, false), 2, false, delivery{}},
		{"identifier", sub(7, 1, false), 1, false, delivery{qos: 1, id: 1, ids: []uint32{7}}},
		{"identifier, QoS 0", sub(7, 1, false), 0, false, delivery{ids: []uint32{7}}},
		{"retain is cleared", sub(0, 1, false), 1, true, delivery{qos: 1, id: 1}},
		{"retain as published", sub(0, 1, true), 1, true, delivery{qos: 1, id: 1, retain: true}},
	} {
		for _, life := range []uint32{0, never} {
			t.Run(fmt.Sprintf("%s, expiry %d", c.name, life), func(t *testing.T) {
				r := newRoom(t, broker.Config{})
				s, p := r.connect(t, "s", expiry(life)), r.connect(t, "p")
				s.subscribeTo(c.sub)
				set := func(m *broker.Message) { m.Retain = c.retain }
				if got := p.publish("a/b", "hello", c.qos, set).outcome(); got != broker.Accepted {
					t.Errorf("Publish: got result %d, want %d", got, broker.Accepted)
				}
				want := c.want
				want.topic, want.payload = "a/b", "hello"
				got := s.link.take()
				for i := range got { // a mailbox has numbers
					if numbered := life != 0 && c.want.qos > 0; numbered != (got[i].seq != 0) {
						t.Errorf("number: got %d, want any: %t", got[i].seq, numbered)
					}
					got[i].seq = 0
				}
				if len(got) != 1 || fmt.Sprint(got[0]) != fmt.Sprint(want) {
					t.Errorf("got %+v, want %+v", got, want)
				}
			})
		}
	}
}

func TestPublishToNobody(t *testing.T) {
	r := newRoom(t, broker.Config{})
	p := r.connect(t, "p")
	if got := p.publish("t", "", 1).outcome(); got != broker.NoSubscribers {
		t.Errorf("got result %d, want %d", got, broker.NoSubscribers)
	}
	p.subscribeTo(broker.Subscribe{TopicFilter: "t", Options: topic.NewOptions(1, true, false, 0)})
	if got := p.publish("t", "", 1).outcome(); got != broker.NoSubscribers { // v5 [MQTT-3.8.3-3]
		t.Errorf("No Local: got result %d, want %d", got, broker.NoSubscribers)
	}
	if got := p.link.take(); len(got) != 0 {
		t.Errorf("No Local: got %v, want nothing", got)
	}
}

// TestQueueInOrder fills connection, queue and waiting list of a subscriber and
// lets it take all in small portions. Nothing is lost, and all is in order:
// v5 [MQTT-4.6.0-5], [MQTT-4.6.0-6], v3.1.1 [MQTT-4.6.0-5], [MQTT-4.6.0-6].
func TestQueueInOrder(t *testing.T) {
	for _, life := range []uint32{0, never} {
		t.Run(fmt.Sprintf("expiry %d", life), func(t *testing.T) {
			r := newRoom(t, broker.Config{MaxQueuedMessages: 10, MaxInflight: 4})
			s, p := r.connect(t, "s", expiry(life)), r.connect(t, "p")
			s.subscribe("t", 1)
			s.link.setVerdict(broker.Full)
			p.publishAll("t", 1, 1, 10, broker.Accepted)
			waiting := p.publishAll("t", 1, 11, 40, broker.Pending)
			if st := r.Stats(); st.Queued != 10 || st.Waiting != 30 || st.Inflight != 0 {
				t.Errorf("got %d queued, %d waiting, %d in flight, want 10, 30, 0", st.Queued, st.Waiting, st.Inflight)
			}
			s.link.setVerdict(broker.Sent)
			s.resume()
			var all []delivery
			for got := s.link.take(); len(got) > 0; got = s.link.take() {
				if len(got) > 4 {
					t.Fatalf("in flight at once: got %d, want no more than 4", len(got))
				}
				all = append(all, got...)
				s.ack(ids(got)...)
			}
			wantPayloads(t, "deliveries", all, 1, 40)
			wantOutcome(t, "waiting", waiting, broker.Accepted)
			s.leave(broker.Leave{Expiry: new(uint32)})
			p.detach()
			r.wantIdle(t)
		})
	}
}

// TestQueueBytes bounds the queue in bytes. One message always fits.
func TestQueueBytes(t *testing.T) {
	for _, life := range []uint32{0, never} {
		r := newRoom(t, broker.Config{MaxQueuedBytes: 1000})
		s, p := r.connect(t, "s", expiry(life)), r.connect(t, "p")
		s.subscribe("t", 1)
		s.link.setVerdict(broker.Full)
		for i, want := range []broker.Result{broker.Accepted, broker.Pending, broker.Pending} {
			if got := p.publish("t", strings.Repeat("x", 2000), 1).outcome(); got != want {
				t.Errorf("expiry %d: publish %d: got result %d, want %d", life, i, got, want)
			}
		}
	}
}

// TestWaitingEnds ends a subscriber for which publishers wait. A Session that
// has ended is owed nothing; one that sleeps has no room and refuses.
func TestWaitingEnds(t *testing.T) {
	for _, c := range []struct {
		name string
		life uint32
		end  func(r *room, s *client)
		want broker.Result
	}{
		{"transient", 0, func(_ *room, s *client) { s.detach() }, broker.Accepted},
		{"persistent sleeps", never, func(_ *room, s *client) { s.detach() }, broker.QuotaExceeded},
		{"persistent ends", never, func(_ *room, s *client) { s.leave(broker.Leave{Expiry: new(uint32)}) }, broker.Accepted},
		{"clean start", never, func(r *room, _ *client) { r.connect(t, "s", clean) }, broker.Accepted},
		{"transient taken over", 0, func(r *room, _ *client) { r.connect(t, "s") }, broker.Accepted},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRoom(t, broker.Config{MaxQueuedMessages: 3})
			s, p := r.connect(t, "s", expiry(c.life)), r.connect(t, "p")
			s.subscribe("t", 1)
			s.link.setVerdict(broker.Full)
			p.publishAll("t", 1, 1, 3, broker.Accepted)
			waiting := p.publishAll("t", 1, 4, 9, broker.Pending)
			c.end(r, s)
			wantOutcome(t, "waiting", waiting, c.want)
			if st := r.Stats(); st.Waiting != 0 {
				t.Errorf("waiting: got %d, want 0", st.Waiting)
			}
		})
	}
}

// TestReceiveMaximum has no more in flight than the client has said, and goes
// on with each acknowledgement: v5 [MQTT-3.3.4-9], [MQTT-4.9.0-1], [MQTT-4.9.0-2].
func TestReceiveMaximum(t *testing.T) {
	r := newRoom(t, broker.Config{})
	s, p := r.connect(t, "s", receiveMaximum(2)), r.connect(t, "p")
	s.subscribe("t", 1)
	p.publishAll("t", 1, 1, 5, broker.Accepted)
	p.publish("t", "zero", 0) // QoS 0 does not count
	got := s.link.take()
	if len(got) != 3 || got[2].payload != "zero" {
		t.Fatalf("got %v, want 1, 2 and the message of QoS 0", got)
	}
	s.ack(got[1].id) // out of order
	wantPayloads(t, "after an ack", s.link.take(), 3, 3)
	s.ack(got[0].id)
	wantPayloads(t, "after two acks", s.link.take(), 4, 4)
}

func TestAckOutcomes(t *testing.T) {
	type call func(c *client) broker.Outcome
	ack := func(c *client) broker.Outcome { return c.s.Ack(c.sc, c.epoch, 1) }
	received := func(c *client) broker.Outcome { return c.s.Received(c.sc, c.epoch, 1, true) }
	refused := func(c *client) broker.Outcome { return c.s.Received(c.sc, c.epoch, 1, false) }
	complete := func(c *client) broker.Outcome { return c.s.Complete(c.sc, c.epoch, 1) }
	stale := func(c *client) broker.Outcome { return c.s.Ack(c.sc, c.epoch+1, 1) }
	unknown := func(c *client) broker.Outcome { return c.s.Ack(c.sc, c.epoch, 2) }
	none := func(c *client) broker.Outcome { return c.s.Ack(c.sc, c.epoch, 0) }
	for _, c := range []struct {
		name  string
		qos   broker.QoS
		calls []call
		want  []broker.Outcome
		left  int64 // in flight at the end
	}{
		{"QoS 1", 1, []call{ack, ack}, []broker.Outcome{broker.Settled, broker.Unknown}, 0},
		{"QoS 1, other steps", 1, []call{received, complete, refused}, []broker.Outcome{broker.OutOfStep, broker.OutOfStep, broker.OutOfStep}, 1},
		{"unknown", 1, []call{stale, unknown, none}, []broker.Outcome{broker.Unknown, broker.Unknown, broker.Unknown}, 1},
		{"QoS 2", 2, []call{received, received, complete, complete, received},
			[]broker.Outcome{broker.Settled, broker.Settled, broker.Settled, broker.Unknown, broker.Unknown}, 0},
		{"QoS 2 refused", 2, []call{refused, refused, complete}, []broker.Outcome{broker.Settled, broker.Unknown, broker.Unknown}, 0},
		{"QoS 2, other steps", 2, []call{ack, complete, received, ack, refused, complete},
			[]broker.Outcome{broker.OutOfStep, broker.OutOfStep, broker.Settled, broker.OutOfStep, broker.OutOfStep, broker.Settled}, 0},
	} {
		for _, life := range []uint32{0, never} {
			t.Run(fmt.Sprintf("%s, expiry %d", c.name, life), func(t *testing.T) {
				r := newRoom(t, broker.Config{})
				s, p := r.connect(t, "s", expiry(life)), r.connect(t, "p")
				s.subscribe("t", 2)
				p.publish("t", "", c.qos)
				var got []broker.Outcome
				for _, f := range c.calls {
					got = append(got, f(s))
				}
				if !slices.Equal(got, c.want) {
					t.Errorf("outcomes: got %v, want %v", got, c.want)
				}
				if st := r.Stats(); st.Inflight != c.left {
					t.Errorf("in flight: got %d, want %d", st.Inflight, c.left)
				}
			})
		}
	}
}

// TestOversized drops what the client can never take as if it had been sent:
// v5 [MQTT-3.1.2-25].
func TestOversized(t *testing.T) {
	for _, life := range []uint32{0, never} {
		for qos := broker.QoS(0); qos <= 2; qos++ {
			r := newRoom(t, broker.Config{})
			s, p := r.connect(t, "s", expiry(life)), r.connect(t, "p")
			s.subscribe("t", 2)
			s.link.setVerdict(broker.Oversized)
			if got := p.publish("t", "large", qos).outcome(); got != broker.Accepted {
				t.Errorf("QoS %d, expiry %d: got result %d, want %d", qos, life, got, broker.Accepted)
			}
			s.link.setVerdict(broker.Sent)
			p.publishAll("t", qos, 1, 3, broker.Accepted)
			wantPayloads(t, "what follows", s.link.take(), 1, 3)
			if st := r.Stats(); st.Dropped["oversized"] != 1 {
				t.Errorf("QoS %d, expiry %d: oversized: got %d, want 1", qos, life, st.Dropped["oversized"])
			}
		}
	}
}

// TestStuckFirst never acknowledges the first delivery: no Packet Identifier is
// given twice, and the rest waits once all are used.
func TestStuckFirst(t *testing.T) {
	r := newRoom(t, broker.Config{MaxQueuedMessages: 10})
	s, p := r.connect(t, "s"), r.connect(t, "p")
	s.subscribe("t", 1)
	p.publish("t", "first", 1)
	stuck := s.link.take()[0].id
	for i := range 65534 {
		p.publish("t", "", 1)
		got := s.link.take()
		if len(got) != 1 || got[0].id == stuck {
			t.Fatalf("delivery %d: got %v, want one with another identifier than %d", i, got, stuck)
		}
		s.ack(got[0].id)
	}
	p.publishAll("t", 1, 1, 10, broker.Accepted)
	if got := s.link.take(); len(got) != 0 {
		t.Fatalf("with all identifiers used: got %v, want nothing", got)
	}
	waiting := p.publishAll("t", 1, 11, 12, broker.Pending)
	s.ack(stuck)
	wantPayloads(t, "after the ack", s.link.take(), 1, 12)
	wantOutcome(t, "waiting", waiting, broker.Accepted)
}

// TestUnattendedIsBounded publishes for nobody who waits, as Wills are, to a
// subscriber that takes nothing.
func TestUnattendedIsBounded(t *testing.T) {
	r := newRoom(t, broker.Config{MaxQueuedMessages: 10})
	s := r.connect(t, "s")
	s.subscribe("t", 1)
	s.link.setVerdict(broker.Full)
	sc := r.NewScratch(nil)
	for range 1000 {
		r.Publish(sc, &broker.Publish{App: r.app, Message: &broker.Message{TopicName: "t", QoS: 1}})
	}
	if st := r.Stats(); st.Queued+st.Waiting > 20 || st.Refused < 980 {
		t.Errorf("got %d queued, %d waiting, %d refused, want no more than 20 kept", st.Queued, st.Waiting, st.Refused)
	}
}

// TestQoS0Drops counts what QoS 0 loses, by reason.
func TestQoS0Drops(t *testing.T) {
	for reason, prepare := range map[string]func(r *room, s *client){
		"slow":      func(_ *room, s *client) { s.link.setVerdict(broker.Full) },
		"oversized": func(_ *room, s *client) { s.link.setVerdict(broker.Oversized) },
		"offline":   func(_ *room, s *client) { s.detach() },
	} {
		r := newRoom(t, broker.Config{})
		s, p := r.connect(t, "s", expiry(never)), r.connect(t, "p")
		s.subscribe("t", 1)
		prepare(r, s)
		p.publishAll("t", 0, 1, 5, broker.Accepted)
		for name, got := range r.Stats().Dropped {
			if want := map[bool]uint64{true: 5}[name == reason]; got != want {
				t.Errorf("%s: dropped for %s: got %d, want %d", reason, name, got, want)
			}
		}
	}
}

// TestOverlapping has one message match several subscriptions of a client, which
// gets it once, at the largest QoS, with all identifiers: v5 [MQTT-3.3.4-2], [MQTT-3.3.4-4].
func TestOverlapping(t *testing.T) {
	r := newRoom(t, broker.Config{})
	s, p := r.connect(t, "s"), r.connect(t, "p")
	for i, filter := range []string{"a/b", "a/+", "#"} {
		s.subscribeTo(broker.Subscribe{TopicFilter: filter, ID: uint32(i + 1), Options: topic.NewOptions(uint8(i), false, false, 0)})
	}
	p.publish("a/b", "", 2)
	got := s.link.take()
	if len(got) != 1 || got[0].qos != 2 {
		t.Fatalf("got %v, want one delivery at QoS 2", got)
	}
	if slices.Sort(got[0].ids); !slices.Equal(got[0].ids, []uint32{1, 2, 3}) {
		t.Errorf("identifiers: got %v, want 1, 2, 3", got[0].ids)
	}
}

// TestMaxSubscriptions refuses one more, and no replacement.
func TestMaxSubscriptions(t *testing.T) {
	r := newRoom(t, broker.Config{MaxSubscriptions: 2})
	s := r.connect(t, "s")
	subs := []broker.Subscribe{{TopicFilter: "a"}, {TopicFilter: "b"}, {TopicFilter: "c"}, {TopicFilter: "a", ID: 1}}
	errs, _, err := s.s.Subscribe(s.sc, s.epoch, subs, nil)
	if err != nil || errs[0] != nil || errs[1] != nil || !errors.Is(errs[2], broker.ErrQuotaExceeded) || errs[3] != nil {
		t.Errorf("got %v and %v, want the third refused with %v", errs, err, broker.ErrQuotaExceeded)
	}
	if got := r.Stats().Subscriptions; got != 2 {
		t.Errorf("subscriptions: got %d, want 2", got)
	}
	if s.s.ClientID() != "s" || s.s.App() != r.app {
		t.Errorf("Session: got client %q, want \"s\"", s.s.ClientID())
	}
}

// TestKeepsProperties keeps all of a borrowed message.
func TestKeepsProperties(t *testing.T) {
	r := newRoom(t, broker.Config{})
	s, p := r.connect(t, "s", expiry(never)), r.connect(t, "p")
	s.subscribe("t", 1)
	s.detach()
	props := []byte{1, 2, 3}
	p.publish("t", "hello", 1, func(m *broker.Message) { m.Properties = props })
	clear(props)
	var got broker.Message
	r.connect(t, "s", expiry(never), func(c *broker.Connect) {
		c.Link.(*link).verdict = func(d *broker.Delivery) broker.Verdict {
			got = *d.Message
			return broker.Sent
		}
	})
	if got.TopicName != "t" || string(got.Payload) != "hello" || !slices.Equal(got.Properties, []byte{1, 2, 3}) {
		t.Errorf("got %q, %q, %v, want t, hello, [1 2 3]", got.TopicName, got.Payload, got.Properties)
	}
}
