package miop

import (
	"strings"
	"testing"

	"github.com/holdfast-mqtt/holdfast/bridge/miop/packet"
	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/topic"
)

// autoSubscribe is a broker whose clients have a subscription.
func autoSubscribe(filter string, qos byte) broker.Config {
	return broker.Config{AutoSubscribe: []broker.AutoSubscription{{TopicFilter: filter, Options: topic.Options(qos)}}}
}

// What is sent with QoS 0, to a group, or to clients that acknowledge nothing, has ack:0 or none, and is done with.
func TestNoAckWanted(t *testing.T) {
	for _, tt := range []struct {
		name    string
		topic   string
		qos     broker.QoS
		version packet.Version
		want    string
	}{
		{"QoS 0", "room/1", 0, 5, "Msg ack:0 [7 hi]"},
		{"group at QoS 0", "group/1", 0, 5, "Msg ack:0 [7 hi]"},
		{"group at QoS 1", "group/1", 1, 6, "Msg ack:0 [7 hi]"},
		{"group at QoS 2", "group/1", 2, 5, "Msg ack:0 [7 hi]"},
		{"version 0", "room/1", 1, 0, "Msg [7 hi]"},
		{"version 1", "room/1", 1, 1, "Msg [7 hi]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := setup{broker: autoSubscribe(tt.topic, 2), miop: Config{Profile: Profile{Legacy: true}}}
			inBubble(t, cfg, func(t *testing.T, s *testServer) {
				c := newClient(s)
				c.do(tt.version, packet.Bind, []string{alice}, "BindAck id:7 r:0")
				for range 3 * defaultWindow { // more than would be sent without acknowledgement
					s.publish("miop-7", tt.topic, "hi", tt.qos)
					c.expect(tt.want)
				}
				c.send(frame(tt.version, packet.Ping, nil)) // settled by then
				if got := c.line(); got != "Pong" && got != "Ping" {
					t.Fatalf("got %s, want nothing but the answer", got)
				}
				c.close()
				c = newClient(s)
				c.do(tt.version, packet.Bind, []string{alice}, "BindAck id:7 r:0")
				c.send(frame(tt.version, packet.Ping, nil))
				if got := c.line(); got != "Pong" && got != "Ping" {
					t.Errorf("got %s again, want nothing but the answer", got)
				}
			})
		})
	}
}

func TestQoS2(t *testing.T) {
	inBubble(t, setup{broker: autoSubscribe("room/7", 2)}, func(t *testing.T, s *testServer) {
		c := bound(s, alice)
		s.publish("miop-7", "room/7", "one", 2)
		s.publish("miop-7", "room/7", "two", 2)
		c.expect("Msg ack:1 [7 one]", "Msg ack:2 [7 two]")
		c.ack(2)
		c.quiet()
		c.close()
		c = bound(s, alice)
		c.expect("Msg ack:1 [7 one]")
		c.ack(1)
		c.quiet()
		c.close()
		bound(s, alice).quiet()
	})
}

func TestAcksThatMeanNothing(t *testing.T) {
	inBubble(t, setup{}, func(t *testing.T, s *testServer) {
		c := bound(s, alice)
		for _, ack := range [][]string{nil, {"ack:null"}, {"ack:0"}, {"ack:"}, {"ack:99"}, {"ack:-1"}, {"ack:99999999999999999999999"}} {
			c.send(frame(5, packet.MsgAck, ack))
		}
		c.quiet()
		st := s.miop.Stats()
		if st.Uncertain["ack_none"] != 6 || st.Uncertain["ack_unknown"] != 1 {
			t.Errorf("got %v, want 6 acks of nothing and 1 of what is not in flight", st.Uncertain)
		}
	})
}

// The window holds so many messages, whatever waits.
func TestWindow(t *testing.T) {
	for _, tt := range []struct {
		cfg  Config
		want int
	}{
		{Config{}, 64},
		{Config{Profile: Profile{Window: 16}}, 16},
		{Config{Profile: Profile{Window: 16}, Profiles: map[uint32]Profile{7: {Window: 1}}}, 1},
		{Config{Profiles: map[uint32]Profile{7: {Window: 100}, 8: {Window: 1}}}, 100},
	} {
		inBubble(t, setup{miop: tt.cfg}, func(t *testing.T, s *testServer) {
			c := bound(s, alice)
			for i := range 2*tt.want + 8 {
				s.publish("miop-7", "inbox/m:alice", strings.Repeat("x", i), 1)
			}
			for i := range 2*tt.want + 8 {
				f, ok := c.wait()
				if n, _ := f.Props.Uint("ack"); !ok || n != uint64(i+1) {
					t.Fatalf("window %d, message %d: got %s", tt.want, i, render(&f))
				}
				if (i+1)%tt.want == 0 {
					c.quiet() // no more comes
					for j := range tt.want {
						c.ack(i + 1 - j)
					}
				}
			}
		})
	}
}

func TestLargeMessages(t *testing.T) {
	inBubble(t, setup{broker: broker.Config{MaxQueuedBytes: 8 << 20}}, func(t *testing.T, s *testServer) {
		c := bound(s, alice)
		for _, size := range []int{0, byReference - 1, byReference, packet.MaxData - 16} {
			body := strings.Repeat("x", size)
			s.publish("miop-7", "inbox/m:alice", body, 1)
			f, ok := c.wait()
			if e, rest, err := packet.NextEntry(f.Data, packet.Long); !ok || err != nil || string(e.Body) != body || len(rest) > 0 {
				t.Errorf("%d bytes: got %d, %v", size, len(e.Body), err)
			}
		}
		s.publish("miop-7", "inbox/m:alice", strings.Repeat("x", packet.MaxData-15), 1) // fits no frame
		c.quiet()
		if got := s.broker.Stats().Dropped["oversized"]; got != 1 {
			t.Errorf("got %d messages dropped for their size, want 1", got)
		}
	})
}

// A watchTask that runs only when its window is not full any more does not have the bind watched for good.
func TestLateWatch(t *testing.T) {
	b := &bind{watched: true, window: 1}
	c := &conn{binds: []*bind{b}}
	c.look(0)         // the window has been full, and the timer comes before the task
	b.watching = true // as the task does
	c.look(0)
	if b.watching {
		t.Error("a bind with nothing in flight is watched, want it left alone")
	}
}

// What a bind is given when it has been dropped, and its Session does not know yet, is not remembered; its number is not given
// to another message, which the client would acknowledge with it.
func TestDeliverDropped(t *testing.T) {
	b := &bind{}
	c := &conn{binds: []*bind{b}}
	c.drop(b)
	c.note(flight{ack: 1, bind: b, id: 1, qos: 1})
	if len(c.flights) != 0 || b.inFlight != 0 || c.lastAck != 1 {
		t.Errorf("got %d in flight, %d of the bind, last number %d; want 0, 0, 1", len(c.flights), b.inFlight, c.lastAck)
	}
}
