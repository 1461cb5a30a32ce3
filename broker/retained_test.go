package broker_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/topic"
)

// retain publishes n retained messages, t/000 and so on.
func (c *client) retain(n int, qos broker.QoS) {
	for i := 1; i <= n; i++ {
		c.publish(fmt.Sprintf("t/%04d", i), fmt.Sprint(i), qos, retained)
	}
}

// TestRetained subscribes to more retained messages than are read at once, with
// small windows: v5 [MQTT-3.3.1-9], v3.1.1 [MQTT-3.3.1-6].
func TestRetained(t *testing.T) {
	for _, life := range []uint32{0, never} {
		for _, inflight := range []int{1, 3, 1000} {
			for qos := broker.QoS(0); qos <= 1; qos++ {
				t.Run(fmt.Sprintf("expiry %d, %d in flight, QoS %d", life, inflight, qos), func(t *testing.T) {
					r := newRoom(t, broker.Config{MaxInflight: inflight})
					p := r.connect(t, "p")
					p.retain(300, qos)
					s := r.connect(t, "s", expiry(life))
					s.subscribe("t/#", 1)
					var all []delivery
					for range 1000 {
						got := s.link.take()
						all = append(all, got...)
						for _, d := range got {
							if d.id != 0 {
								s.ack(d.id)
							}
							if !d.retain {
								t.Fatalf("delivery %s: got no RETAIN", d.payload)
							}
						}
						s.resume() // as the front does after Yield
					}
					wantPayloads(t, "deliveries", all, 1, 300)
					s.leave(broker.Leave{Expiry: new(uint32)})
					p.detach()
					r.wantIdle(t)
				})
			}
		}
	}
}

// TestRetainHandling: v5 [MQTT-3.3.1-9], [MQTT-3.3.1-10], [MQTT-3.3.1-11].
func TestRetainHandling(t *testing.T) {
	r := newRoom(t, broker.Config{})
	r.connect(t, "p").publish("t", "x", 1, retained)
	s := r.connect(t, "s")
	for i, c := range []struct {
		filter   string
		handling uint8
		want     int
	}{
		{"t", 0, 1}, {"t", 0, 1}, {"t", 1, 0}, {"t", 2, 0}, {"+", 1, 1}, {"+", 1, 0}, {"#", 2, 0}, {"$share/g/t", 0, 0}, {"other", 0, 0},
	} {
		s.subscribeTo(broker.Subscribe{TopicFilter: c.filter, Options: topic.NewOptions(1, false, false, c.handling)})
		if got := len(s.link.take()); got != c.want {
			t.Errorf("subscription %d to %q, Retain Handling %d: got %d messages, want %d", i, c.filter, c.handling, got, c.want)
		}
	}
}

// TestRetainedRemoved removes a retained message with an empty one:
// v5 [MQTT-3.3.1-6], v3.1.1 [MQTT-3.3.1-10].
func TestRetainedRemoved(t *testing.T) {
	r := newRoom(t, broker.Config{})
	p := r.connect(t, "p")
	p.publish("t", "x", 1, retained)
	p.publish("t", "y", 0, retained)
	if got := r.Stats().Retained; got != 1 {
		t.Errorf("retained: got %d, want 1", got)
	}
	p.publish("t", "", 1, retained)
	if got := r.Stats().Retained; got != 0 {
		t.Errorf("retained after removal: got %d, want 0", got)
	}
}

// TestMaxRetained refuses one more, and neither a replacement nor a removal.
func TestMaxRetained(t *testing.T) {
	r := newRoom(t, broker.Config{MaxRetained: 2})
	p := r.connect(t, "p")
	for i, c := range []struct {
		name, payload string
		want          broker.Result
	}{
		{"a", "1", broker.NoSubscribers}, {"b", "1", broker.NoSubscribers}, {"c", "1", broker.QuotaExceeded},
		{"a", "2", broker.NoSubscribers}, {"b", "", broker.NoSubscribers}, {"c", "1", broker.NoSubscribers},
	} {
		if got := p.publish(c.name, c.payload, 1, retained).outcome(); got != c.want {
			t.Errorf("publish %d to %q: got result %d, want %d", i, c.name, got, c.want)
		}
	}
}

