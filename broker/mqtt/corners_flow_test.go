package mqtt

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

// TestReceiveMaximumOne queues 10,000 messages, which a publisher sends one at
// a time, for a subscriber that takes one at a time. Never are two in flight,
// and all arrive in order: v5 [MQTT-3.3.4-9], [MQTT-4.6.0-5], v3.1.1
// [MQTT-4.6.0-5].
func TestReceiveMaximumOne(t *testing.T) {
	messages := 10_000
	for _, connect := range []string{"v5 id=s expiry=100 rm=1", "v5 id=s clean rm=1", "v4 id=s clean", "v4 id=s"} {
		for qos := 1; qos <= 2; qos++ {
			t.Run(fmt.Sprintf("%s QoS %d", connect, qos), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { receiveMaximumOne(t, connect, qos, messages) })
			})
			messages = 10_000 / raceSlowdown // the first is tested in full with the race detector too
		}
	}
}

func receiveMaximumOne(t *testing.T, connect string, qos, messages int) {
	cfg := setup{
		loop:   netloop.Config{Portable: true},
		broker: broker.Config{MaxQueuedMessages: messages, MaxQueuedBytes: 16 << 20},
		mqtt:   Config{ReceiveMaximum: 1},
	}
	if connect[:2] == "v4" { // it cannot name a Receive Maximum
		cfg.broker.MaxInflight = 1
	}
	s := newServer(t, cfg)
	sub := dialAs(s, connect)
	sub.do(fmt.Sprintf("sub id=1 t,%d", qos), fmt.Sprintf("SUBACK 1 %02x", qos))
	pub := dialAs(s, "v5 id=p clean")
	for i := range messages {
		id := i + 1
		if qos == 1 {
			pub.do(fmt.Sprintf("pub t m%d q=1 id=%d", i, id), fmt.Sprintf("PUBACK %d", id))
			continue
		}
		pub.do(fmt.Sprintf("pub t m%d q=2 id=%d", i, id), fmt.Sprintf("PUBREC %d", id))
		pub.do(fmt.Sprintf("pubrel %d", id), fmt.Sprintf("PUBCOMP %d", id))
	}
	if st := s.broker.Stats(); st.Inflight != 1 || st.Queued < int64(messages-1) {
		t.Fatalf("%d in flight and %d queued, want 1 and at least %d", st.Inflight, st.Queued, messages-1)
	}
	for i := range messages {
		id := i + 1
		sub.expectOnly(fmt.Sprintf("PUBLISH t m%d q=%d id=%d", i, qos, id))
		if qos == 1 {
			sub.do(fmt.Sprintf("puback %d", id))
			continue
		}
		sub.do(fmt.Sprintf("pubrec %d", id))
		sub.expectOnly(fmt.Sprintf("PUBREL %d", id))
		sub.do(fmt.Sprintf("pubcomp %d", id))
	}
	synctest.Wait()
	if st := s.broker.Stats(); st.Inflight != 0 || st.Queued != 0 {
		t.Errorf("at the end %d are in flight and %d queued, want none", st.Inflight, st.Queued)
	}
}

// expectOnly waits until nothing moves and expects that just one packet has come.
func (c *client) expectOnly(want string) {
	c.t.Helper()
	synctest.Wait()
	if c.expect(want); c.t.Failed() {
		return
	}
	if f, ok, _ := c.next(); ok {
		c.t.Fatalf("behind %s there is %s, want nothing", want, render(f, c.version))
	}
}

// TestPipelineThroughOne has an MQTT 3.1.1 client, which knows no Receive
// Maximum, send 10,000 messages at once to a server that takes one at a time
// for a subscriber that takes one at a time. Nothing piles up, nothing is lost,
// and the answers come in order: v3.1.1 [MQTT-4.6.0-2], [MQTT-4.6.0-5].
func TestPipelineThroughOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const messages, queued = 10_000, 5
		s := newServer(t, setup{
			loop:   netloop.Config{Portable: true},
			broker: broker.Config{MaxQueuedMessages: queued, MaxInflight: 1, SlowConsumerTimeout: time.Hour},
			mqtt:   Config{ReceiveMaximum: 1},
		})
		sub := dialAs(s, "v5 id=s clean rm=1")
		sub.do("sub id=1 t,1", "SUBACK 1 01")
		pub := sendAll(t, dialAs(s, "v4 id=p clean"), "t", 1, messages, 10)
		synctest.Wait()
		if pub.finished() {
			t.Error("the publisher is not held back")
		}
		for i := range messages {
			sub.expectOnly(fmt.Sprintf("PUBLISH t xxxxxxxxxx q=1 id=%d", i+1))
			if st := s.broker.Stats(); st.Inflight != 1 || st.Queued > queued || st.Waiting > maxDeferred {
				t.Fatalf("%d in flight, %d queued, %d waiting, want 1, at most %d and at most %d",
					st.Inflight, st.Queued, st.Waiting, queued, maxDeferred)
			}
			sub.do(fmt.Sprintf("puback %d", i+1))
		}
		for i := range messages {
			pub.expect(fmt.Sprintf("PUBACK %d", i+1))
		}
	})
}

