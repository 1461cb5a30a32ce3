package broker_test

import (
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/topic"
	"github.com/holdfast-mqtt/holdfast/storage/storetest"
)

const broadcasts = "broadcast/" + broker.DefaultApp

func itoa(n int) string { return strconv.Itoa(n) }

// TestBroadcast has Sessions take broadcasts that are awake, off line, asleep and not there when they are published.
func TestBroadcast(t *testing.T) {
	for _, how := range []string{"on line", "off line", "asleep", "restarted", "crashed"} {
		for _, wild := range []bool{false, true} {
			t.Run(how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					n := newNode(t, broker.Config{})
					s, p := n.connect(t, "s", expiry(never)), n.connect(t, "p")
					p.publishAllWait(broadcasts, 1, -3, 0) // before it has subscribed
					s.subscribe(broadcasts, 2)
					if wild {
						s.subscribe("#", 1)
					}
					p.publishAllWait(broadcasts, 2, 1, 3)
					wantPayloads(t, "on line", s.receive(), 1, 3)
					if how != "on line" {
						s.detach()
					}
					p.publishAllWait(broadcasts, 1, 4, 5)
					switch how {
					case "asleep":
						advance(time.Minute)
					case "restarted":
						n.Close()
						n = n.crash(t)
						p = n.connect(t, "p")
					case "crashed":
						n = n.crash(t)
						p = n.connect(t, "p")
					}
					appended := n.st.Calls(storetest.OpAppend)
					p.publishAllWait(broadcasts, 1, 6, 600)
					if how != "on line" {
						if got := n.st.Calls(storetest.OpAppend) - appended; got != 0 {
							t.Errorf("entries for a Session that is away: got %d, want none", got)
						}
						s = n.connect(t, "s", expiry(never))
					}
					wantPayloads(t, how, s.receive(), 4, 600)
					n = n.crash(t)
					s = n.connect(t, "s", expiry(never))
					if got := s.receive(); len(got) != 0 {
						t.Errorf("after a crash: got %q again, want nothing", payloads(got))
					}
				})
			})
		}
	}
}

// TestBroadcastWhileConnecting publishes a broadcast while the record of a client that has come back is being made safe:
// what it has missed comes first.
func TestBroadcastWhileConnecting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, broker.Config{})
		s, p := n.connect(t, "s", expiry(never)), n.connect(t, "p")
		s.subscribe(broadcasts, 1)
		s.detach()
		p.publishAllWait(broadcasts, 1, 1, 3)
		advance(time.Minute)
		s = n.dial(t, "s", expiry(never))
		p.publishAllWait(broadcasts, 1, 4, 4)
		s.s.Start(s.sc, s.epoch)
		wantPayloads(t, "deliveries", s.receive(), 1, 4)
	})
}

// TestBroadcastCursor has broadcasts acknowledged out of order over a crash. None may come again.
func TestBroadcastCursor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, broker.Config{})
		s, p := n.connect(t, "s", expiry(never)), n.connect(t, "p")
		s.subscribe(broadcasts, 1)
		p.publishAllWait(broadcasts, 1, 1, 3)
		got := s.link.take()
		s.ack(got[2].id, got[1].id)
		synctest.Wait()
		n = n.crash(t)
		s = n.connect(t, "s", expiry(never))
		wantPayloads(t, "not acknowledged", s.receive(), 1, 1)
		n = n.crash(t)
		s = n.connect(t, "s", expiry(never))
		if got := s.receive(); len(got) != 0 {
			t.Errorf("all acknowledged: got %q again, want nothing", payloads(got))
		}
	})
}

// TestBroadcastSettledInOrder: the cursor is moved before an entry goes. If the node is killed in between, a broadcast
// whose entry is gone is not read from the log again.
func TestBroadcastSettledInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, broker.Config{})
		s, p := n.connect(t, "s", expiry(never)), n.connect(t, "p")
		s.subscribe(broadcasts, 1)
		p.publishAllWait(broadcasts, 1, 1, 1)
		var order []storetest.Op
		n.st.Fail(func(c storetest.Call) error {
			order = append(order, c.Op)
			return nil
		})
		s.receive()
		if want := []storetest.Op{storetest.OpSetCursor, storetest.OpRemove}; !slices.Equal(order, want) {
			t.Errorf("calls when it is acknowledged: got %v, want %v", order, want)
		}
	})
}

// TestBroadcastSubscribeAgain begins at the end of the log with each new subscription.
func TestBroadcastSubscribeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, broker.Config{})
		s, p := n.connect(t, "s", expiry(never)), n.connect(t, "p")
		s.subscribe(broadcasts, 1)
		if _, _, err := s.s.Unsubscribe(s.sc, s.epoch, []string{broadcasts}, nil); err != nil {
			t.Errorf("Unsubscribe: got %v, want nil", err)
		}
		p.publishAllWait(broadcasts, 1, 1, 3)
		s.subscribe(broadcasts, 1)
		s.detach()
		p.publishAllWait(broadcasts, 1, 4, 5)
		s = n.connect(t, "s", expiry(never))
		wantPayloads(t, "deliveries", s.receive(), 4, 5)
	})
}

