package broker_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/storage/memory"
)

// TestShared gives each message to one member, in turn.
func TestShared(t *testing.T) {
	r := newRoom(t, broker.Config{})
	a, b, p := r.connect(t, "a"), r.connect(t, "b", expiry(never)), r.connect(t, "p")
	a.subscribe("$share/g/t", 1)
	b.subscribe("$share/g/t", 1)
	p.publishAll("t", 1, 1, 10, broker.Accepted)
	if na, nb := len(a.link.take()), len(b.link.take()); na != 5 || nb != 5 {
		t.Errorf("got %d and %d deliveries, want 5 each", na, nb)
	}
}

// TestSharedChoice prefers a member that can send at once, then one that is
// connected, then one that keeps messages.
func TestSharedChoice(t *testing.T) {
	r := newRoom(t, broker.Config{MaxQueuedMessages: 3})
	idle, full := r.connect(t, "idle"), r.connect(t, "full")
	asleep, other := r.connect(t, "asleep", expiry(never)), r.connect(t, "other", expiry(never))
	p := r.connect(t, "p")
	for _, c := range []*client{idle, full, asleep, other} {
		c.subscribe("$share/g/t", 1)
	}
	asleep.detach()
	other.detach()
	full.link.setVerdict(broker.Full)
	p.publishAll("t", 1, 1, 2, broker.Accepted) // one to idle, one waits for full
	p.publishAll("t", 1, 3, 12, broker.Accepted)
	if got := len(idle.drain()); got != 11 {
		t.Errorf("deliveries to the idle member: got %d, want 11 of 12", got)
	}
	idle.detach()
	p.publishAll("t", 1, 1, 2, broker.Accepted)
	if st := r.Stats(); st.Queued != 3 {
		t.Errorf("queued for the member that is Full: got %d, want 3", st.Queued)
	}
	full.detach() // what it has not taken goes to those that sleep
	p.publishAll("t", 1, 1, 3, broker.Accepted)
	if st := r.Stats(); st.Queued != 6 {
		t.Errorf("queued for those that sleep: got %d, want all 6 that they have room for", st.Queued)
	}
	p.publishAll("t", 1, 1, 1, broker.QuotaExceeded)
}

// TestSharedHandOver ends a member that has messages of the group in all states:
// v5 [MQTT-4.8.2-4], [MQTT-4.8.2-5].
func TestSharedHandOver(t *testing.T) {
	for _, life := range []uint32{0, never} {
		for _, how := range []string{"ends", "clean start"} {
			t.Run(fmt.Sprintf("expiry %d, %s", life, how), func(t *testing.T) {
				r := newRoom(t, broker.Config{})
				a := r.connect(t, "a", expiry(life), receiveMaximum(5))
				a.subscribe("$share/g/t", 2)
				a.subscribe("own", 1)
				p := r.connect(t, "p")
				for i := 1; i <= 8; i++ { // in flight: 1, 3, 5 at QoS 1; 2, 4 at QoS 2
					p.publish("t", fmt.Sprint(i), broker.QoS(1+(i+1)%2))
				}
				p.publish("own", "own", 1)
				a.s.Received(a.sc, a.epoch, 2, true) // the client has 2, and maybe 4
				a.ack(3)                             // and so 6 is in flight at QoS 2; 7 and 8 wait
				b := r.connect(t, "b")
				b.subscribe("$share/g/t", 2)
				if how == "ends" {
					a.leave(broker.Leave{Expiry: new(uint32)})
				} else {
					r.connect(t, "a", clean).detach()
				}
				var got []string
				for _, d := range b.link.take() {
					if d.dup {
						t.Errorf("delivery %s: got DUP, want none: it is new to this client", d.payload)
					}
					got = append(got, d.payload)
				}
				if want := []string{"1", "5", "7", "8"}; !slices.Equal(got, want) {
					t.Errorf("handed on: got %v, want %v", got, want)
				}
				b.detach()
				p.detach()
				r.wantIdle(t)
			})
		}
	}
}

