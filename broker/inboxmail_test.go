package broker_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/topic"
	"github.com/holdfast-mqtt/holdfast/storage/storetest"
)

// TestInbox publishes to the inbox of a device in all the states that it may be in. It gets all, once it is there.
func TestInbox(t *testing.T) {
	type step func(t *testing.T, n *node) *node
	connect := func(opts ...func(*broker.Connect)) step {
		return func(t *testing.T, n *node) *node { n.connect(t, "d", opts...); synctest.Wait(); return n }
	}
	leave := func(how broker.Leave, opts ...func(*broker.Connect)) step {
		return func(t *testing.T, n *node) *node { n.connect(t, "d", opts...).leave(how); synctest.Wait(); return n }
	}
	crash := step(func(t *testing.T, n *node) *node { return n.crash(t) })
	sleep := step(func(_ *testing.T, n *node) *node { advance(time.Minute); return n })
	for _, c := range []struct {
		name          string
		before, after []step
	}{
		{"never seen", nil, nil},
		{"never seen, sleeps", nil, []step{sleep}},
		{"never seen, crash", nil, []step{crash}},
		{"transient", []step{connect()}, nil},
		{"transient, lost", []step{connect()}, []step{leave(broker.Leave{})}},
		{"transient, clean start", []step{connect()}, []step{connect(clean)}},
		{"transient, crash", []step{connect()}, []step{crash}},
		{"transient, gone", []step{leave(broker.Leave{})}, []step{crash, sleep}},
		{"lasting", []step{connect(expiry(3600))}, nil},
		{"lasting, crash", []step{connect(expiry(3600))}, []step{crash}},
		{"lasting, crash before", []step{connect(expiry(3600)), crash}, []step{sleep}},
		{"lasting, ends", []step{connect(expiry(3600))}, []step{leave(broker.Leave{Expiry: new(uint32)}, expiry(3600))}},
		{"lasting, expires", []step{leave(broker.Leave{}, expiry(20))}, []step{sleep}},
		{"lasting, crash, expires", []step{connect(expiry(20)), crash}, []step{sleep}},
		{"lasting, crash, expires, crash", []step{connect(expiry(20)), crash}, []step{sleep, crash}},
		{"lasting, crash, crash, expires", []step{connect(expiry(20)), crash}, []step{crash, sleep}},
		{"off line", []step{leave(broker.Leave{}, expiry(3600))}, nil},
		{"off line, clean start", []step{leave(broker.Leave{}, expiry(3600))}, []step{connect(clean, expiry(3600))}},
		{"asleep", []step{leave(broker.Leave{}, expiry(3600)), sleep}, nil},
		{"asleep, clean start", []step{leave(broker.Leave{}, expiry(3600)), sleep}, []step{sleep, connect(clean)}},
		{"asleep, crash", []step{leave(broker.Leave{}, expiry(3600)), sleep}, []step{crash, crash}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNode(t, broker.Config{})
				for _, f := range c.before {
					n = f(t, n)
				}
				p := n.connect(t, "p")
				for i := 1; i <= 6; i++ {
					p.publishWait("inbox/d", itoa(i), broker.QoS(1+i%2), broker.Accepted)
				}
				for _, f := range c.after {
					n = f(t, n)
				}
				d := n.connect(t, "d")
				wantPayloads(t, "mail", d.receive(), 1, 6)
				n = n.crash(t)
				if got := n.connect(t, "d").receive(); len(got) != 0 {
					t.Errorf("acknowledged: got %q again, want nothing", payloads(got))
				}
			})
		})
	}
}

// TestInboxQoS0 reaches a device that is there, and nobody else.
func TestInboxQoS0(t *testing.T) {
	r := newRoom(t, broker.Config{})
	d, p, all := r.connect(t, "d"), r.connect(t, "p"), r.connect(t, "all", expiry(never))
	all.subscribe("#", 1)
	p.publish("inbox/d", "1", 0)
	p.publish("inbox/d", "2", 1)
	wantPayloads(t, "the device", d.link.take(), 1, 2)
	if got := all.link.take(); len(got) != 0 {
		t.Errorf("subscribed to #: got %q, want nothing", payloads(got))
	}
	if got := p.publish("inbox/nobody", "1", 0).outcome(); got != broker.NoSubscribers {
		t.Errorf("QoS 0 to nobody: got result %d, want %d", got, broker.NoSubscribers)
	}
}

// TestInboxSubscribe refuses what reaches into another client's inbox.
func TestInboxSubscribe(t *testing.T) {
	r := newRoom(t, broker.Config{})
	d := r.connect(t, "d")
	for filter, want := range map[string]error{
		"inbox/d": nil, "inbox/e": broker.ErrNotAuthorized, "inbox/+": broker.ErrNotAuthorized, "inbox/d/#": broker.ErrNotAuthorized,
		"$share/g/inbox/e": broker.ErrNotAuthorized, "$share/g/inbox/d": broker.ErrNotAuthorized, "inbox": nil, "#": nil, "+/d": nil,
	} {
		errs, _, err := d.s.Subscribe(d.sc, d.epoch, []broker.Subscribe{{TopicFilter: filter, Options: topic.NewOptions(1, false, false, 0)}}, nil)
		if err != nil || !errors.Is(errs[0], want) {
			t.Errorf("Subscribe %q: got %v and %v, want %v", filter, errs, err, want)
		}
	}
	r.connect(t, "p").publish("inbox/d", "1", 1)
	wantPayloads(t, "mail", d.link.take(), 1, 1)
}

