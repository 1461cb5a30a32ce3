package broker_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// TestCrashKeepsFirstDelivery: what is published after a crash to a Session that was connected then is sent for the
// first time when it comes back: without DUP, and not if it has expired meanwhile, v5 [MQTT-3.3.2-5].
func TestCrashKeepsFirstDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, broker.Config{})
		s, p := n.connect(t, "s", expiry(never)), n.connect(t, "p")
		s.subscribe("t", 1)
		p.publishWait("t", "1", 1, broker.Accepted)
		s.link.take()
		n = n.crash(t)
		p = n.connect(t, "p")
		p.publishWait("t", "2", 1, broker.Accepted)
		p.publishWait("t", "short-lived", 1, broker.Accepted, func(m *broker.Message) { m.Expires = time.Now().Add(time.Second) })
		advance(time.Minute)
		s = n.connect(t, "s", expiry(never))
		got := s.receive()
		wantPayloads(t, "deliveries", got, 1, 2)
		if !got[0].dup || got[1].dup {
			t.Errorf("DUP: got %t and %t, want true and false", got[0].dup, got[1].dup)
		}
	})
}

// wills are how a client with a Will may have been connected.
var wills = []struct {
	name   string
	expiry uint32
	delay  time.Duration
}{
	{"transient", 0, 0},
	{"lasting", 3600, 0},
	{"lasting, delayed", 3600, time.Minute},
}

// TestCrashPublishesWill kills the node while a client with a Will is connected. It is published once, and not earlier
// than its delay after the restart.
func TestCrashPublishesWill(t *testing.T) {
	for _, c := range wills {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNode(t, broker.Config{})
				w := n.connect(t, "w", expiry(never))
				w.subscribe("will", 2)
				n.connect(t, "c", expiry(c.expiry), will(aWill(c.delay)))
				synctest.Wait()
				n = n.crash(t)
				w = n.connect(t, "w", expiry(never))
				if c.delay > 0 {
					advance(c.delay - time.Second)
					if got := w.receive(); len(got) != 0 {
						t.Errorf("before the delay has passed: got %v, want nothing", got)
					}
				}
				advance(2 * time.Second)
				wantPayloads(t, "after the restart", w.receive(), 1, 1)
				for range 2 {
					n = n.crash(t)
					w = n.connect(t, "w", expiry(never))
					advance(2 * time.Minute)
					if got := w.receive(); len(got) != 0 {
						t.Errorf("after another restart: got %q again, want nothing", payloads(got))
					}
				}
			})
		})
	}
}

func aWill(delay time.Duration) broker.Will {
	return broker.Will{Message: &broker.Message{TopicName: "will", Payload: []byte("1"), QoS: 2}, Delay: delay}
}

// TestWillOutlivesMail: a transient client whose inbox has been used and is empty again still has its Will published
// when the node is killed.
func TestWillOutlivesMail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, broker.Config{})
		w, p := n.connect(t, "w", expiry(never)), n.connect(t, "p")
		w.subscribe("will", 2)
		c := n.connect(t, "c", will(aWill(0)))
		p.publishWait("inbox/c", "1", 1, broker.Accepted)
		wantPayloads(t, "mail", c.receive(), 1, 1)
		n = n.crash(t)
		w = n.connect(t, "w", expiry(never))
		wantPayloads(t, "after the restart", w.receive(), 1, 1)
	})
}

// TestCrashWillNotPublished has the client come back before the delay has passed, or take leave before the crash.
func TestCrashWillNotPublished(t *testing.T) {
	for _, c := range wills {
		for _, graceful := range []bool{true, false} {
			if !graceful && c.delay == 0 {
				continue
			}
			t.Run(c.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					n := newNode(t, broker.Config{})
					w := n.connect(t, "w", expiry(never))
					w.subscribe("will", 2)
					s := n.connect(t, "c", expiry(c.expiry), will(aWill(c.delay)))
					synctest.Wait()
					if graceful {
						s.leave(broker.Leave{Graceful: true})
						synctest.Wait()
					}
					n = n.crash(t)
					w = n.connect(t, "w", expiry(never))
					if !graceful {
						advance(30 * time.Second)
						n.connect(t, "c", expiry(c.expiry))
						advance(time.Second)
						n = n.crash(t)
						w = n.connect(t, "w", expiry(never))
					}
					advance(time.Hour)
					if got := w.receive(); len(got) != 0 {
						t.Errorf("got %q, want no Will", payloads(got))
					}
				})
			})
		}
	}
}

// TestCrashAfterWill kills the node a moment after it has published a Will that was delayed. It must not come again.
func TestCrashAfterWill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, broker.Config{})
		w := n.connect(t, "w", expiry(never))
		w.subscribe("will", 2)
		n.connect(t, "c", expiry(3600), will(aWill(time.Minute))).detach()
		advance(time.Minute)
		wantPayloads(t, "Will", w.receive(), 1, 1)
		n = n.crash(t)
		w = n.connect(t, "w", expiry(never))
		advance(time.Hour)
		if got := w.receive(); len(got) != 0 {
			t.Errorf("after the restart: got %q again, want nothing", payloads(got))
		}
	})
}

// TestExpiresWhileDown ends Sessions whose interval passes while the node is down, or counts it from the restart if it
// was connected.
func TestExpiresWhileDown(t *testing.T) {
	for _, connected := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			n := newNode(t, broker.Config{})
			s, p := n.connect(t, "s", expiry(60)), n.connect(t, "p")
			s.subscribe("t", 1)
			if !connected {
				s.detach()
				advance(31 * time.Second)
			}
			p.publishAllWait("t", 1, 1, 3)
			n.st.Hold(true)
			synctest.Wait()
			n.Close()
			advance(59 * time.Second)
			n = startNode(t, n.cfg, n.disk)
			p = n.connect(t, "p")
			want := broker.NoSubscribers
			if connected {
				want = broker.Accepted
			}
			p.publishWait("t", "4", 1, want)
			advance(59 * time.Second)
			if s = n.connect(t, "s", expiry(60)); s.Present != connected {
				t.Errorf("connected %t: Session Present: got %t", connected, s.Present)
			}
			if connected {
				wantPayloads(t, "deliveries", s.receive(), 1, 4)
			} else if got := s.receive(); len(got) != 0 {
				t.Errorf("got %q, want nothing", payloads(got))
			}
		})
	}
}