// TestSharedConnectionGone offers a message to a member whose connection is ending.
// The message is the group's and not lost with it.
func TestSharedConnectionGone(t *testing.T) {
	for _, life := range []uint32{0, never} {
		r := newRoom(t, broker.Config{})
		a, p := r.connect(t, "a", expiry(life)), r.connect(t, "p")
		a.subscribe("$share/g/t", 1)
		a.link.setVerdict(broker.Gone)
		p.publishAll("t", 1, 1, 3, broker.Accepted)
		b := r.connect(t, "b")
		b.subscribe("$share/g/t", 1)
		a.leave(broker.Leave{Expiry: new(uint32)})
		wantPayloads(t, fmt.Sprintf("handed on, expiry %d", life), b.link.take(), 1, 3)
	}
}

// TestSharedWaiting ends a member for which publishers wait. They are answered
// with what becomes of their messages elsewhere.
func TestSharedWaiting(t *testing.T) {
	r := newRoom(t, broker.Config{MaxQueuedMessages: 2})
	a, p := r.connect(t, "a"), r.connect(t, "p")
	b := r.connect(t, "b", expiry(never))
	a.subscribe("$share/g/t", 1)
	a.link.setVerdict(broker.Full)
	p.publishAll("t", 1, 1, 2, broker.Accepted)
	waiting := p.publishAll("t", 1, 3, 6, broker.Pending)
	b.subscribe("$share/g/t", 1)
	b.detach()
	a.detach() // b has room for two, which are those that were queued
	wantOutcome(t, "waiting", waiting, broker.QuotaExceeded)
	b = r.connect(t, "b", expiry(never))
	wantPayloads(t, "handed on", b.link.take(), 1, 2)
}

// TestSharedOwed ends a Session that leaves more messages of its group than the other members have room for, all
// acknowledged to their publisher: what waits for a member is not lost when that goes off line, and what nobody has room for is counted.
func TestSharedOwed(t *testing.T) {
	const messages = 10
	for _, tt := range []struct {
		name          string
		keeper, later bool // another member that is off line has room: from the beginning, or when b has gone off line
		dropped       uint64
	}{
		{"nobody", false, false, 8},
		{"a member that has room", true, false, 0},
		{"a member that comes later", false, true, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRoom(t, broker.Config{MaxQueuedMessages: messages})
			a, b, c, p := r.connect(t, "a", expiry(never)), r.connect(t, "b", expiry(never), receiveMaximum(1)), r.connect(t, "c", expiry(never)), r.connect(t, "p")
			a.subscribe("$share/g/t", 1)
			a.detach()
			p.publishAll("t", 1, 1, messages, broker.Accepted)
			b.subscribe("own", 1)
			p.publishAll("own", 1, 1, 8, broker.Accepted)
			b.subscribe("$share/g/t", 1)
			if tt.keeper {
				c.subscribe("$share/g/t", 1)
			}
			c.detach()
			r.connect(t, "a", clean).detach()
			if tt.later {
				c = r.connect(t, "c", expiry(never))
				c.subscribe("$share/g/t", 1)
				c.detach()
			}
			b.detach()
			if got := r.Stats().Dropped[broker.DropSessionEnd.String()]; got != tt.dropped {
				t.Errorf("counted %d as dropped, want %d", got, tt.dropped)
			}
			b, c = r.connect(t, "b", expiry(never)), r.connect(t, "c", expiry(never))
			if got, want := len(b.drain())+len(c.drain()), 8+messages-int(tt.dropped); got != want {
				t.Errorf("the others have got %d messages, want %d", got, want)
			}
			if got := r.Stats().Waiting; got != 0 {
				t.Errorf("got %d waiting, want 0", got)
			}
		})
	}
}