// TestBroadcastHigherQoS: for a subscription of QoS 0 nothing is kept; one that becomes QoS 1 begins at the log's end.
func TestBroadcastHigherQoS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, broker.Config{})
		s, p := n.connect(t, "s", expiry(never)), n.connect(t, "p")
		s.subscribe(broadcasts, 0)
		s.detach()
		p.publishAllWait(broadcasts, 1, -2, 0)
		s = n.connect(t, "s", expiry(never))
		s.subscribe(broadcasts, 1)
		s.detach()
		p.publishAllWait(broadcasts, 1, 1, 3)
		s = n.connect(t, "s", expiry(never))
		wantPayloads(t, "since it is kept", s.receive(), 1, 3)
	})
}

// TestBroadcastBecomesTransient reconnects a Session so that it ends with this connection. It gets what it has missed,
// and what comes then, and leaves nothing behind.
func TestBroadcastBecomesTransient(t *testing.T) {
	for _, sleeps := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			n := newNode(t, broker.Config{})
			s, p := n.connect(t, "s", expiry(never)), n.connect(t, "p")
			s.subscribe(broadcasts, 1)
			s.detach()
			p.publishAllWait(broadcasts, 1, 1, 300)
			if sleeps {
				advance(time.Minute)
			}
			s = n.dial(t, "s")
			p.publish(broadcasts, "301", 1)
			s.s.Start(s.sc, s.epoch)
			p.publish(broadcasts, "302", 1)
			got := s.receive()
			p.publish(broadcasts, "303", 1)
			wantPayloads(t, "deliveries", append(got, s.receive()...), 1, 303)
			if got := records(n.disk); got != 0 {
				t.Errorf("left in the Store: got %d records, want none", got)
			}
			s.detach()
			p.detach()
			n.wantIdle(t)
		})
	}
}

// TestBroadcastSlow has a client with a full mailbox catch up from the log.
func TestBroadcastSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, broker.Config{MaxQueuedMessages: 10})
		s, p := n.connect(t, "s", expiry(never), receiveMaximum(3)), n.connect(t, "p")
		s.subscribe(broadcasts, 1)
		p.publishAllWait(broadcasts, 1, 1, 300)
		if got := n.Stats().Queued; got > 10 {
			t.Errorf("queued: got %d, want no more than 10", got)
		}
		wantPayloads(t, "deliveries", s.receive(), 1, 300)
	})
}

// TestBroadcastSleepers publishes one broadcast to 10,000 Sessions that sleep.
func TestBroadcastSleepers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, broker.Config{FlashTimeout: -1})
		for i := range 10_000 {
			s := n.connect(t, itoa(i), expiry(never))
			s.subscribe(broadcasts, 1)
			s.detach()
		}
		synctest.Wait()
		if got := n.Stats().Sessions; got != 0 {
			t.Errorf("Sessions in RAM: got %d, want none", got)
		}
		p := n.connect(t, "p")
		synctest.Wait()
		before := n.calls(0)
		p.publishAllWait(broadcasts, 1, 1, 1)
		if got := n.st.Calls(storetest.OpAppendLog); got != 1 {
			t.Errorf("calls of AppendLog: got %d, want 1", got)
		}
		if got := n.calls(before); got != 1 {
			t.Errorf("calls of the Store: got %d, want 1", got)
		}
	})
}

// TestBroadcastNoLocal has a client publish a broadcast and come back. With No Local it does not get its own, from the log either:
// v5 [MQTT-3.8.3-3].
func TestBroadcastNoLocal(t *testing.T) {
	for _, noLocal := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			n := newNode(t, broker.Config{})
			s, p := n.connect(t, "s", expiry(never)), n.connect(t, "p")
			s.subscribeTo(broker.Subscribe{TopicFilter: broadcasts, Options: topic.NewOptions(1, noLocal, false, 0)})
			s.publishWait(broadcasts, "own", 1, broker.Accepted)
			got := payloads(s.receive())
			s.detach()
			p.publishAllWait(broadcasts, 1, 1, 1)
			advance(time.Minute)
			want := []string{"own", "1"}
			if noLocal {
				want = want[1:]
			}
			n = n.crash(t)
			got = append(got, payloads(n.connect(t, "s", expiry(never)).receive())...)
			if !slices.Equal(got, want) {
				t.Errorf("No Local %t: got %q, want %q", noLocal, got, want)
			}
		})
	}
}
