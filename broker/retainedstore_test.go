package broker_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/topic"
	"github.com/holdfast-mqtt/holdfast/storage/memory"
	"github.com/holdfast-mqtt/holdfast/storage/storetest"
)

// large is a payload that is in the Store only.
func large(s string) string { return s + strings.Repeat(".", 300) }

// retain publishes retained messages, every other one large.
func retain(p *client, round string, from, to int) {
	for i := from; i <= to; i++ {
		payload := fmt.Sprint(round, i)
		if i%2 == 0 {
			payload = large(payload)
		}
		p.publishWait(fmt.Sprintf("r/%03d", i), payload, 1, broker.NoSubscribers, retained)
	}
}

// short returns payloads without what makes them large.
func short(got []delivery) []string {
	var all []string
	for _, p := range payloads(got) {
		all = append(all, strings.TrimRight(p, "."))
	}
	return all
}

// TestRetainedLarge sends retained messages of which some are in RAM and some in the Store only, also after a restart.
func TestRetainedLarge(t *testing.T) {
	for _, restart := range []bool{false, true} {
		for _, life := range []uint32{0, never} {
			for _, qos := range []uint8{0, 1, 2} {
				synctest.Test(t, func(t *testing.T) {
					n := newNode(t, broker.Config{})
					retain(n.connect(t, "p"), "", 1, 600)
					if restart {
						n = n.crash(t)
					}
					s := n.connect(t, "s", expiry(life), receiveMaximum(100))
					s.subscribe("r/#", qos)
					got := s.receive()
					for s.link.yields > 0 && len(got) < 600 {
						s.link.yields = 0
						s.resume()
						got = append(got, s.receive()...)
					}
					seen := make(map[string]bool)
					for i, d := range got {
						if seen[d.topic] || !d.retain || fmt.Sprintf("r/%03s", short(got)[i]) != d.topic {
							t.Errorf("delivery %d: got %q for %q, again %t, retain %t", i, d.payload, d.topic, seen[d.topic], d.retain)
						}
						seen[d.topic] = true
					}
					if len(got) != 600 {
						t.Errorf("deliveries: got %d, want 600", len(got))
					}
				})
			}
		}
	}
}

// TestRetainedChanges replaces and deletes messages while they are being read: none comes in an older version after a newer one,
// nor after it was deleted.
func TestRetainedChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, broker.Config{})
		p := n.connect(t, "p")
		retain(p, "a", 1, 50)
		s := n.connect(t, "s")
		n.st.Hold(true)
		s.subscribe("r/#", 1)
		for i := 1; i <= 50; i++ {
			switch i % 5 {
			case 0:
				p.publish(fmt.Sprintf("r/%03d", i), "", 1, retained)
			case 1, 2:
				p.publish(fmt.Sprintf("r/%03d", i), large(fmt.Sprint("b", i)), 1, retained)
			}
		}
		n.st.Hold(false)
		last := make(map[string]string)
		for _, d := range s.receive() {
			if strings.HasPrefix(d.payload, "a") && strings.HasPrefix(last[d.topic], "b") {
				t.Errorf("%s: got %q after %q", d.topic, d.payload, last[d.topic])
			}
			last[d.topic] = strings.TrimRight(d.payload, ".")
		}
		for i := 1; i <= 50; i++ {
			want := fmt.Sprint("a", i)
			switch i % 5 {
			case 0:
				want = ""
			case 1, 2:
				want = fmt.Sprint("b", i)
			}
			if got := last[fmt.Sprintf("r/%03d", i)]; got != want && i > 1 { // what is in RAM goes first, and was sent by then
				t.Errorf("r/%03d: got %q at last, want %q", i, got, want)
			}
		}
	})
}

