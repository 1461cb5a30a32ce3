package broker_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/storage/storetest"
)

// TestExpiresWhileWoken has a publish wake a Session that sleeps in the moment in which it has expired, while its record
// is kept for the mail: its subscriptions end with it, and the mail stays.
func TestExpiresWhileWoken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, broker.Config{MaxQueuedMessages: 2, FlashTimeout: -1})
		<-time.After(300 * time.Millisecond) // it sleeps and expires within a second
		s, p := n.connect(t, "s", expiry(60)), n.connect(t, "p")
		s.subscribe("t", 1)
		p.publish("inbox/s", "1", 1)
		p.publish("inbox/s", "2", 1)
		synctest.Wait()
		s.detach()
		advance(60*time.Second + 100*time.Millisecond)
		p.publish("t", "x", 1)
		synctest.Wait()
		if got := n.Stats().Subscriptions; got != 0 {
			t.Errorf("subscriptions: got %d, want none", got)
		}
		s = n.connect(t, "s", expiry(60))
		if s.Present {
			t.Error("Session Present: got true, want false")
		}
		wantPayloads(t, "mail", s.receive(), 1, 2)
		p.publishWait("t", "y", 1, broker.NoSubscribers)
	})
}

// away is how a client may be away.
var away = []struct {
	name string
	be   func(t *testing.T, n *node, c *client) *node
}{
	{"lost", func(_ *testing.T, n *node, c *client) *node { c.detach(); return n }},
	{"asleep", func(_ *testing.T, n *node, c *client) *node { c.detach(); advance(time.Minute); return n }},
	{"restarted", func(t *testing.T, n *node, c *client) *node { c.detach(); synctest.Wait(); return n.crash(t) }},
	{"crashed", func(t *testing.T, n *node, _ *client) *node { synctest.Wait(); return n.crash(t) }},
}

// TestSleepQoS has a client be away with deliveries in each state of their protocols. When it is back it gets
// what it is owed of each, in order, with the Packet Identifiers they had: v5 [MQTT-4.4.0-1], [MQTT-4.6.0-1].
func TestSleepQoS(t *testing.T) {
	for _, a := range away {
		t.Run(a.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNode(t, broker.Config{})
				s, p := n.connect(t, "s", expiry(never), receiveMaximum(8)), n.connect(t, "p")
				s.subscribe("t", 2)
				for i := 1; i <= 10; i++ {
					p.publishWait("t", itoa(i), broker.QoS(1+(i+1)/2%2), broker.Accepted)
				}
				wantPayloads(t, "sent", s.link.take(), 1, 8)
				step := func(got, want broker.Outcome) {
					t.Helper()
					if got != want {
						t.Errorf("got outcome %d, want %d", got, want)
					}
				}
				step(s.s.Ack(s.sc, s.epoch, 3), broker.Settled)
				for _, id := range []broker.PacketID{1, 5, 6} {
					if got := s.s.Received(s.sc, s.epoch, id, true); got != broker.Deferred && got != broker.Settled { // the Store may be quick
						t.Errorf("got outcome %d, want %d or %d", got, broker.Deferred, broker.Settled)
					}
				}
				synctest.Wait()
				step(s.s.Complete(s.sc, s.epoch, 5), broker.Settled)
				synctest.Wait()
				n = a.be(t, n, s)
				s = n.connect(t, "s", expiry(never), receiveMaximum(8))
				synctest.Wait()
				var got []string
				for _, d := range s.link.take() {
					got = append(got, fmt.Sprint(d.payload, " ", d.qos, " ", d.id, " ", d.dup))
				}
				want := []string{"2 2 2 true", "4 1 4 true", "7 1 7 true", "8 1 8 true", "9 2 9 true", "10 2 10 true"}
				if !slices.Equal(got, want) {
					t.Errorf("deliveries: got %q, want %q", got, want)
				}
				if got, want := s.link.takeReleased(), []broker.PacketID{1, 6}; !slices.Equal(got, want) {
					t.Errorf("released: got %v, want %v", got, want)
				}
			})
		})
	}
}

// TestSleepReceipts: what was received of a client's QoS 2 publishes is known when it is back: v5 [MQTT-4.3.3-10].
func TestSleepReceipts(t *testing.T) {
	for _, a := range away {
		t.Run(a.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNode(t, broker.Config{})
				c := n.connect(t, "c", expiry(never))
				for _, id := range []broker.PacketID{1, 2, 65535} {
					c.publishID(id)
					synctest.Wait()
					c.s.Conclude(id, broker.Accepted)
				}
				safe := make(told, 1)
				c.s.Release(c.epoch, 2, safe)
				if err := <-safe; err != nil {
					t.Errorf("Release: got error %v, want nil", err)
				}
				n = a.be(t, n, c)
				c = n.connect(t, "c", expiry(never))
				for id, want := range map[broker.PacketID]broker.Result{1: broker.Repeated, 2: broker.NoSubscribers, 65535: broker.Repeated} {
					p := c.repeatID(id)
					synctest.Wait()
					if got := p.outcome(); got != want {
						t.Errorf("publish %d: got result %d, want %d", id, got, want)
					}
				}
			})
		})
	}
}

