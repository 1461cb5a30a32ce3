package ximp

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
	"github.com/holdfast-mqtt/holdfast/broker"
)

// say publishes messages with these numbers to a room; their payload is the number.
func (s *testServer) say(room string, ids ...int) {
	s.t.Helper()
	for _, id := range ids {
		s.publish("group/"+room, fmt.Sprint(id), 0, "from", "bob", "x-room-msgid", fmt.Sprint(id))
	}
}

// fetch asks for messages of a room, and returns the answer as ID:TEXT for those there are and ID for others. What the room says is left out.
func (c *client) fetch(room string, ids ...int64) (got []string, last int64) {
	c.t.Helper()
	sn := c.request(packet.IDGetMultiInfos, packet.Request{GetMultiInfos: &packet.GetMultiInfosRequest{
		InfoType: []byte(packet.BoxRoom), IDs: ids, SParameter: []byte(room),
	}})
	m := c.next()
	for m != nil && m.SN != sn { // other answers, and what the room says
		m = c.next()
	}
	if m == nil || m.Response == nil || m.Response.GetMultiInfos == nil {
		c.t.Fatalf("got %s, want the answer to GetMultiInfos", show(m))
	}
	r := m.Response.GetMultiInfos
	if string(r.InfoType) != packet.BoxRoom || string(r.SParameter) != room {
		c.t.Errorf("got %s %q, want %s %q back", r.InfoType, r.SParameter, packet.BoxRoom, room)
	}
	for _, i := range r.Infos {
		info, err := i.Stored()
		if err != nil {
			c.t.Fatal(err)
		}
		text := fmt.Sprint(info.ID.Value)
		if info.Valid.Value == 1 {
			n := c.unzip(info)
			text += ":" + string(n.Content)
		} else if info.Body != nil || info.Sent.Set || !info.Valid.Set {
			c.t.Errorf("one that is gone: got %+v, want the number only", info)
		}
		got = append(got, text)
	}
	return got, r.LastID.Value
}

// unzip opens a room message that was fetched.
func (c *client) unzip(info packet.Stored) *packet.RoomMessage {
	c.t.Helper()
	plain, err := packet.Inflate(info.Body, packet.MaxInflated)
	n := new(packet.RoomMessage)
	if err != nil || packet.Decode(plain, n) != nil {
		c.t.Fatalf("got % x and %v, want a gzip member of a message", info.Body, err)
	}
	if uint64(info.ID.Value) != uint64(n.ID.Value) || n.MaxID.Value < n.ID.Value || n.Timestamp.Value != info.Sent.Value || string(n.Sender.UserID) != "bob" {
		c.t.Errorf("got %+v, of bob's message %d from %d", n, info.ID.Value, info.Sent.Value)
	}
	return n
}

// wantFetch asks and compares.
func (c *client) wantFetch(when, room string, ids []int64, want string, last int64) {
	c.t.Helper()
	got, newest := c.fetch(room, ids...)
	if strings.Join(got, " ") != want || newest != last {
		c.t.Errorf("%s: got %q and newest %d, want %q and %d", when, got, newest, want, last)
	}
}

