package broker_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// slowRoom has a subscriber that takes nothing and publishers that wait for it.
func slowRoom(t *testing.T, life uint32) (r *room, s *client, waiting []*publication) {
	r = newRoom(t, broker.Config{MaxQueuedMessages: 2, MaxInflight: 2, SlowConsumerTimeout: 20 * time.Second})
	s = r.connect(t, "s", expiry(life))
	p := r.connect(t, "p")
	s.subscribe("t", 1)
	if life == 0 {
		p.publishAll("t", 1, 1, 2, broker.Accepted) // in the window
	}
	p.publishAll("t", 1, 3, 4, broker.Accepted)
	return r, s, p.publishAll("t", 1, 5, 6, broker.Pending)
}

func wantSlowEnd(t *testing.T, what string, l *link, want bool) {
	t.Helper()
	got := l.ended()
	if !want && len(got) > 0 || want && (len(got) != 1 || !errors.Is(got[0], broker.ErrSlowConsumer)) {
		t.Errorf("%s: connection ended with %v, want as a slow consumer: %t", what, got, want)
	}
}

// TestSlowConsumer ends the connection of a client for which publishers have
// waited in vain, and lets them go.
func TestSlowConsumer(t *testing.T) {
	for life, want := range map[uint32]broker.Result{0: broker.Accepted, never: broker.QuotaExceeded} {
		synctest.Test(t, func(t *testing.T) {
			r, s, waiting := slowRoom(t, life)
			defer r.Close()
			advance(19 * time.Second)
			wantSlowEnd(t, "after 19 s", s.link, false)
			advance(time.Second)
			wantSlowEnd(t, "after 20 s", s.link, true)
			wantOutcome(t, "before the connection has ended", waiting, broker.Pending)
			s.detach()
			wantOutcome(t, "after it has ended", waiting, want)
			if got := r.Stats().SlowEnded; got != 1 {
				t.Errorf("SlowEnded: got %d, want 1", got)
			}
		})
	}
}

// TestSlowConsumerProgress spares a client that takes something now and then.
func TestSlowConsumerProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, s, waiting := slowRoom(t, 0)
		defer r.Close()
		advance(19 * time.Second)
		s.ack(1) // its place goes to one that is queued, that one's to one that waits
		wantOutcome(t, "the first", waiting[:1], broker.Accepted)
		advance(20 * time.Second)
		wantSlowEnd(t, "20 s after progress", s.link, false)
		advance(2 * time.Second)
		wantSlowEnd(t, "a whole period without", s.link, true)
	})
}

// TestSlowConsumerCatchesUp is not ended once nobody waits.
func TestSlowConsumerCatchesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, s, waiting := slowRoom(t, never)
		defer r.Close()
		s.ack(1, 2)
		wantOutcome(t, "waiting", waiting, broker.Accepted)
		advance(time.Hour)
		wantSlowEnd(t, "with nobody waiting", s.link, false)
	})
}

// TestSlowConsumerTakenOver is watched on its new connection too.
func TestSlowConsumerTakenOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _, waiting := slowRoom(t, never)
		defer r.Close()
		advance(15 * time.Second)
		s := r.connect(t, "s", expiry(never), verdict(broker.Full))
		wantOutcome(t, "after the takeover", waiting, broker.Pending)
		advance(19 * time.Second)
		wantSlowEnd(t, "19 s after the takeover", s.link, false)
		advance(time.Second)
		wantSlowEnd(t, "20 s after the takeover", s.link, true)
		s.detach()
		wantOutcome(t, "after it has ended", waiting, broker.QuotaExceeded)
	})
}

// TestWaitingIsBounded has publishers that come back again and again, without
// waiting for the answer.
func TestWaitingIsBounded(t *testing.T) {
	r := newRoom(t, broker.Config{MaxQueuedMessages: 1, MaxWaitingMessages: 50})
	s := r.connect(t, "s")
	s.subscribe("t", 1)
	s.link.setVerdict(broker.Full)
	refused := 0
	for range 100 {
		p := r.connect(t, "p")
		if p.publish("t", "", 1).outcome() == broker.QuotaExceeded {
			refused++
		}
		p.detach()
	}
	if st := r.Stats(); st.Waiting != 50 || refused != 49 {
		t.Errorf("got %d waiting, %d refused, want 50 and 49", st.Waiting, refused)
	}
}

// TestWaitingBytesAreBounded bounds the same in bytes.
func TestWaitingBytesAreBounded(t *testing.T) {
	r := newRoom(t, broker.Config{MaxQueuedMessages: 1, MaxWaitingBytes: 500})
	s, p := r.connect(t, "s"), r.connect(t, "p")
	s.subscribe("t", 1)
	s.link.setVerdict(broker.Full)
	large := func(m *broker.Message) { m.Payload = make([]byte, 400) }
	for i, want := range []broker.Result{broker.Accepted, broker.Pending, broker.QuotaExceeded} {
		if got := p.publish("t", "", 1, large).outcome(); got != want {
			t.Errorf("publish %d: got result %d, want %d", i, got, want)
		}
	}
	s.link.setVerdict(broker.Sent)
	s.resume()
	s.link.setVerdict(broker.Full)
	for i, want := range []broker.Result{broker.Accepted, broker.Pending} {
		if got := p.publish("t", "", 1, large).outcome(); got != want {
			t.Errorf("publish %d after all was taken: got result %d, want %d", i, got, want)
		}
	}
}