// TestInboxBounds refuses more than a mailbox holds.
func TestInboxBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, broker.Config{MaxQueuedMessages: 10})
		p := n.connect(t, "p")
		p.publishAllWait("inbox/d", 1, 1, 10)
		p.publishWait("inbox/d", "11", 1, broker.QuotaExceeded)
		advance(time.Minute)
		p.publishWait("inbox/d", "11", 1, broker.QuotaExceeded)
		n = n.crash(t)
		n.connect(t, "p").publishWait("inbox/d", "11", 1, broker.QuotaExceeded)
		wantPayloads(t, "mail", n.connect(t, "d").receive(), 1, 10)
	})
}

// TestInboxUnsafe: mail whose record cannot be stored is not accepted: nobody would find it.
func TestInboxUnsafe(t *testing.T) {
	for _, there := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			n := newNode(t, broker.Config{})
			p := n.connect(t, "p")
			if there {
				n.connect(t, "d")
			}
			n.st.Fail(storetest.FailOn(errors.New("bad sector"), storetest.OpSaveSession))
			p.publishWait("inbox/d", "1", 1, broker.StoreFailed)
			n.st.Fail(nil)
		})
	}
}

// TestInboxForgetsReceipts: what a client had begun to publish with QoS 2 ends with its Session, and does not have what
// its next Session publishes be taken for a repetition.
func TestInboxForgetsReceipts(t *testing.T) {
	for _, how := range []string{"ends", "clean start", "transient"} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNode(t, broker.Config{})
				d := n.connect(t, "d", expiry(3600))
				d.publishID(7)
				synctest.Wait()
				d.s.Conclude(7, broker.Accepted)
				n.connect(t, "p").publishWait("inbox/d", "1", 1, broker.Accepted)
				switch how {
				case "ends":
					d.leave(broker.Leave{Expiry: new(uint32)})
				case "transient":
					d = n.connect(t, "d")
					if got := d.s.Release(d.epoch, 7, nil); got != broker.Pending {
						t.Errorf("Release: got result %d, want %d", got, broker.Pending)
					}
					d.detach()
				}
				synctest.Wait()
				n.connect(t, "d", expiry(3600), func(c *broker.Connect) { c.CleanStart = how == "clean start" })
				n = n.crash(t)
				d = n.connect(t, "d", expiry(3600))
				p := d.publishID(7)
				synctest.Wait()
				if got := p.outcome(); got == broker.Repeated {
					t.Error("a new publish: taken for a repetition, want it accepted")
				}
			})
		})
	}
}

// TestLateReceipt ends the Session of a publisher while its QoS 2 publish waits for a subscriber. Nothing is noted then.
func TestLateReceipt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, broker.Config{MaxQueuedMessages: 1})
		s, p := n.connect(t, "s", expiry(never)), n.connect(t, "p", expiry(never))
		s.subscribe("t", 1)
		p.publishID(1)
		p.publishID(2) // waits
		p.leave(broker.Leave{Expiry: new(uint32)})
		synctest.Wait()
		before := n.st.Calls(storetest.OpAddReceipt)
		if got := len(s.receive()); got != 2 {
			t.Errorf("deliveries: got %d, want 2", got)
		}
		if got := n.st.Calls(storetest.OpAddReceipt) - before; got != 0 {
			t.Errorf("receipts for a Session that has ended: got %d, want none", got)
		}
	})
}

// TestInboxRace publishes to a device that comes and goes. Nothing that is accepted gets lost.
func TestInboxRace(t *testing.T) {
	const publishers, messages = 3, 300
	r := newRoom(t, broker.Config{MaxQueuedMessages: publishers * messages, FlashTimeout: -1})
	seen := make(map[string]bool)
	note := func(d *client) {
		for _, got := range d.link.take() {
			if d.s.Ack(d.sc, d.epoch, got.id) == broker.Settled {
				seen[got.payload] = true
			}
		}
	}
	var accepted sync.Map
	var running atomic.Int32
	var wg sync.WaitGroup
	running.Store(publishers)
	for i := range publishers {
		wg.Go(func() {
			defer running.Add(-1)
			p := r.connect(t, fmt.Sprint("p", i))
			for j := range messages {
				text := fmt.Sprint(i, " ", j)
				p.publishAs(&publication{post: func(r broker.Result) {
					if r.OK() {
						accepted.Store(text, true)
					}
				}}, "inbox/d", text, 1)
			}
			p.detach()
		})
	}
	for round := 0; running.Load() > 0; round++ {
		d := r.connect(t, "d", expiry([]uint32{0, never, 60}[round%3]), func(c *broker.Connect) { c.CleanStart = round%5 == 0 })
		note(d)
		if round%2 == 0 {
			d.leave(broker.Leave{Expiry: new(uint32)})
		} else {
			d.detach()
		}
	}
	wg.Wait()
	for range 10 {
		d := r.connect(t, "d")
		note(d)
		d.detach()
	}
	n := 0
	accepted.Range(func(text, _ any) bool {
		n++
		if !seen[text.(string)] {
			t.Errorf("message %q: accepted, and never came", text)
		}
		return true
	})
	if n < messages {
		t.Errorf("accepted: got %d messages, want at least %d", n, messages)
	}
	r.wantIdle(t)
}
