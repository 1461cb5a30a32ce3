package ximp

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/storage/badger"
)

// recallSN publishes, as bob, the recall of the message to a topic that has this number of its publisher.
func (s *testServer) recallSN(topic, sn string, props ...string) {
	s.t.Helper()
	s.publish(topic, "ignored", 1, append([]string{"from", "bob", "x-msg-type", recallType, "x-recall-sn", sn}, props...)...)
}

// wantBox pulls a box from start on and compares it with TYPE TEXT SN of each message; SN is left out if it is the id.
func (c *client) wantBox(when, box string, start int64, want ...string) (ids []int64) {
	c.t.Helper()
	ms, _ := c.pull(box, start, 100)
	var got []string
	for _, m := range ms {
		text := fmt.Sprint(m.Type.Value, " ", string(m.Body))
		if m.SN.Value != uint64(m.ID.Value) {
			text += fmt.Sprint(" ", m.SN.Value)
		}
		got = append(got, text)
		ids = append(ids, m.ID.Value)
	}
	if strings.Join(got, ", ") != strings.Join(want, ", ") {
		c.t.Errorf("%s: got %q, want %q", when, got, want)
	}
	return ids
}

// TestRecallByID: a recall names a message by the id that the device has for it.
func TestRecallByID(t *testing.T) {
	const inbox = "inbox/x:alice:mobile:d"
	inBubble(t, setup{}, func(s *testServer) {
		c := s.connect("alice").login("d")
		for _, text := range []string{"one", "two", "three"} {
			s.publish(inbox, text, 1)
		}
		ids := c.wantBox("before", packet.BoxPeer, 0, "100 one", "100 two", "100 three")
		two := fmt.Sprint(ids[1])
		for _, wrong := range []string{fmt.Sprint(ids[2] + 1000), "two", "", "-1"} {
			s.publish(inbox, wrong, 1, "x-msg-type", recallType)
		}
		s.publish("user/alice", two, 1, "x-msg-type", recallType) // ids of devices differ
		after := c.wantBox("nothing is withdrawn", packet.BoxPeer, 0, "100 one", "100 two", "100 three",
			"10000 "+fmt.Sprint(ids[2]+1000), "10000 two", "10000 ", "10000 -1", "10000 "+two)
		s.publish(inbox, fmt.Sprint(after[3]), 1, "x-msg-type", recallType) // a recall cannot be withdrawn
		c.wantBox("acknowledges the first and the recalls", packet.BoxPeer, ids[1], "100 two", "100 three",
			"10000 "+fmt.Sprint(ids[2]+1000), "10000 two", "10000 ", "10000 -1", "10000 "+two, "10000 "+fmt.Sprint(after[3]))
		for range 2 {
			s.publish(inbox, two, 1, "x-msg-type", recallType)
		}
		if got := s.ximp.Stats().Withdrawn; got != 1 {
			t.Errorf("Withdrawn: got %d, want 1", got)
		}
		got, _ := c.pull(packet.BoxPeer, ids[1], 1)
		if len(got) != 1 || string(got[0].Body) != "three" {
			t.Errorf("from the withdrawn one on: got %q, want three", bodies(got))
		}
		got, _ = c.pull(packet.BoxPeer, ids[2], -5)
		if len(got) != 0 {
			t.Errorf("backwards: got %q, want nothing", bodies(got))
		}
		s.publish(inbox, fmt.Sprint(ids[2]), 1, "x-msg-type", recallType)
		got, _ = c.pull(packet.BoxPeer, -1, 100)
		if n := len(got); n != 9 || string(got[n-1].Body) == "three" {
			t.Errorf("newest first: got %q, want the recalls", bodies(got))
		}
	})
}