// TestRetainedUnreadable ends the connection of a client whose retained messages cannot be read.
func TestRetainedUnreadable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, broker.Config{})
		retain(n.connect(t, "p"), "", 1, 4)
		n.st.Fail(storetest.FailOn(errBadSector, storetest.OpLoadRetained))
		s := n.connect(t, "s")
		s.subscribe("r/#", 1)
		synctest.Wait()
		if got := s.link.ended(); len(got) != 1 || !errors.Is(got[0], errBadSector) {
			t.Errorf("ended with %v, want %v", got, errBadSector)
		}
		s.detach()
		n.st.Fail(nil)
		s = n.connect(t, "s")
		s.subscribe("r/#", 1)
		if got := short(s.receive()); len(got) != 4 {
			t.Errorf("once it can be read: got %q, want 4", got)
		}
	})
}

// TestRetainedNotStored: what could not be stored is not in force, and what was before is.
func TestRetainedNotStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, broker.Config{})
		p := n.connect(t, "p")
		retain(p, "a", 1, 2)
		n.st.Fail(storetest.FailOn(errBadSector, storetest.OpSetRetained))
		for i := 1; i <= 3; i++ {
			p.publishWait(fmt.Sprintf("r/%03d", i), large("b"), 1, broker.StoreFailed, retained)
		}
		n.st.Fail(nil)
		s := n.connect(t, "s")
		s.subscribe("r/#", 1)
		if got := fmt.Sprint(short(s.receive())); got != "[a1 a2]" {
			t.Errorf("in force: got %s, want [a1 a2]", got)
		}
	})
}

// TestRetainedExpires: one that has expired does not come, from RAM or the Store.
func TestRetainedExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, broker.Config{})
		p := n.connect(t, "p")
		for i, payload := range []string{"small", large("large")} {
			p.publishWait(fmt.Sprint("r/", i), payload, 1, broker.NoSubscribers, retained, func(m *broker.Message) {
				m.Expires = time.Now().Add(time.Minute)
			})
		}
		s := n.connect(t, "s")
		n.st.Hold(true)
		s.subscribe("r/1", 1)
		<-time.After(time.Minute)
		n.st.Hold(false)
		s.subscribeTo(broker.Subscribe{TopicFilter: "r/#", Options: topic.NewOptions(1, false, false, 0)})
		if got := short(s.receive()); len(got) != 0 {
			t.Errorf("expired: got %q, want nothing", got)
		}
		advance(sweep)
		if got := n.Stats().Retained; got != 0 {
			t.Errorf("retained: got %d, want none", got)
		}
	})
}

// TestRetainedNothingRemoved removes retained messages that there are not. The Store need not hear of that: nothing bounds how many
// there are, as a Store takes deletions when it is full too. After a failure it may hold more than is known, and hears of all.
func TestRetainedNothingRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, broker.Config{})
		p := n.connect(t, "p")
		want := 0
		remove := func(name string, told bool) {
			t.Helper()
			p.publishWait(name, "", 1, broker.NoSubscribers, retained)
			if told {
				want++
			}
			if got := n.st.Calls(storetest.OpSetRetained); got != want {
				t.Fatalf("calls of the Store: got %d, want %d", got, want)
			}
		}
		p.publishWait("a", "1", 1, broker.NoSubscribers, retained)
		want++
		for i := range 100 {
			remove("none/"+itoa(i), false)
		}
		remove("a", true)
		remove("a", false)
		p.publishWait("a", "2", 1, broker.NoSubscribers, retained)
		n.st.Fail(storetest.FailOn(errBadSector, storetest.OpSetRetained))
		p.publishWait("a", "", 1, broker.StoreFailed, retained)
		n.st.Fail(nil)
		want += 2
		remove("a", true)
		n = n.crash(t)
		s := n.connect(t, "s")
		s.subscribe("#", 1)
		if got := s.receive(); len(got) != 0 {
			t.Errorf("got %q, which was removed, want nothing", payloads(got))
		}
	})
}