// TestKept: a room's messages can be fetched by their numbers, those that nobody had room for as well.
func TestKept(t *testing.T) {
	inBubble(t, setup{ximp: Config{MaxRoomQueue: 1, MaxMultiInfos: 4}}, func(s *testServer) {
		c := s.connect("alice").login("d")
		c.room("r", joinOf("r"))
		s.say("r", 1, 2, 3, 7, 5)
		s.publish("group/r", "without", 0)
		s.publish("group/other", "x", 0, "x-room-msgid", "4")
		c.wantFetch("all", "r", []int64{3, 5, 7, 1}, "3:3 5:5 7:7 1:1", 7)
		c.wantFetch("some", "r", []int64{4, 5, -1, 1<<32 + 5}, "4 5:5 -1 4294967301", 7)
		c.wantFetch("again", "r", []int64{5, 5}, "5:5 5:5", 7)
		c.wantFetch("too many", "r", []int64{1, 2, 3, 4, 5, 6}, "3:3 4 5:5 6", 7)
		c.wantFetch("none", "r", nil, "", 7)
		if d := c.room("r", queryOfRoom("r")); d.Query.Room.MaxID.Value != 7 {
			t.Errorf("maxmsgid: got %d, want 7", d.Query.Room.MaxID.Value)
		}
		s.publish("group/r", "anew", 0, "from", "bob", "x-room-msgid", "5")
		c.wantFetch("published again", "r", []int64{5}, "5:anew", 7)
		if st := s.ximp.Stats(); st.Kept != 6 || st.KeptFound != 10 || st.KeptGone != 5 || st.KeptEvicted != 0 {
			t.Errorf("got %+v, want 6 kept, 10 found, 5 gone", st)
		}
	})
}

// TestKeptMaxID: a message that comes late has the number of the newest one, too.
func TestKeptMaxID(t *testing.T) {
	inBubble(t, setup{web: true}, func(s *testServer) {
		c := s.connect("alice").login("d")
		c.room("r", joinOf("r"))
		for _, want := range []struct{ id, most uint32 }{{8, 8}, {3, 8}, {9, 9}} {
			s.say("r", int(want.id))
			if _, p := c.talk(); p.Down.New == nil || p.Down.New.ID.Value != want.id || p.Down.New.MaxID.Value != want.most {
				t.Errorf("got %+v, want number %d of %d", p.Down.New, want.id, want.most)
			}
		}
	})
}

// TestKeptForMembers: who is not in a room, or may not be, gets nothing of it.
func TestKeptForMembers(t *testing.T) {
	rules := new(changing)
	inBubble(t, setup{ximp: Config{Authorizer: rules}}, func(s *testServer) {
		rules.set("group/r")
		alice, eve := s.connect("alice").login("d"), s.connect("eve").login("d")
		alice.room("r", joinOf("r"))
		s.say("r", 1)
		alice.wantFetch("a member", "r", []int64{1}, "1:1", 1)
		eve.wantFetch("a stranger", "r", []int64{1}, "1", 0)
		eve.room("r", subscribeOf("r", true))
		eve.wantFetch("a listener", "r", []int64{1}, "1:1", 1)
		rules.set()
		alice.wantFetch("not allowed any more", "r", []int64{1}, "1", 0)
		rules.set("group/r")
		alice.room("r", quitOf("r"))
		alice.wantFetch("has quit", "r", []int64{1}, "1", 0)
	})
}

// changing is an Authorizer that allows some topics.
type changing struct {
	mu     sync.Mutex
	topics []string
}

func (c *changing) set(topics ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.topics = topics
}

func (c *changing) OnACLCheck(a *broker.Access) broker.Decision {
	c.mu.Lock()
	defer c.mu.Unlock()
	if slices.Contains(c.topics, a.Topic) {
		return broker.Allow
	}
	return broker.Deny
}

