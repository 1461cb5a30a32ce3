package broker_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/internal/randtest"
	"github.com/holdfast-mqtt/holdfast/storage/memory"
	"github.com/holdfast-mqtt/holdfast/storage/storetest"
)

// drain acknowledges deliveries until there are no more, and returns them.
func (c *client) drain() []delivery {
	c.t.Helper()
	var all []delivery
	for got := c.link.take(); len(got) > 0; got = c.link.take() {
		all = append(all, got...)
		c.ack(ids(got)...)
	}
	return all
}

// TestMailbox has messages wait for a client that is off line, more than are
// read at once.
func TestMailbox(t *testing.T) {
	for _, n := range []int{1, 255, 256, 257, 512, 513, 1000} {
		for _, inflight := range []int{1, 100, 10_000} {
			t.Run(fmt.Sprintf("%d, %d in flight", n, inflight), func(t *testing.T) {
				st := memory.New()
				r := newRoom(t, broker.Config{Store: st, MaxInflight: inflight})
				s, p := r.connect(t, "s", expiry(never)), r.connect(t, "p")
				s.subscribe("t", 1)
				s.detach()
				p.publishAll("t", 1, 1, n, broker.Accepted)
				if got := r.Stats().Queued; got != int64(n) {
					t.Errorf("queued: got %d, want %d", got, n)
				}
				s = r.connect(t, "s", expiry(never))
				if !s.Present {
					t.Error("Session Present: got false, want true")
				}
				p.publishAll("t", 1, n+1, min(n+20, 1000), broker.Accepted)
				wantPayloads(t, "deliveries", s.drain(), 1, min(n+20, 1000))
				s.leave(broker.Leave{Expiry: new(uint32)})
				p.detach()
				r.wantIdle(t)
				if got := records(st); got != 0 {
					t.Errorf("left in the Store: got %d records, want none", got)
				}
			})
		}
	}
}

// TestMailboxFull refuses what a mailbox has no room for, and has room again
// when messages are acknowledged.
func TestMailboxFull(t *testing.T) {
	r := newRoom(t, broker.Config{MaxQueuedMessages: 10})
	s, p := r.connect(t, "s", expiry(never)), r.connect(t, "p")
	s.subscribe("t", 1)
	s.detach()
	p.publishAll("t", 1, 1, 10, broker.Accepted)
	p.publishAll("t", 1, 11, 12, broker.QuotaExceeded)
	if got := p.publish("t", "zero", 0).outcome(); got != broker.Accepted {
		t.Errorf("QoS 0: got result %d, want %d", got, broker.Accepted)
	}
	s = r.connect(t, "s", expiry(never))
	waiting := p.publishAll("t", 1, 11, 12, broker.Pending)
	wantPayloads(t, "deliveries", s.drain(), 1, 12)
	wantOutcome(t, "waiting", waiting, broker.Accepted)
}

// TestRepeat reconnects with messages in flight. They are sent again in order, with their
// identifiers and DUP: v5 [MQTT-4.4.0-1], [MQTT-4.6.0-1], [MQTT-3.3.1-1],
// v3.1.1 [MQTT-4.4.0-1], [MQTT-4.6.0-1], [MQTT-3.3.1-1].
func TestRepeat(t *testing.T) {
	r := newRoom(t, broker.Config{})
	s, p := r.connect(t, "s", expiry(never), receiveMaximum(6)), r.connect(t, "p")
	s.subscribe("t", 2)
	for i := 1; i <= 9; i++ {
		p.publish("t", fmt.Sprint(i), broker.QoS(1+i%2))
	}
	first := s.link.take()
	wantPayloads(t, "first time", first, 1, 6)
	s.ack(2)
	s.s.Received(s.sc, s.epoch, 3, true)
	s.s.Received(s.sc, s.epoch, 5, true)
	s.s.Complete(s.sc, s.epoch, 5)
	wantPayloads(t, "after acks", s.link.take(), 7, 8)
	for i, how := range []string{"lost", "taken over"} {
		if i == 0 {
			s.detach()
		}
		s = r.connect(t, "s", expiry(never), receiveMaximum(6))
		var want []delivery
		for _, n := range []int{1, 4, 6, 7, 8} {
			want = append(want, delivery{seq: first[0].seq + uint64(n-1), topic: "t", payload: fmt.Sprint(n), qos: broker.QoS(1 + n%2), id: broker.PacketID(n), dup: true})
		}
		if got := s.link.take(); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: got %v, want %v", how, got, want)
		}
		if got := s.link.takeReleased(); !slices.Equal(got, []broker.PacketID{3}) {
			t.Errorf("%s: released: got %v, want 3", how, got)
		}
	}
	s.s.Complete(s.sc, s.epoch, 3)
	if got := s.link.take(); len(got) != 1 || got[0].payload != "9" || got[0].dup || got[0].id != 9 {
		t.Errorf("after a PUBCOMP: got %v, want 9 for the first time", got)
	}
}

