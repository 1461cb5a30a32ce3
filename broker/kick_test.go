package broker_test

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// TestKick has an operator end connections. What becomes of the Session, its messages and its Will is as after any loss of the
// connection, unless the Session is to end.
func TestKick(t *testing.T) {
	for _, tt := range []struct {
		name        string
		expiry      uint32
		delay       time.Duration
		end         bool
		stays       bool
		will, later int // Wills published at once, and when the delay has passed
	}{
		{"lasting", 1000, 0, false, true, 1, 1},
		{"lasting, Will delayed", 1000, 10 * time.Second, false, true, 0, 1},
		{"lasting, ended", 1000, 0, true, false, 1, 1},
		{"lasting, ended, Will delayed", 1000, 10 * time.Second, true, false, 1, 1},
		{"transient", 0, 0, false, false, 1, 1},
		{"transient, ended", 0, 10 * time.Second, true, false, 1, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := &witness{id: "w"}
				r := newRoom(t, broker.Config{Hooks: []broker.Hook{h}})
				w := r.connect(t, "w")
				w.subscribe("will", 0)
				w.subscribe("none", 0)
				c := r.connect(t, "c", expiry(tt.expiry), will(broker.Will{Message: &broker.Message{TopicName: "will", Payload: []byte("gone")}, Delay: tt.delay}))
				c.subscribe("t", 1)
				synctest.Wait()
				h.take()
				if err := r.Kick(broker.DefaultApp, "c", tt.end); err != nil {
					t.Fatalf("Kick: got error %v, want nil", err)
				}
				if got := c.link.ended(); !slices.Equal(got, []error{broker.ErrKicked}) {
					t.Fatalf("the Link is ended with %v, want %v", got, broker.ErrKicked)
				}
				c.leave(broker.Leave{Reason: broker.ErrKicked}) // as fronts do
				synctest.Wait()
				ended := "false"
				if !tt.stays {
					ended = "true"
				}
				if got, want := h.take()[0], "disconnected c graceful=false ended="+ended+" reason="+broker.ErrKicked.Error(); got != want {
					t.Errorf("a hook has seen %s, want %s", got, want)
				}
				if got := len(w.link.take()); got != tt.will {
					t.Errorf("got %d Wills at once, want %d", got, tt.will)
				}
				advance(11 * time.Second)
				if got := tt.will + len(w.link.take()); got != tt.later {
					t.Errorf("got %d Wills after the delay, want %d", got, tt.later)
				}
				w.publish("t", "1", 1)
				c = r.connect(t, "c", expiry(1000))
				if c.Present != tt.stays {
					t.Errorf("Session Present %t, want %t", c.Present, tt.stays)
				}
				if got := len(c.link.take()); got != map[bool]int{true: 1}[tt.stays] {
					t.Errorf("got %d messages that came meanwhile, Session Present %t", got, tt.stays)
				}
				if got := r.Stats().Kicked; got != 1 {
					t.Errorf("counted %d, want 1", got)
				}
			})
		})
	}
}

// A connection that takes the Session of one which is being kicked is not concerned; if the Session is to end, it begins anew.
func TestKickThenTakenOver(t *testing.T) {
	for _, end := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			r := newRoom(t, broker.Config{})
			c := r.connect(t, "c", expiry(1000))
			if err := r.Kick(broker.DefaultApp, "c", end); err != nil {
				t.Fatal(err)
			}
			next := r.connect(t, "c", expiry(1000))
			c.leave(broker.Leave{Reason: broker.ErrKicked})
			if next.Present == end || len(next.link.ended()) > 0 || !r.app.Connected("c") {
				t.Errorf("end %t: Session Present %t, ended with %v, connected %t", end, next.Present, next.link.ended(), r.app.Connected("c"))
			}
		})
	}
}

// What was addressed to the device stays when its Session is ended.
func TestKickKeepsInbox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t, broker.Config{})
		c := r.connect(t, "c", expiry(1000))
		r.connect(t, "p").publish("inbox/c", "mine", 1)
		c.link.take()
		if err := r.Kick(broker.DefaultApp, "c", true); err != nil {
			t.Fatal(err)
		}
		c.leave(broker.Leave{Reason: broker.ErrKicked})
		synctest.Wait()
		if got := r.connect(t, "c").link.take(); len(got) != 1 || got[0].payload != "mine" {
			t.Errorf("got %+v, want what was sent to the inbox", got)
		}
	})
}

func TestKickNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t, broker.Config{FlashTimeout: time.Second})
		r.connect(t, "away", expiry(1000)).detach()
		asleep := r.connect(t, "asleep", expiry(1000))
		asleep.subscribe("t", 1)
		asleep.detach()
		advance(2 * time.Second)
		for _, tt := range []struct {
			app, clientID string
			want          error
		}{
			{broker.DefaultApp, "nobody", broker.ErrNotConnected},
			{broker.DefaultApp, "away", broker.ErrNotConnected},
			{broker.DefaultApp, "asleep", broker.ErrNotConnected},
			{"other", "away", broker.ErrNoApp},
			{"", "away", broker.ErrNoApp},
		} {
			if err := r.Kick(tt.app, tt.clientID, true); !errors.Is(err, tt.want) {
				t.Errorf("Kick(%q, %q): got %v, want %v", tt.app, tt.clientID, err, tt.want)
			}
		}
		if st := r.Stats(); st.Kicked != 0 || st.Sessions != 1 {
			t.Errorf("%d are kicked and %d Sessions are in RAM, want none, and the one that has subscribed", st.Kicked, st.Sessions)
		}
	})
}

// Kicks race with connects, takeovers and leaves.
func TestKickRace(t *testing.T) {
	r := newRoom(t, broker.Config{})
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for range 200 {
				c := r.dial(t, "c", expiry(uint32(i%2)*1000))
				if c.Err != nil {
					continue
				}
				c.s.Start(c.sc, c.epoch)
				if err := r.Kick(broker.DefaultApp, "c", i < 2); err != nil && !errors.Is(err, broker.ErrNotConnected) {
					t.Errorf("Kick: %v", err)
				}
				c.leave(broker.Leave{Reason: broker.ErrKicked})
			}
		})
	}
	wg.Wait()
	r.connect(t, "c", clean).leave(broker.Leave{Graceful: true})
	r.wantIdle(t)
}

// kicker is a hook that has an operator kick c when its Will is published.
type kicker struct {
	room *room
	end  bool
	errs []error
}

// ID implements broker.Hook.
func (*kicker) ID() string { return "kicker" }

// OnPublish implements broker.PublishInterceptor.
func (k *kicker) OnPublish(*broker.Publication) broker.Interception {
	k.errs = append(k.errs, k.room.Kick(broker.DefaultApp, "c", k.end))
	return broker.Pass
}

// TestKickDuringCleanStart kicks a client in the moment in which it takes over its own connection with a clean start, when the
// old Session has ended and the new one has no Link yet. The client has a connection all the time.
func TestKickDuringCleanStart(t *testing.T) {
	for _, end := range []bool{false, true} {
		h := &kicker{end: end}
		h.room = newRoom(t, broker.Config{Hooks: []broker.Hook{h}})
		h.room.connect(t, "c", expiry(never), will(broker.Will{Message: &broker.Message{TopicName: "will", Payload: []byte("gone")}}))
		c := h.room.connect(t, "c", clean, expiry(never))
		if !slices.Equal(h.errs, []error{nil}) {
			t.Fatalf("end %t: Kick: got %v, want one nil", end, h.errs)
		}
		if got := c.link.ended(); !slices.Equal(got, []error{broker.ErrKicked}) {
			t.Errorf("end %t: the new Link is ended with %v, want %v", end, got, broker.ErrKicked)
		}
		c.leave(broker.Leave{Reason: broker.ErrKicked}) // as fronts do
		if got := h.room.connect(t, "c", expiry(never)).Present; got == end {
			t.Errorf("end %t: Session Present %t, want %t", end, got, !end)
		}
		if got := h.room.Stats().Kicked; got != 1 {
			t.Errorf("end %t: counted %d, want 1", end, got)
		}
	}
}

// TestKickWhileTakenOver kicks a client that takes over its own connection with clean starts, again and again. It has a connection
// all the time, and an operator is never told that it has none.
func TestKickWhileTakenOver(t *testing.T) {
	r := newRoom(t, broker.Config{})
	r.connect(t, "c", clean, expiry(never))
	done := make(chan struct{})
	var clients sync.WaitGroup
	clients.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				r.connect(t, "c", clean, expiry(never))
			}
		}
	})
	for i := range 100_000 {
		if err := r.Kick(broker.DefaultApp, "c", i%2 == 0); err != nil {
			t.Errorf("Kick %d: got error %v, want nil", i, err)
			break
		}
	}
	close(done)
	clients.Wait()
}