// TestKeptBounds: the oldest messages leave.
func TestKeptBounds(t *testing.T) {
	const size = keptOverhead + 64 + 8 // and some
	for _, tt := range []struct {
		name    string
		cfg     Config
		says    []string // ROOM NUMBER
		want    map[string]string
		evicted uint64
	}{
		{"messages of a room", Config{KeptMessages: 2}, []string{"a 1", "b 1", "a 2", "a 3"}, map[string]string{"a": "1 2:2 3:3", "b": "1:1 2 3"}, 1},
		{"bytes of a room", Config{KeptRoomBytes: 3 * size}, []string{"a 1", "b 1", "a 2", "a 3"}, map[string]string{"a": "1 2:2 3:3", "b": "1:1 2 3"}, 1},
		{"bytes of all", Config{KeptBytes: 3 * size}, []string{"b 1", "a 1", "a 2", "b 3"}, map[string]string{"a": "1 2:2 3", "b": "1 2 3:3"}, 2},
		{"too large", Config{KeptBytes: size}, []string{"a 1"}, map[string]string{"a": "1 2 3"}, 0},
		{"none", Config{KeptMessages: -1}, []string{"a 1"}, map[string]string{"a": "1 2 3"}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, setup{ximp: tt.cfg}, func(s *testServer) {
				c := s.connect("alice").login("d")
				for room := range tt.want {
					c.room(room, joinOf(room))
				}
				for _, say := range tt.says {
					room, number, _ := strings.Cut(say, " ")
					s.publish("group/"+room, number, 0, "from", "bob", "x-room-msgid", number)
				}
				for room, want := range tt.want {
					if got, _ := c.fetch(room, 1, 2, 3); strings.Join(got, " ") != want {
						t.Errorf("room %s: got %q, want %q", room, got, want)
					}
				}
				if got := s.ximp.Stats().KeptEvicted; got != tt.evicted {
					t.Errorf("evicted: got %d, want %d", got, tt.evicted)
				}
			})
		})
	}
}

// TestKeptPage: an answer that would be too large has the last messages asked for.
func TestKeptPage(t *testing.T) {
	inBubble(t, setup{ximp: Config{KeptRoomBytes: 4 << 20}}, func(s *testServer) {
		c := s.connect("alice").login("d")
		c.room("r", joinOf("r"))
		for id := range 4 {
			s.publish("group/r", noise(200_000), 0, "from", "bob", "x-room-msgid", fmt.Sprint(id+1))
		}
		got, _ := c.fetch("r", 1, 2, 3, 4)
		if len(got) != 2 || !strings.HasPrefix(got[0], "3:") || !strings.HasPrefix(got[1], "4:") {
			t.Errorf("got %d messages, want the last 2", len(got))
		}
	})
}

// TestKeptCompressed: all the memory is counted that a message takes once it has been asked for.
func TestKeptCompressed(t *testing.T) {
	inBubble(t, setup{}, func(s *testServer) {
		c := s.connect("alice").login("d")
		c.room("r", joinOf("r"))
		for i, n := range []int{10, 1000, 2000, 5000, 9000} {
			s.publish("group/r", noise(n), 0, "from", "bob", "x-room-msgid", fmt.Sprint(i+1))
		}
		c.fetch("r", 1, 2, 3, 4, 5)
		sum := 0
		for e := s.ximp.rooms.kept.Front(); e != nil; e = e.Next() {
			k := e.Value.(*keptMessage)
			if got := cap(k.zip) + keptOverhead; got > k.size || cap(k.zip) > len(k.zip)*5/4+16 {
				t.Errorf("message %d takes %d bytes of memory for %d, and counts for %d", k.id, got, len(k.zip), k.size)
			}
			sum += k.size
		}
		if got := s.ximp.Stats().KeptBytes; got != sum || sum < 17000 {
			t.Errorf("KeptBytes: got %d, want %d", got, sum)
		}
	})
}

// TestKeptOversized: a message that is too large to be delivered is not kept either: clients end a connection on which it comes.
func TestKeptOversized(t *testing.T) {
	inBubble(t, setup{}, func(s *testServer) {
		c := s.connect("alice").login("d")
		c.room("r", joinOf("r"))
		s.publish("group/r", noise(packet.MaxPage), 0, "from", "bob", "x-room-msgid", "1")
		s.publish("group/r", noise(packet.MaxPage-1000), 0, "from", "bob", "x-room-msgid", "2")
		if got, last := c.fetch("r", 1); len(got) != 1 || got[0] != "1" || last != 2 {
			t.Errorf("got %.20q and %d, want that 1 is gone, and 2", got, last)
		}
		if got := s.ximp.Stats(); got.KeptTooLarge != 1 || got.Kept != 1 {
			t.Errorf("got %d too large and %d kept, want 1 and 1", got.KeptTooLarge, got.Kept)
		}
	})
}