// TestRepeatWhileFull repeats to a connection that takes two messages at a time.
func TestRepeatWhileFull(t *testing.T) {
	r := newRoom(t, broker.Config{})
	s, p := r.connect(t, "s", expiry(never)), r.connect(t, "p")
	s.subscribe("t", 1)
	p.publishAll("t", 1, 1, 7, broker.Accepted)
	s.detach()
	p.publishAll("t", 1, 8, 10, broker.Accepted)
	room, last := 2, 10
	s = r.dial(t, "s", expiry(never))
	s.link.verdict = func(*broker.Delivery) broker.Verdict {
		if room == 0 {
			return broker.Full
		}
		room--
		return broker.Sent
	}
	s.s.Start(s.sc, s.epoch)
	var all []delivery
	for got := s.link.take(); len(got) > 0; got = s.link.take() {
		all = append(all, got...)
		s.ack(got[0].id)
		last++
		p.publish("t", fmt.Sprint(last), 1)
		room = 2
		s.resume()
		if len(all) == 40 {
			break
		}
	}
	wantPayloads(t, "deliveries", all, 1, 40)
	for i, d := range all {
		if d.dup != (i < 7) {
			t.Errorf("delivery %s: got DUP %t, want %t", d.payload, d.dup, i < 7)
		}
	}
}

// TestRepeatReceiveMaximum reconnects with a smaller Receive Maximum than there
// are messages in flight: v5 [MQTT-3.3.4-9].
func TestRepeatReceiveMaximum(t *testing.T) {
	r := newRoom(t, broker.Config{})
	s, p := r.connect(t, "s", expiry(never)), r.connect(t, "p")
	s.subscribe("t", 1)
	p.publishAll("t", 1, 1, 20, broker.Accepted)
	s.detach()
	s = r.connect(t, "s", expiry(never), receiveMaximum(3))
	p.publishAll("t", 1, 21, 25, broker.Accepted)
	var all []delivery
	unacked := 0
	for got := s.link.take(); len(got) > 0; got = s.link.take() {
		all = append(all, got...)
		unacked += len(got)
		if unacked > 3 {
			t.Fatalf("in flight: got %d, want no more than 3", unacked)
		}
		s.ack(got[0].id)
		unacked--
		for _, d := range got[1:] {
			s.ack(d.id)
			unacked--
		}
	}
	wantPayloads(t, "deliveries", all, 1, 25)
}

// TestRepeatOversized reconnects with a smaller Maximum Packet Size than a
// message in flight has: v5 [MQTT-3.1.2-25].
func TestRepeatOversized(t *testing.T) {
	r := newRoom(t, broker.Config{})
	s, p := r.connect(t, "s", expiry(never)), r.connect(t, "p")
	s.subscribe("t", 1)
	p.publishAll("t", 1, 1, 5, broker.Accepted)
	s.detach()
	s = r.dial(t, "s", expiry(never))
	s.link.verdict = func(d *broker.Delivery) broker.Verdict {
		if p := string(d.Message.Payload); p == "1" || p == "4" {
			return broker.Oversized
		}
		return broker.Sent
	}
	s.s.Start(s.sc, s.epoch)
	got := s.drain()
	if len(got) != 3 || got[0].payload != "2" || got[1].payload != "3" || got[2].payload != "5" {
		t.Errorf("got %v, want 2, 3, 5", got)
	}
	if st := r.Stats(); st.Inflight != 0 || st.Queued != 0 || st.Dropped["oversized"] != 2 {
		t.Errorf("got %d in flight, %d queued, %d oversized, want 0, 0, 2", st.Inflight, st.Queued, st.Dropped["oversized"])
	}
}

// TestBecomesTransient reconnects a persistent Session so that it ends with this
// connection. What is stored keeps its order and nothing is left behind.
func TestBecomesTransient(t *testing.T) {
	for _, n := range []int{0, 10, 600} {
		st := newLateStore(t, 1)
		r := newRoom(t, broker.Config{Store: st})
		s, p := r.connect(t, "s", expiry(never)), r.connect(t, "p")
		s.subscribe("t", 1)
		s.detach()
		var stored []*publication
		for i := 1; i <= n; i++ {
			stored = append(stored, p.publish("t", fmt.Sprint(i), 1))
		}
		st.Settle()
		wantOutcome(t, "stored", stored, broker.Accepted)
		s = r.connect(t, "s")
		if !s.Present || s.Expiry != 0 {
			t.Errorf("got Session Present %t, expiry %d, want true, 0", s.Present, s.Expiry)
		}
		for i := n + 1; i <= n+10; i++ {
			p.publish("t", fmt.Sprint(i), 1)
		}
		var all []delivery
		st.Settle()
		for got := s.drain(); len(got) > 0; got = s.drain() {
			all = append(all, got...)
			st.Settle()
		}
		wantPayloads(t, "deliveries", all, 1, n+10)
		s.detach()
		p.detach()
		st.Settle()
		r.wantIdle(t)
		if got := st.sessions(); got != 0 {
			t.Errorf("left in the Store: got %d records, want none", got)
		}
	}
}