// TestRetainedWhileBehind subscribes to retained messages while more is in the
// mailbox than has been read. All of the mailbox is delivered, in order.
func TestRetainedWhileBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newLateStore(t, 1)
		defer func() { _ = st.Close() }()
		r := newRoom(t, broker.Config{Store: st})
		p := r.connect(t, "p")
		p.retain(5, 1)
		s := r.connect(t, "s", expiry(never))
		s.subscribe("m", 1)
		s.detach()
		for i := 1; i <= 600; i++ {
			p.publish("m", fmt.Sprint(i), 1)
		}
		synctest.Wait()
		st.Hold(true)
		s = r.connect(t, "s", expiry(never))
		s.subscribe("t/#", 1)
		st.Hold(false)
		synctest.Wait()
		var mailbox []delivery
		fromRetained := 0
		for got := s.drain(); len(got) > 0; got = s.drain() {
			for _, d := range got {
				if d.retain {
					fromRetained++
				} else {
					mailbox = append(mailbox, d)
				}
			}
			synctest.Wait()
		}
		wantPayloads(t, "mailbox", mailbox, 1, 600)
		if fromRetained != 5 {
			t.Errorf("retained messages: got %d, want 5", fromRetained)
		}
	})
}

// TestRetainedRepeated loses the client before it has acknowledged retained messages.
func TestRetainedRepeated(t *testing.T) {
	r := newRoom(t, broker.Config{})
	p := r.connect(t, "p")
	p.retain(5, 1)
	s := r.connect(t, "s", expiry(never), receiveMaximum(3))
	s.subscribe("t/#", 1)
	wantPayloads(t, "first time", s.link.take(), 1, 3)
	s.detach()
	s = r.connect(t, "s", expiry(never), receiveMaximum(3))
	wantPayloads(t, "again", s.drain(), 1, 5)
}

// TestRetainedSubscribedAgain replaces a subscription, without asking for
// retained messages again, while those of the first one are on their way. They
// go on with the options of the second: v5 [MQTT-3.3.1-9], [MQTT-3.3.1-10].
func TestRetainedSubscribedAgain(t *testing.T) {
	for handling := uint8(1); handling <= 2; handling++ {
		r := newRoom(t, broker.Config{})
		p := r.connect(t, "p")
		p.retain(3, 1)
		s := r.connect(t, "s", receiveMaximum(1))
		s.subscribeTo(broker.Subscribe{TopicFilter: "t/#", Options: topic.NewOptions(1, false, false, 1)})
		got := s.link.take()
		wantPayloads(t, "first", got, 1, 1)
		s.subscribeTo(broker.Subscribe{TopicFilter: "t/#", Options: topic.NewOptions(0, false, false, handling)})
		s.ack(got[0].id)
		got = s.link.take()
		wantPayloads(t, "rest", got, 2, 3)
		if got[0].qos != 0 {
			t.Errorf("got QoS %d, want that of the second subscription, 0", got[0].qos)
		}
	}
}

// TestRetainedNoLocal has clients retain messages and subscribe with No Local:
// v5 [MQTT-3.8.3-3]. What counts is the Client Identifier, not the connection.
func TestRetainedNoLocal(t *testing.T) {
	r := newRoom(t, broker.Config{})
	s := r.connect(t, "s")
	s.publish("t/1", "1", 1, retained)
	r.connect(t, "p").publish("t/2", "2", 1, retained)
	s.publish("t/3", "3", 0, retained)
	s.detach()
	s = r.connect(t, "s", receiveMaximum(1))
	s.subscribeTo(broker.Subscribe{TopicFilter: "t/#", Options: topic.NewOptions(1, true, false, 0)})
	got := s.link.take()
	wantPayloads(t, "with No Local", got, 2, 2)
	s.ack(got[0].id)
	wantPayloads(t, "more", s.link.take(), 1, 0)
	s.subscribeTo(broker.Subscribe{TopicFilter: "t/3", Options: topic.NewOptions(0, false, false, 0)})
	wantPayloads(t, "without", s.link.take(), 3, 3)
}