// TestRecallBySN: one recall, to all devices of a user, names a message by its publisher's number; each device gets its own id.
func TestRecallBySN(t *testing.T) {
	inBubble(t, setup{}, func(s *testServer) {
		one, two := s.connect("alice").login("1"), s.connect("alice").login("2")
		s.publish("inbox/x:alice:mobile:2", "shifts the ids", 1)
		s.publish("user/alice", "a", 1, "from", "bob", "x-msg-sn", "71")
		s.publish("user/alice", "b", 1, "from", "eve", "x-msg-sn", "72")
		s.publish("user/alice", "c", 1, "from", "bob", "x-msg-sn", "73", "x-box", "im")
		mine := one.wantBox("one", packet.BoxPeer, 0, "100 a 71", "100 b 72")
		other := two.wantBox("two", packet.BoxPeer, 0, "100 shifts the ids", "100 a 71", "100 b 72")
		if mine[0] == other[1] {
			t.Fatalf("both devices have the id %d for the message: the test shows nothing", mine[0])
		}
		s.recallSN("user/alice", "71")
		s.recallSN("user/alice", "72") // somebody else's
		s.recallSN("user/alice", "73") // in another box
		one.wantBox("one", packet.BoxPeer, 0, "100 b 72", fmt.Sprint("10000 ", mine[0], " 71"), "10000 0 72", "10000 0 73")
		two.wantBox("two", packet.BoxPeer, 0, "100 shifts the ids", "100 b 72", fmt.Sprint("10000 ", other[1], " 71"), "10000 0 72", "10000 0 73")
		im := one.wantBox("im", packet.BoxIM, 0, "100 c 73")
		s.recallSN("user/alice", "73", "x-box", "im")
		one.wantBox("im", packet.BoxIM, 0, fmt.Sprint("10000 ", im[0], " 73"))
	})
}

// TestRecallAgain: a recall finds its message again on another connection; one that the device has acknowledged it does not find.
func TestRecallAgain(t *testing.T) {
	inBubble(t, setup{}, func(s *testServer) {
		c := s.connect("alice").login("d")
		s.publish("user/alice", "a", 1, "from", "bob", "x-msg-sn", "1")
		s.publish("user/alice", "b", 1, "from", "bob", "x-msg-sn", "2")
		ids := c.wantBox("before", packet.BoxPeer, 0, "100 a 1", "100 b 2")
		c.wantBox("acknowledges a", packet.BoxPeer, ids[1], "100 b 2")
		s.recallSN("user/alice", "1")
		s.recallSN("user/alice", "2")
		want := []string{"10000 0 1", fmt.Sprint("10000 ", ids[1], " 2")}
		c.wantBox("at once", packet.BoxPeer, 0, want...)
		c.close()
		c = s.connect("alice").login("d")
		c.wantBox("on another connection", packet.BoxPeer, 0, want...)
		last := c.wantBox("has b, but not the recalls", packet.BoxPeer, ids[1]+1, want...)
		c.close()
		c = s.connect("alice").login("d")
		c.wantBox("the answer was lost", packet.BoxPeer, 0, want...)
		c.wantBox("has all", packet.BoxPeer, last[1]+1)
		s.publish("user/alice", "c", 1)
		c.wantBox("goes on", packet.BoxPeer, last[1]+1, "100 c")
		c.close()
		c = s.connect("alice").login("d")
		c.wantBox("on the last connection", packet.BoxPeer, 0, "100 c")
	})
}