// TestSharedOwedToFullMembers hands on messages to a group whose members sleep, and have no room, with a Store that answers at
// once: nobody takes them, and that has an end.
func TestSharedOwedToFullMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t, broker.Config{MaxQueuedMessages: 3})
		p := r.connect(t, "p")
		for i := range 4 {
			c := r.connect(t, "c"+itoa(i), expiry(never))
			c.subscribe("own", 1)
			c.detach()
		}
		p.publishAll("own", 1, 1, 3, broker.Accepted)
		a := r.connect(t, "a", expiry(never))
		a.subscribe("$share/g/t", 1)
		a.detach()
		p.publishAll("t", 1, 1, 3, broker.Accepted)
		for i := range 4 {
			c := r.connect(t, "c"+itoa(i), expiry(never), verdict(broker.Full))
			c.subscribe("$share/g/t", 1)
			c.detach()
		}
		advance(time.Minute)
		r.connect(t, "a", clean).detach()
		if got := r.Stats().Dropped[broker.DropSessionEnd.String()]; got != 3 {
			t.Errorf("counted %d as dropped, want 3", got)
		}
		advance(time.Minute)
		if st := r.Stats(); st.Queued != 12 || st.Waiting != 0 || st.Flash != 0 {
			t.Errorf("got %d queued, %d waiting, %d awake, want 12, 0, 0", st.Queued, st.Waiting, st.Flash)
		}
	})
}

// TestSharedBusy has more published to a group than its members have acknowledged. They keep equal parts, and no
// publisher waits for one that is full while another has room.
func TestSharedBusy(t *testing.T) {
	r := newRoom(t, broker.Config{MaxQueuedMessages: 10})
	a, b, p := r.connect(t, "a", receiveMaximum(1)), r.connect(t, "b", receiveMaximum(1)), r.connect(t, "p")
	b.subscribe("own", 1)
	p.publishAll("own", 1, 1, 5, broker.Accepted) // one in flight, four wait
	a.subscribe("$share/g/t", 1)
	b.subscribe("$share/g/t", 1)
	p.publishAll("t", 1, 1, 17, broker.Accepted)
	if st := r.Stats(); st.Queued != 20 || st.Waiting != 0 {
		t.Errorf("got %d queued, %d waiting, want 20, 0", st.Queued, st.Waiting)
	}
	if na, nb := len(a.drain()), len(b.drain()); na != 11 || nb != 11 {
		t.Errorf("got %d and %d deliveries, want 11 each", na, nb)
	}
}

// TestSharedExpires has a Session expire in its sleep that is owed messages of its group, with a Store that forgets a Session as soon as it
// may: other members get them, whether or not there is mail for the device too, which stays.
func TestSharedExpires(t *testing.T) {
	for mail := range 2 {
		synctest.Test(t, func(t *testing.T) {
			r := newRoom(t, broker.Config{Store: memory.New()})
			a, p := r.connect(t, "a", expiry(60)), r.connect(t, "p")
			a.subscribe("$share/g/t", 1)
			a.detach()
			advance(40 * time.Second)
			p.publishAll("t", 1, 1, 5, broker.Accepted)
			p.publishAll("inbox/a", 1, 1, mail, broker.Accepted)
			b := r.connect(t, "b", expiry(never))
			b.subscribe("$share/g/t", 1)
			advance(40 * time.Second)
			wantPayloads(t, "handed on", b.drain(), 1, 5)
			wantPayloads(t, "mail", r.connect(t, "a", expiry(60)).drain(), 1, mail)
		})
	}
}

// TestSharedExpiresAfterCleanStart has a Session expire whose mailbox holds messages still that belonged to an older one, and that another
// member has got when the Session began.
func TestSharedExpiresAfterCleanStart(t *testing.T) {
	const messages = 300 // more than are read at once
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t, broker.Config{Store: memory.New()})
		a, p := r.connect(t, "a", expiry(60)), r.connect(t, "p")
		a.subscribe("$share/g/t", 1)
		a.detach()
		p.publishAll("inbox/a", 1, 1, 1, broker.Accepted)
		p.publishAll("t", 1, 1, messages, broker.Accepted)
		b := r.connect(t, "b", expiry(never))
		b.subscribe("$share/g/t", 1)
		a = r.connect(t, "a", clean, expiry(60), receiveMaximum(1))
		a.subscribe("$share/g/t", 1)
		wantPayloads(t, "handed on", b.drain(), 1, messages)
		a.detach()
		advance(10 * time.Minute)
		if got := b.drain(); len(got) != 0 {
			t.Errorf("after the Session has expired: got %v once more, want nothing", payloads(got))
		}
		wantPayloads(t, "mail", r.connect(t, "a", expiry(60)).drain(), 1, 1)
	})
}
