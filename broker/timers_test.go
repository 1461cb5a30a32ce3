package broker_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/storage/memory"
)

// TestSessionExpiry: v5 3.1.2.11.2. The Session is there until its interval has
// passed, and then nothing of it is.
func TestSessionExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := memory.New()
		r := newRoom(t, broker.Config{Store: st})
		defer r.Close()
		p := r.connect(t, "p")
		s := r.connect(t, "s", expiry(60))
		s.subscribe("t", 1)
		advance(time.Hour) // connected: it does not expire
		s.detach()
		p.publishAll("t", 1, 1, 300, broker.Accepted)
		advance(59 * time.Second)
		if s = r.connect(t, "s", expiry(60)); !s.Present {
			t.Error("after 59 s: got no Session, want it present")
		}
		wantPayloads(t, "after 59 s", s.link.take(), 1, 300)
		s.detach()
		advance(60*time.Second + sweep)
		p.detach()
		r.wantIdle(t)
		if got := records(st); got != 0 {
			t.Errorf("left in the Store: got %v, want nothing", got)
		}
		if s = r.connect(t, "s", expiry(60)); s.Present {
			t.Error("after 60 s: got the Session present, want none")
		}
		s.detach()
		advance(time.Minute)
	})
}

// sweep is how long the memory of a Session that sleeps may outlive it.
const sweep = 30 * time.Second

// TestDisconnectChangesExpiry: v5 3.14.2.2.2.
func TestDisconnectChangesExpiry(t *testing.T) {
	for _, c := range []struct {
		name     string
		first, n uint32
		lives    time.Duration
	}{
		{"shorter", 60, 10, 10 * time.Second},
		{"longer", 10, 60, 60 * time.Second},
		{"none", 60, 0, 0},
		{"from none", 0, 60, 0}, // the front refuses it; here it has no effect
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRoom(t, broker.Config{})
				defer r.Close()
				s := r.connect(t, "s", expiry(c.first))
				s.subscribe("t", 1)
				s.link.setVerdict(broker.Full)
				p := r.connect(t, "p")
				p.publish("t", "1", 1)
				p.detach()
				s.leave(broker.Leave{Graceful: true, Expiry: &c.n})
				if c.lives > 0 {
					advance(c.lives - time.Second)
					if got := r.Stats().Sessions; got != 1 {
						t.Errorf("a second before: got %d sessions, want 1", got)
					}
					advance(time.Second + sweep)
				}
				r.wantIdle(t)
			})
		})
	}
}

// TestWillLostOnly: such a Will is not published while the client is there, however it has come back, and is when it is lost.
func TestWillLostOnly(t *testing.T) {
	for _, c := range []struct {
		name  string
		life  uint32
		delay time.Duration
		back  []func(*broker.Connect)
	}{
		{"transient", 0, time.Second, nil},
		{"transient, then lasting", 0, time.Second, []func(*broker.Connect){expiry(never)}},
		{"lasting, no delay", never, 0, []func(*broker.Connect){expiry(never)}},
		{"lasting, then a clean start", never, time.Second, []func(*broker.Connect){clean}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRoom(t, broker.Config{})
				defer r.Close()
				s := r.connect(t, "s")
				s.subscribe("will", 1)
				w := will(broker.Will{Message: &broker.Message{TopicName: "will", Payload: []byte("w"), QoS: 1}, Delay: c.delay, LostOnly: true})
				r.connect(t, "c", expiry(c.life), w)
				back := r.connect(t, "c", append(c.back, w)...)
				advance(time.Minute)
				if got := s.link.take(); len(got) != 0 {
					t.Fatalf("the client is there: got %v, want nothing", got)
				}
				back.detach()
				advance(time.Minute)
				if got := s.link.take(); len(got) != 1 {
					t.Errorf("the client is lost: got %v, want its Will", got)
				}
			})
		})
	}
}

