package broker_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// TestDropOldest fills a mailbox under the policy drop-oldest.
func TestDropOldest(t *testing.T) {
	for _, how := range []string{"on line", "off line", "asleep", "restarted"} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNode(t, broker.Config{MaxQueuedMessages: 10, DropOldest: true})
				s, p := n.connect(t, "s", expiry(never), verdict(broker.Full)), n.connect(t, "p")
				s.subscribe("t", 2)
				switch how {
				case "off line":
					s.detach()
				case "asleep":
					s.detach()
					advance(time.Minute)
				case "restarted":
					s.detach()
					synctest.Wait()
					n = n.crash(t)
					p = n.connect(t, "p")
				}
				p.publishAllWait("t", 2, 1, 500)
				st := n.Stats()
				if st.Queued > 10 || st.Queued+int64(st.Dropped["oldest"]) != 500 {
					t.Errorf("got %d queued, %d dropped, want no more than 10, and 500 together", st.Queued, st.Dropped["oldest"])
				}
				s = n.connect(t, "s", expiry(never))
				got := s.receive()
				wantPayloads(t, "deliveries", got, 501-len(got), 500)
				if len(got) < 3 {
					t.Errorf("deliveries: got %d, want more", len(got))
				}
				s.leave(broker.Leave{Expiry: new(uint32)})
				p.detach()
				n.wantIdle(t)
			})
		})
	}
}

// TestDropOldestKeepsBegun: a message that the client may have begun to receive with QoS 2 is not dropped. Its Packet
// Identifier could be used again, after a crash, while the client takes that for a repetition.
func TestDropOldestKeepsBegun(t *testing.T) {
	for _, how := range []string{"back", "asleep", "crashed"} {
		for _, qos := range []broker.QoS{1, 2} {
			t.Run(how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					n := newNode(t, broker.Config{MaxQueuedMessages: 10, DropOldest: true})
					s, p := n.connect(t, "s", expiry(never), receiveMaximum(5)), n.connect(t, "p")
					s.subscribe("t", 2)
					p.publishAllWait("t", qos, 1, 7)
					if got := s.link.take(); len(got) != 5 {
						t.Fatalf("sent: got %d, want 5", len(got))
					}
					s.detach()
					switch how {
					case "back":
						n = n.crash(t)
						p = n.connect(t, "p")
						n.connect(t, "s", expiry(never), verdict(broker.Full))
						synctest.Wait()
					case "asleep":
						advance(time.Minute)
					case "crashed":
						n = n.crash(t)
						p = n.connect(t, "p")
					}
					for i := 8; i <= 40; i++ {
						p.publish("t", itoa(i), 1)
						synctest.Wait()
					}
					s = n.connect(t, "s", expiry(never))
					got := payloads(s.receive())
					want := []string{"1", "2", "3", "4", "5"}
					if begun := len(got) >= 5 && slices.Equal(got[:5], want); qos == 2 && !begun {
						t.Errorf("begun with QoS 2: got %q, want %q first", got, want)
					}
					if !slices.Contains(got, "40") && (how == "asleep" || qos == 1) {
						t.Errorf("deliveries: got %q, want the newest among them", got)
					}
				})
			})
		}
	}
}

// TestFullOfExpired: messages that have expired do not keep others out.
func TestFullOfExpired(t *testing.T) {
	for _, drop := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			n := newNode(t, broker.Config{MaxQueuedMessages: 10, DropOldest: drop})
			s, p := n.connect(t, "s", expiry(never), verdict(broker.Full)), n.connect(t, "p")
			s.subscribe("t", 1)
			for i := 1; i <= 10; i++ {
				p.publishWait("t", "x", 1, broker.Accepted, func(m *broker.Message) { m.Expires = time.Now().Add(time.Second) })
			}
			advance(2 * time.Second)
			p.publishAllWait("t", 1, 1, 10)
			s.link.setVerdict(broker.Sent)
			s.resume()
			wantPayloads(t, "deliveries", s.receive(), 1, 10)
		})
	}
}

// TestRestartCounts: how much the mailbox of a Session holds is known before the first message is taken after a restart.
func TestRestartCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, broker.Config{MaxQueuedMessages: 10})
		s, p := n.connect(t, "s", expiry(never)), n.connect(t, "p")
		s.subscribe("t", 1)
		s.detach()
		p.publishAllWait("t", 1, 1, 8)
		n = n.crash(t)
		p = n.connect(t, "p")
		p.publishAllWait("t", 1, 9, 10)
		p.publishWait("t", "11", 1, broker.QuotaExceeded)
		wantPayloads(t, "deliveries", n.connect(t, "s", expiry(never)).receive(), 1, 10)
	})
}