// TestRecallRestart: nor does a restart of the node bring back what is withdrawn.
func TestRecallRestart(t *testing.T) {
	dir := t.TempDir()
	var ids []int64
	for i := range 3 {
		st, err := badger.Open(t.Context(), badger.Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		s := newServer(t, setup{broker: broker.Config{Store: st}})
		c := s.connect("alice").login("d")
		if i == 0 {
			s.publish("user/alice", "a", 1, "from", "bob", "x-msg-sn", "1")
			s.publish("user/alice", "b", 1, "from", "bob", "x-msg-sn", "2")
			ids = c.wantBox("before", packet.BoxPeer, 0, "100 a 1", "100 b 2")
			s.recallSN("user/alice", "1")
		}
		c.wantBox(fmt.Sprint("start ", i), packet.BoxPeer, 0, "100 b 2", fmt.Sprint("10000 ", ids[0], " 1"))
		c.wantBox(fmt.Sprint("start ", i, ", has the message, not the recall"), packet.BoxPeer, ids[1], "100 b 2", fmt.Sprint("10000 ", ids[0], " 1"))
		c.close()
		s.shutdown()
		if err := st.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRecallBroadcast: what everybody got can be withdrawn as well.
func TestRecallBroadcast(t *testing.T) {
	inBubble(t, setup{}, func(s *testServer) {
		c := s.connect("alice").login("d")
		s.publish("broadcast/"+testApp, "sale", 1, "from", "bob", "x-msg-sn", "5")
		ids := c.wantBox("before", packet.BoxPublic, 0, "100 sale 5")
		s.recallSN("broadcast/"+testApp, "5")
		c.wantBox("after", packet.BoxPublic, 0, fmt.Sprint("10000 ", ids[0], " 5"))
	})
}

// TestRecallRings: nobody is rung for what is withdrawn.
func TestRecallRings(t *testing.T) {
	inBubble(t, setup{web: true}, func(s *testServer) {
		c := s.connect("alice").login("d")
		c.pull(packet.BoxPeer, 0, 1)
		s.publish("user/alice", "a", 1, "from", "bob")
		first := c.wantRing(packet.BoxPeer)
		s.publish("user/alice", "b", 1, "from", "bob", "x-msg-sn", "1")
		s.recallSN("user/alice", "1")
		s.publish("user/alice", "c", 1, "from", "bob", "x-msg-sn", "2")
		got, _ := c.pull(packet.BoxPeer, first, 1)
		var texts []string
		for len(got) == 1 {
			texts = append(texts, string(got[0].Body))
			synctest.Wait()
			if len(c.Waiting()) == 0 {
				break
			}
			got, _ = c.pull(packet.BoxPeer, c.wantRing(packet.BoxPeer), 1)
		}
		if len(texts) != 3 || texts[0] != "a" || texts[1] == "b" || texts[2] != "c" {
			t.Errorf("got %q, want a, the recall and c", texts)
		}
		// A recall that expires leaves what it has withdrawn hidden, and nothing to ring for.
		m := &broker.Message{TopicName: "user/alice", QoS: 1, Expires: time.Now().Add(time.Second)}
		s.publishMessage(s.withProps(m, "from", "bob", "x-msg-type", recallType, "x-recall-sn", "2"))
		c.wantRing(packet.BoxPeer)
		time.Sleep(2 * time.Second)
		c.pull(packet.BoxPeer, 0, 100)
		time.Sleep(5 * time.Minute)
		c.quiet()
	})
}

// TestRecallExpires: a recall that expires before its message leaves that withdrawn, on other connections too.
func TestRecallExpires(t *testing.T) {
	inBubble(t, setup{}, func(s *testServer) {
		c := s.connect("alice").login("d")
		for _, sn := range []string{"1", "2", "3"} {
			s.publish("user/alice", sn, 1, "from", "bob", "x-msg-sn", sn)
		}
		ids := c.wantBox("before", packet.BoxPeer, 0, "100 1 1", "100 2 2", "100 3 3")
		for _, sn := range []string{"1", "3"} {
			m := &broker.Message{TopicName: "user/alice", QoS: 1, Expires: time.Now().Add(time.Minute)}
			s.publishMessage(s.withProps(m, "from", "bob", "x-msg-type", recallType, "x-recall-sn", sn))
		}
		c.wantBox("withdrawn", packet.BoxPeer, 0, "100 2 2", fmt.Sprint("10000 ", ids[0], " 1"), fmt.Sprint("10000 ", ids[2], " 3"))
		time.Sleep(2 * time.Minute)
		c.wantBox("expired", packet.BoxPeer, 0, "100 2 2")
		c.close()
		c = s.connect("alice").login("d")
		c.wantBox("on another connection", packet.BoxPeer, 0, "100 2 2")
	})
}