// TestRestart gives the Store of one broker to another.
func TestRestart(t *testing.T) {
	st := memory.New()
	r := newRoom(t, broker.Config{Store: st})
	s, p := r.connect(t, "s", expiry(never)), r.connect(t, "p")
	s.publishID(77)
	s.subscribe("t", 1)
	p.publishAll("t", 1, 1, 10, broker.Accepted)
	s.detach()
	r = newRoom(t, broker.Config{Store: st})
	s, p = r.connect(t, "s", expiry(never)), r.connect(t, "p")
	if !s.Present {
		t.Error("Session Present: got false, want true")
	}
	if got := s.repeatID(77).outcome(); got != broker.Repeated {
		t.Errorf("QoS 2 publish accepted before: got result %d, want %d", got, broker.Repeated)
	}
	p.publishAll("t", 1, 11, 20, broker.Accepted)
	wantPayloads(t, "deliveries", s.drain(), 1, 20)
	s.leave(broker.Leave{Expiry: new(uint32)})
	p.detach()
	r.wantIdle(t)
}

// TestCommit answers a publisher when its message is on disk, or acknowledged
// by the device itself, and not before.
func TestCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newLateStore(t, 1)
		defer func() { _ = st.Close() }()
		r := newRoom(t, broker.Config{Store: st})
		s, p := r.connect(t, "s", expiry(never)), r.connect(t, "p")
		s.subscribe("t", 1)
		synctest.Wait()
		st.Hold(true)
		ps := p.publishAll("t", 1, 1, 3, broker.Pending)
		synctest.Wait()
		wantOutcome(t, "before the commit", ps, broker.Pending)
		wantPayloads(t, "deliveries", s.link.take(), 1, 3)
		s.ack(2)
		wantOutcome(t, "acknowledged by the device", ps[1:2], broker.Accepted)
		wantOutcome(t, "not acknowledged", []*publication{ps[0], ps[2]}, broker.Pending)
		st.Hold(false)
		synctest.Wait()
		wantOutcome(t, "after the commit", ps, broker.Accepted)
		if es := st.mailbox("s"); len(es) != 2 || es[0].Seq != 1 || es[1].Seq != 3 {
			t.Errorf("on disk: got %v, want entries 1 and 3", es)
		}
	})
}

// TestStoreFails refuses what cannot be stored. Once it can again, nothing of
// the failure is left.
func TestStoreFails(t *testing.T) {
	for _, online := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			st := newLateStore(t, 1)
			defer func() { _ = st.Close() }()
			st.Fail(func(c storetest.Call) error {
				if c.Op == storetest.OpAppend && c.Entry.Message.Payload[0] == 'f' {
					return errors.New("bad sector")
				}
				return nil
			})
			r := newRoom(t, broker.Config{Store: st, MaxQueuedMessages: 10})
			s, p := r.connect(t, "s", expiry(never)), r.connect(t, "p")
			s.subscribe("t", 1)
			if !online {
				s.detach()
			}
			synctest.Wait()
			for i := 1; i <= 5; i++ {
				bad, good := p.publish("t", "f", 1), p.publish("t", fmt.Sprint(i), 1)
				synctest.Wait()
				wantOutcome(t, "that fails", []*publication{bad}, broker.StoreFailed)
				wantOutcome(t, "that does not", []*publication{good}, broker.Accepted)
			}
			if !online {
				s = r.connect(t, "s", expiry(never))
				synctest.Wait()
			}
			var good []delivery
			for got := s.drain(); len(got) > 0; got = s.drain() {
				good = append(good, slices.DeleteFunc(got, func(d delivery) bool { return d.payload == "f" })...)
				synctest.Wait()
			}
			wantPayloads(t, "deliveries", good, 1, 5)
			synctest.Wait()
			if st := r.Stats(); st.Queued != 0 || st.QueuedBytes != 0 {
				t.Errorf("queued at the end: got %d, %d bytes, want 0", st.Queued, st.QueuedBytes)
			}
			s.detach()
			for i := range 10 { // the mailbox has all its room
				ok := p.publish("t", fmt.Sprint(i), 1)
				synctest.Wait()
				wantOutcome(t, "after the failures", []*publication{ok}, broker.Accepted)
			}
			p.detach()
		})
	}
}