// TestUnsubscribeCancelsRetained unsubscribes while retained messages are on their way.
func TestUnsubscribeCancelsRetained(t *testing.T) {
	r := newRoom(t, broker.Config{})
	p := r.connect(t, "p")
	p.retain(5, 1)
	s := r.connect(t, "s", receiveMaximum(1))
	s.subscribe("t/#", 1)
	got := s.link.take()
	existed, _, err := s.s.Unsubscribe(s.sc, s.epoch, []string{"t/#", "t/#", "other"}, nil)
	if err != nil || fmt.Sprint(existed) != "[true false false]" {
		t.Errorf("Unsubscribe: got %v and %v, want true, false, false", existed, err)
	}
	s.ack(got[0].id)
	if got := s.link.take(); len(got) != 0 {
		t.Errorf("after Unsubscribe: got %v, want nothing", got)
	}
}

// TestMessageExpiry: v5 [MQTT-3.3.2-5].
func TestMessageExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t, broker.Config{})
		defer r.Close()
		short := func(m *broker.Message) { m.Expires = time.Now().Add(10 * time.Second) }
		p := r.connect(t, "p")
		s := r.connect(t, "s", expiry(never))
		s.subscribe("t", 1)
		s.detach()
		p.publish("t", "short", 1, short)
		p.publish("t", "1", 1)
		p.publish("r", "short", 1, short, retained)
		advance(10 * time.Second)
		s = r.connect(t, "s", expiry(never))
		s.subscribe("r", 1)
		wantPayloads(t, "deliveries", s.drain(), 1, 1)
		if st := r.Stats(); st.Queued != 0 || st.Retained != 0 || st.Dropped["expired"] != 1 {
			t.Errorf("got %d queued, %d retained, %d expired, want 0, 0, 1", st.Queued, st.Retained, st.Dropped["expired"])
		}
	})
}

// TestRetainedStuckFirst is TestStuckFirst with retained messages, which fill the
// window by themselves.
func TestRetainedStuckFirst(t *testing.T) {
	r := newRoom(t, broker.Config{})
	p := r.connect(t, "p")
	s := r.connect(t, "s")
	s.subscribe("t", 1)
	p.publish("t", "first", 1)
	stuck := s.link.take()[0].id
	for range 65533 {
		p.publish("t", "", 1)
		s.ack(s.link.take()[0].id)
	}
	p.retain(10, 1)
	s.subscribe("t/#", 1)
	for _, d := range s.link.take() {
		if d.id == stuck {
			t.Fatalf("delivery %v: got the identifier of one in flight", d)
		}
	}
	if st := r.Stats(); st.Inflight != 2 {
		t.Errorf("in flight: got %d, want 2", st.Inflight)
	}
	s.ack(stuck)
	wantPayloads(t, "after the ack", s.link.take(), 2, 10)
}

// TestRetainedRefused sends retained messages to a connection that is Full, that
// takes no large ones, and that is ending.
func TestRetainedRefused(t *testing.T) {
	for qos := broker.QoS(0); qos <= 1; qos++ {
		r := newRoom(t, broker.Config{})
		r.connect(t, "p").retain(4, qos)
		s := r.connect(t, "s")
		first := true
		s.link.verdict = func(d *broker.Delivery) broker.Verdict {
			switch string(d.Message.Payload) {
			case "2":
				return broker.Oversized
			case "3":
				if first {
					first = false
					return broker.Full
				}
			}
			return broker.Sent
		}
		s.subscribe("t/#", 1)
		wantPayloads(t, "before it is Full", s.link.take(), 1, 1)
		s.resume()
		wantPayloads(t, "after that", s.link.take(), 3, 4)
		if got := r.Stats().Dropped["oversized"]; got != 1 {
			t.Errorf("oversized: got %d, want 1", got)
		}
		s.link.setVerdict(broker.Gone)
		s.subscribe("t/#", 1)
		s.detach()
		if got := r.Stats().Inflight; got != 0 {
			t.Errorf("in flight: got %d, want 0", got)
		}
	}
}