// noise is a text that does not get shorter by compression.
func noise(n int) string {
	b := make([]byte, n)
	x := uint32(1)
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return string(b)
}

// TestKeptTime: messages are kept for a while, also when nobody is in the room, and what comes then as well; not for longer.
func TestKeptTime(t *testing.T) {
	inBubble(t, setup{ximp: Config{KeptFor: time.Minute}}, func(s *testServer) {
		c := s.connect("alice").login("d")
		c.room("r", joinOf("r"))
		c.room("plain", joinOf("plain"))
		s.publish("group/plain", "x", 0)
		s.say("r", 1)
		s.publishMessage(s.withProps(&broker.Message{TopicName: "group/r", Payload: []byte("2"), Expires: time.Now().Add(10 * time.Second)}, "from", "bob", "x-room-msgid", "2"))
		c.wantFetch("at once", "r", []int64{1, 2}, "1:1 2:2", 2)
		c.close()
		pass(30 * time.Second)
		if got := s.ximp.rooms.known.Load(); got != 1 {
			t.Errorf("%d rooms are known, want the one with numbers", got)
		}
		s.say("r", 3)
		c = s.connect("alice").login("d")
		c.room("r", joinOf("r"))
		c.wantFetch("back", "r", []int64{1, 2, 3}, "1:1 2 3:3", 3)
		pass(30 * time.Second)
		c.wantFetch("the first is too old", "r", []int64{1, 2, 3}, "1 2 3:3", 3)
		c.close()
		pass(2 * time.Minute)
		if got, known, bytes := s.ximp.Stats(), s.ximp.rooms.known.Load(), s.ximp.rooms.kept.Len(); got.KeptBytes != 0 || known != 0 || bytes != 0 {
			t.Errorf("got %d bytes of %d messages in %d rooms, want none", got.KeptBytes, bytes, known)
		}
	})
}

// TestKeptDeserted: rooms in which nobody is are known in limited number.
func TestKeptDeserted(t *testing.T) {
	inBubble(t, setup{}, func(s *testServer) {
		s.ximp.rooms.mostDeserted = 2
		c := s.connect("alice").login("d")
		for _, room := range []string{"a", "b", "c"} {
			c.room(room, joinOf(room))
			s.say(room, 1)
			c.talk()
			c.room(room, quitOf(room))
		}
		for room, want := range map[string]string{"a": "1", "b": "1:1", "c": "1:1"} {
			c.room(room, joinOf(room))
			if got, _ := c.fetch(room, 1); strings.Join(got, " ") != want {
				t.Errorf("room %s: got %q, want %q", room, got, want)
			}
		}
	})
}

// TestKeptRace: publishing, fetching and leaving at once.
func TestKeptRace(t *testing.T) {
	s := newServer(t, setup{ximp: Config{KeptMessages: 5, KeptBytes: 4000, KeptFor: time.Millisecond}})
	var wg sync.WaitGroup
	for i := range 4 {
		c := s.connect(fmt.Sprint("user", i)).login("d")
		wg.Go(func() {
			for n := range 50 {
				c.sendRoom("r", joinOf("r"))
				c.fetch("r", int64(n), int64(n+1))
				c.sendRoom("r", quitOf("r"))
			}
			c.close()
		})
		sc := s.broker.NewScratch(nil)
		wg.Go(func() {
			for n := range 200 {
				m := s.withProps(&broker.Message{TopicName: "group/r", Payload: []byte("x")}, "from", "bob", "x-room-msgid", fmt.Sprint(n/4+1))
				s.broker.Publish(sc, &broker.Publish{App: s.broker.App(testApp), Message: m})
			}
		})
	}
	wg.Wait()
	s.shutdown()
	if b := s.ximp.rooms; b.kept.Len() == 0 && b.bytes != 0 {
		t.Errorf("%d bytes of no messages", b.bytes)
	}
}