// TestSleepLeavesRAM: a Session that sleeps is out of RAM but for its subscriptions, and its gauges are right.
func TestSleepLeavesRAM(t *testing.T) {
	for subs := range 3 {
		synctest.Test(t, func(t *testing.T) {
			n := newNode(t, broker.Config{})
			s, p := n.connect(t, "s", expiry(3600)), n.connect(t, "p")
			for i := range subs {
				s.subscribe(fmt.Sprint("t/", i), 1)
			}
			p.publishWait("inbox/s", "1", 1, broker.Accepted)
			s.detach()
			advance(29 * time.Second)
			if st := n.Stats(); st.Flash != 1 || st.Sessions != 2 || st.Inflight != 1 || st.FlashBytes == 0 {
				t.Errorf("after 29 s: got %+v, want a Session in flash", st)
			}
			advance(2 * time.Second)
			st := n.Stats()
			if want := int64(1 + min(subs, 1)); st.Flash != 0 || st.FlashBytes != 0 || st.Inflight != 0 || st.Sessions != want {
				t.Errorf("%d subscriptions: after 31 s: got %+v, want %d Sessions, and nothing in flash", subs, st, want)
			}
			s = n.connect(t, "s", expiry(3600))
			wantPayloads(t, "when it is back", s.receive(), 1, 1)
			s.leave(broker.Leave{Expiry: new(uint32)})
			p.detach()
			n.wantIdle(t)
		})
	}
}

// TestQuickReturn: a client that is soon back needs nothing from the Store.
func TestQuickReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, broker.Config{})
		s, p := n.connect(t, "s", expiry(never)), n.connect(t, "p")
		s.subscribe("t", 2)
		p.publishAllWait("t", 2, 1, 3)
		s.link.take()
		before := n.calls(0)
		for range 2 {
			s.detach()
			advance(10 * time.Second)
			s = n.connect(t, "s", expiry(never))
			synctest.Wait()
			wantPayloads(t, "again", s.link.take(), 1, 3)
		}
		if got := n.calls(before); got != 0 {
			t.Errorf("calls of the Store: got %d, want none", got)
		}
	})
}

// TestFlashBounds puts Sessions to sleep at once that are too many, or too large, and gives the room back.
func TestFlashBounds(t *testing.T) {
	for name, c := range map[string]struct {
		cfg  broker.Config
		want int64
	}{
		"Sessions": {broker.Config{FlashSessions: 3}, 3},
		"bytes":    {broker.Config{FlashBytes: 2000}, 3},
		"none":     {broker.Config{FlashTimeout: -1}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNode(t, c.cfg)
				var all []*client
				for i := range 10 {
					all = append(all, n.connect(t, itoa(i), expiry(never)))
				}
				for _, s := range all {
					s.detach()
				}
				synctest.Wait()
				if st := n.Stats(); st.Flash != c.want || st.Sessions != c.want || st.FlashBytes < 500*c.want || st.FlashBytes > 2000 {
					t.Errorf("got %d in flash, %d bytes, %d Sessions, want %d", st.Flash, st.FlashBytes, st.Sessions, c.want)
				}
				n.connect(t, "0", expiry(never)).leave(broker.Leave{Expiry: new(uint32)})
				n.connect(t, "9", expiry(never)).leave(broker.Leave{Expiry: new(uint32)})
				advance(time.Minute)
				if st := n.Stats(); st.Flash != 0 || st.FlashBytes != 0 || st.Sessions != 0 {
					t.Errorf("at the end: got %+v, want 0", st)
				}
				if got := n.st.Calls(storetest.OpLoadSession); got < 10 {
					t.Errorf("calls of LoadSession: got %d, want at least 10", got)
				}
			})
		})
	}
}

// TestPacketIDsWrap sends more messages than there are Packet Identifiers through a mailbox, with one of the first
// unacknowledged, over a sleep and a crash. No identifier is used twice at a time.
func TestPacketIDsWrap(t *testing.T) {
	const before, after = 65_000, 1_000
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, broker.Config{MaxQueuedMessages: 2000})
		s, p := n.connect(t, "s", expiry(never)), n.connect(t, "p")
		s.subscribe("t", 2)
		for range before {
			p.publish("t", "x", 1)
			d := s.link.take()
			s.ack(d[0].id)
		}
		p.publishWait("t", "held", 2, broker.Accepted)
		held := s.link.take()[0].id
		n = n.crash(t)
		s, p = n.connect(t, "s", expiry(never)), n.connect(t, "p")
		synctest.Wait()
		if got := s.link.take(); len(got) != 1 || got[0].id != held {
			t.Fatalf("after a crash: got %v, want the one delivery %d", got, held)
		}
		seen := make(map[broker.PacketID]bool)
		for range after {
			p.publish("t", "y", 2)
			synctest.Wait()
			for _, d := range s.link.take() {
				if seen[d.id] = true; d.id == held {
					t.Fatalf("Packet Identifier %d: used again while it is in use", held)
				}
				s.s.Received(s.sc, s.epoch, d.id, true)
			}
			synctest.Wait()
			for _, id := range s.link.takeReleased() {
				s.s.Complete(s.sc, s.epoch, id)
			}
		}
		if !seen[65535] || !seen[1] || seen[0] || len(seen) != after {
			t.Errorf("got %d identifiers, 65535 %t, 1 %t, 0 %t, want %d, true, true, false", len(seen), seen[65535], seen[1], seen[0], after)
		}
	})
}