// TestLoadFails ends the connection of a client whose mailbox cannot be read.
func TestLoadFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newLateStore(t, 1)
		defer func() { _ = st.Close() }()
		fault := errors.New("bad sector")
		st.Fail(storetest.FailOn(fault, storetest.OpLoad))
		r := newRoom(t, broker.Config{Store: st})
		s, p := r.connect(t, "s", expiry(never)), r.connect(t, "p")
		s.subscribe("t", 1)
		s.detach()
		p.publish("t", "1", 1)
		synctest.Wait()
		s = r.connect(t, "s", expiry(never))
		synctest.Wait()
		if got := s.link.ended(); len(got) != 1 || !errors.Is(got[0], fault) {
			t.Errorf("connection ended with %v, want %v", got, fault)
		}
		s.detach()
		synctest.Wait()
		st.Fail(nil)
		s = r.connect(t, "s", expiry(never))
		synctest.Wait()
		wantPayloads(t, "once it can be read", s.drain(), 1, 1)
		synctest.Wait()
	})
}

// reconnecting connects the client again.
type reconnecting func() *client

// TestPageArrivesLate takes the connection over, or loses it, while a page of
// the mailbox is being fetched.
func TestPageArrivesLate(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(r reconnecting, s *client) *client
	}{
		{"taken over", func(r reconnecting, _ *client) *client { return r() }},
		{"lost and back", func(r reconnecting, s *client) *client { s.detach(); return r() }},
		{"lost and back twice", func(r reconnecting, s *client) *client {
			s.detach()
			r().detach()
			return r()
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := newLateStore(t, randtest.New(t).Uint64())
				defer func() { _ = st.Close() }()
				r := newRoom(t, broker.Config{Store: st})
				s, p := r.connect(t, "s", expiry(never)), r.connect(t, "p")
				s.subscribe("t", 1)
				s.detach()
				for i := 1; i <= 600; i++ {
					p.publish("t", fmt.Sprint(i), 1)
				}
				synctest.Wait()
				s = r.connect(t, "s", expiry(never))
				s.link.setVerdict(broker.Sent)
				st.Hold(true)
				all := s.drain()
				s = c.do(func() *client { return r.connect(t, "s", expiry(never)) }, s)
				for i := 601; i <= 620; i++ {
					p.publish("t", fmt.Sprint(i), 1)
				}
				st.Hold(false)
				synctest.Wait()
				for got := s.drain(); len(got) > 0; got = s.drain() {
					all = append(all, got...)
					synctest.Wait()
				}
				seen := make(map[string]bool) // what was in flight comes again
				all = slices.DeleteFunc(all, func(d delivery) bool { was := seen[d.payload]; seen[d.payload] = true; return was })
				wantPayloads(t, "deliveries", all, 1, 620)
				if st := r.Stats(); st.Queued != 0 || st.Inflight != 0 {
					t.Errorf("got %d queued, %d in flight, want 0", st.Queued, st.Inflight)
				}
			})
		})
	}
}

// TestRestartEndsSessions restarts with the record of a Session that was to end with
// its connection.
func TestRestartEndsSessions(t *testing.T) {
	st := memory.New()
	r := newRoom(t, broker.Config{Store: st})
	s, p := r.connect(t, "s", expiry(never)), r.connect(t, "p")
	s.subscribe("t", 1)
	s = r.connect(t, "s") // from now on it ends with its connection
	p.publishAll("t", 1, 1, 3, broker.Accepted)
	if !s.Present {
		t.Error("before the restart: got no Session, want it present")
	}
	r = newRoom(t, broker.Config{Store: st})
	s = r.connect(t, "s", expiry(never))
	if got := s.link.take(); s.Present || len(got) != 0 {
		t.Errorf("after the restart: got Session Present %t, deliveries %v, want neither", s.Present, got)
	}
	s.leave(broker.Leave{Expiry: new(uint32)})
	r.wantIdle(t)
}

// TestExpiredMakeRoom fills the mailbox of a Session that sleeps with messages that expire. They do not keep others out.
func TestExpiredMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, broker.Config{MaxQueuedMessages: 100})
		s, p := n.connect(t, "s", expiry(never)), n.connect(t, "p")
		s.subscribe("t", 1)
		s.detach()
		advance(time.Minute)
		for range 100 {
			p.publishWait("t", "old", 1, broker.Accepted, func(m *broker.Message) { m.Expires = time.Now().Add(time.Minute) })
		}
		p.publishWait("t", "1", 1, broker.QuotaExceeded)
		advance(2 * time.Minute)
		p.publishAllWait("t", 1, 1, 100)
		wantPayloads(t, "after it is back", n.connect(t, "s", expiry(never)).receive(), 1, 100)
	})
}