// TestWill: v5 [MQTT-3.1.2-8], [MQTT-3.1.3-9], [MQTT-3.14.4-3], v3.1.1
// [MQTT-3.1.2-8], [MQTT-3.1.2-10].
func TestWill(t *testing.T) {
	lost := func(c *client) { c.detach() }
	for _, c := range []struct {
		name  string
		life  uint32
		delay time.Duration
		leave func(*client)
		then  func(*room, *testing.T) // 5 s later
		at    time.Duration           // when it is published after the leave; -1 for never
	}{
		{"at once", 0, 0, lost, nil, 0},
		{"at once, persistent", never, 0, lost, nil, 0},
		{"graceful", never, 0, func(c *client) { c.leave(broker.Leave{Graceful: true}) }, nil, -1},
		{"graceful, delayed", never, 10e9, func(c *client) { c.leave(broker.Leave{Graceful: true}) }, nil, -1},
		{"delayed", never, 10e9, lost, nil, 10 * time.Second},
		{"delayed, session ends first", 5, 10e9, lost, nil, 5 * time.Second},
		{"delayed, session ends at once", 0, 10e9, lost, nil, 0},
		{"delayed, session ended by DISCONNECT", never, 10e9, func(c *client) { c.leave(broker.Leave{Expiry: new(uint32)}) }, nil, 0},
		{"delayed, back in time", never, 10e9, lost, func(r *room, t *testing.T) { r.connect(t, "c", expiry(never)) }, -1},
		{"delayed, clean start in time", never, 10e9, lost, func(r *room, t *testing.T) { r.connect(t, "c", clean) }, 5 * time.Second},
		{"taken over", never, 0, func(c *client) { c.room.connect(c.t, "c", expiry(never)) }, nil, 0},
		{"taken over, delayed", never, 10e9, func(c *client) { c.room.connect(c.t, "c", expiry(never)) }, nil, -1},
		{"taken over, transient", 0, 0, func(c *client) { c.room.connect(c.t, "c") }, nil, 0},
		{"taken over by a clean start", never, 10e9, func(c *client) { c.room.connect(c.t, "c", clean) }, nil, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRoom(t, broker.Config{})
				defer r.Close()
				s := r.connect(t, "s")
				s.subscribe("will", 1)
				m := &broker.Message{TopicName: "will", Payload: []byte("w"), QoS: 1}
				w := r.connect(t, "c", expiry(c.life), will(broker.Will{Message: m, Delay: c.delay}))
				start := time.Now()
				c.leave(w)
				var got []time.Duration
				for range 20 {
					for range s.link.take() {
						got = append(got, time.Since(start))
					}
					advance(time.Second)
					if c.then != nil && time.Since(start) == 5*time.Second {
						c.then(r, t)
					}
				}
				switch {
				case c.at < 0 && len(got) > 0:
					t.Errorf("published after %v, want never", got)
				case c.at >= 0 && (len(got) != 1 || got[0] != c.at):
					t.Errorf("published after %v, want once, after %v", got, c.at)
				}
			})
		})
	}
}

// TestWillExpiry counts a Will's lifetime from its publication.
func TestWillExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t, broker.Config{})
		defer r.Close()
		s := r.connect(t, "s", expiry(never))
		s.subscribe("will", 1)
		s.detach()
		m := &broker.Message{TopicName: "will", Payload: []byte("1"), QoS: 1}
		w := r.connect(t, "c", will(broker.Will{Message: m, Expiry: 10 * time.Second}))
		advance(time.Hour)
		w.detach()
		advance(9 * time.Second)
		s = r.connect(t, "s", expiry(never))
		wantPayloads(t, "after 9 s", s.link.take(), 1, 1)
	})
}

// TestWillToMailboxFromTimer publishes a Will from a timer to a client whose mailbox
// is being read, with a Store that answers at once.
func TestWillToMailboxFromTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t, broker.Config{})
		defer r.Close()
		s := r.connect(t, "s", expiry(never), receiveMaximum(1))
		s.subscribe("will", 1)
		s.detach()
		p := r.connect(t, "p")
		p.publishAll("will", 1, 1, 600, broker.Accepted)
		s = r.connect(t, "s", expiry(never), receiveMaximum(1))
		m := &broker.Message{TopicName: "will", Payload: []byte("601"), QoS: 1}
		r.connect(t, "c", expiry(never), will(broker.Will{Message: m, Delay: time.Second})).detach()
		advance(time.Second)
		wantPayloads(t, "deliveries", s.drain(), 1, 601)
	})
}