// TestWithoutProblemInformation goes through all answers that may explain
// themselves. A client that has turned Request Problem Information off gets
// none with a Reason String or User Properties, while those of messages are
// passed on: v5 [MQTT-3.1.2-29].
func TestWithoutProblemInformation(t *testing.T) {
	for _, test := range []struct{ connect, command, want string }{
		{"clean", "pub t m q=1 id=1", "40 03 0001 10"},
		{"clean", "pub full m q=1 id=2", "40 03 0002 97"},
		{"clean", "pub t m q=2 id=3", "50 03 0003 10"},
		{"clean", "pub full m q=2 id=4", "50 03 0004 97"},
		{"clean", "pubrec 5", "62 03 0005 92"},
		{"clean", "pubrel 6", "70 03 0006 92"},
		{"clean", "sub id=7 a b c", "90 06 0007 00 00 00 97"},
		{"clean", "unsub id=8 a", "b0 04 0008 00 11"},
		{"clean", "pub $SYS/x m", "e0 01 87"},
		{"clean", "send 30 01 00", "e0 01 81"},
	} {
		t.Run(test.command, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t, setup{
					loop:   netloop.Config{Portable: true},
					broker: broker.Config{MaxQueuedMessages: 1, MaxSubscriptions: 2},
				})
				full := dialAs(s, "v5 id=full expiry=100")
				full.do("sub id=1 full,1", "SUBACK 1 01")
				full.do("disconnect", "EOF")
				dialAs(s, "v5 id=p clean").do("pub full m q=1 id=1", "PUBACK 1")
				c := dialAs(s, "v5 id=c no-problem-info "+test.connect)
				c.do(test.command)
				f, ok := c.wait()
				if want := mustRaw(test.want); !ok || fmt.Sprintf("% x", f.Body) != fmt.Sprintf("% x", want[2:]) || byte(f.Type) != want[0]>>4 {
					t.Errorf("got %v % x, want % x", f.Type, f.Body, want)
				}
			})
		})
	}
	t.Run("PUBLISH", func(t *testing.T) {
		eachEngine(t, func(t *testing.T, loop netloop.Config) {
			c := dialAs(newServer(t, setup{loop: loop}), "v5 id=c clean no-problem-info")
			c.do("sub id=1 t", "SUBACK 1 00")
			c.do("pub t m user=a:b", "PUBLISH t m q=0 user=a:b")
		})
	})
}

// TestAnswersFitSmallestMaximum has a client whose Maximum Packet Size is just
// enough for its CONNACK: all other answers but long ones fit too:
// v5 [MQTT-3.1.2-24].
func TestAnswersFitSmallestMaximum(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, setup{loop: netloop.Config{Portable: true}})
		smallest := 0
		for size := 1; smallest == 0; size++ {
			v, b, err := encodeConnect(fmt.Sprintf("v5 id=c clean max=%d", size))
			if err != nil {
				t.Fatal(err)
			}
			c := newClient(s, v)
			c.send(b)
			if f, ok := c.wait(); ok && f.Type == packet.TypeConnAck {
				smallest = size
			}
		}
		c := dialAs(s, fmt.Sprintf("v5 id=c clean max=%d", smallest))
		c.do("pub t m q=1 id=1", "PUBACK 1 10")
		c.do("pub t m q=2 id=2", "PUBREC 2 10")
		c.do("pubrel 3", "PUBCOMP 3 92")
		c.do("pubrec 4", "PUBREL 4 92")
		c.do("sub id=5 t u", "SUBACK 5 00 00")
		c.do("pub t m", "PUBLISH t m q=0")
		c.do("unsub id=6 t x", "UNSUBACK 6 00 11")
		c.do("ping", "PINGRESP")
		c.do("auth 18", "DISCONNECT 82", "EOF")
	})
}