// TestRetainedFailInARow has the Store fail to keep retained messages that come one soon after the other. None of them is in
// force then, but what there was before.
func TestRetainedFailInARow(t *testing.T) {
	for before := range 2 {
		for failing := 1; failing <= 4; failing++ {
			synctest.Test(t, func(t *testing.T) {
				n := newNode(t, broker.Config{})
				p := n.connect(t, "p")
				want := []string{"good"}[:before]
				for _, payload := range want {
					p.publishWait("r", payload, 1, broker.NoSubscribers, retained)
				}
				n.st.Hold(true)
				n.st.Fail(storetest.FailOn(errBadSector, storetest.OpSetRetained))
				var all []*publication
				for i := range failing {
					all = append(all, p.publish("r", "bad"+itoa(i), 1, retained))
				}
				n.st.Hold(false)
				synctest.Wait()
				wantOutcome(t, "publish", all, broker.StoreFailed)
				s := n.connect(t, "s")
				s.subscribe("r", 1)
				if got := payloads(s.receive()); !slices.Equal(got, want) {
					t.Errorf("after %d failures: got %q, want %q", failing, got, want)
				}
				n.st.Fail(nil)
				p.publishWait("r", "better", 1, broker.Accepted, retained)
				n.st.Hold(true)
				wantOutcome(t, "publish", []*publication{p.publish("r", "", 1, retained)}, broker.Pending)
				n.st.Hold(false)
				synctest.Wait()
				if got := n.Stats().Retained; got != 0 {
					t.Errorf("got %d retained messages after the last was removed, want 0", got)
				}
			})
		}
	}
}

// TestRetainedRemovedTwice removes a retained message that somebody else is removing. The answer waits until it is removed for good.
func TestRetainedRemovedTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, broker.Config{})
		p, q := n.connect(t, "p"), n.connect(t, "q")
		p.publishWait("r", "1", 1, broker.NoSubscribers, retained)
		n.st.Hold(true)
		all := []*publication{p.publish("r", "", 1, retained), q.publish("r", "", 1, retained)}
		before := n.st.Calls(storetest.OpSetRetained)
		for range 100 {
			q.publish("r", "", 0, retained)
		}
		if got := n.st.Calls(storetest.OpSetRetained) - before; got != 0 {
			t.Errorf("calls of the Store for what nobody waits for: got %d, want 0", got)
		}
		synctest.Wait()
		wantOutcome(t, "before it is removed", all, broker.Pending)
		n.st.Hold(false)
		synctest.Wait()
		wantOutcome(t, "after it is removed", all, broker.NoSubscribers)
	})
}

// TestRetainedSystem: what a node says of itself below $SYS is not stored, or it would be told by one that says nothing of the
// kind. What earlier versions have stored is deleted.
func TestRetainedSystem(t *testing.T) {
	for _, payload := range []string{"1", large("1")} {
		synctest.Test(t, func(t *testing.T) {
			disk := memory.New()
			disk.SetRetained("gone", "$SYS/broker/uptime", &broker.Message{TopicName: "$SYS/broker/uptime", Payload: []byte("1"), Retain: true}, nil)
			n := startNode(t, broker.Config{}, disk)
			if apps := n.AppStats(); len(apps) != 1 {
				t.Errorf("Apps: got %v, want that of the test alone", apps)
			}
			p := n.connect(t, "p")
			p.publish("$SYS/broker/uptime", payload, 0, retained)
			synctest.Wait()
			s := n.connect(t, "s")
			s.subscribe("$SYS/#", 0)
			if got := payloads(s.receive()); !slices.Equal(got, []string{payload}) {
				t.Errorf("got %q, want %q", got, payload)
			}
			if err := n.disk.RetainedMessages(func(app string, m *broker.Message) {
				t.Errorf("stored: %s of App %s", m.TopicName, app)
			}); err != nil {
				t.Error(err)
			}
			n = n.crash(t)
			s = n.connect(t, "s")
			s.subscribe("$SYS/#", 0)
			if got := payloads(s.receive()); len(got) != 0 {
				t.Errorf("after a restart: got %q, want nothing", got)
			}
		})
	}
}
