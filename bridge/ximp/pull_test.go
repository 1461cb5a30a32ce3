package ximp

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/storage/badger"
	"github.com/holdfast-mqtt/holdfast/storage/memory"
)

// wantBodies pulls from start on and wants these payloads.
func (c *client) wantBodies(box string, start int64, want ...string) []packet.Stored {
	c.t.Helper()
	got, _ := c.pull(box, start, 100)
	if !slices.Equal(bodies(got), want) {
		c.t.Fatalf("%s from %d on: got %q, want %q", box, start, bodies(got), want)
	}
	return got
}

// TestBoxes: which inbox a message comes into.
func TestBoxes(t *testing.T) {
	for _, tt := range []struct {
		name, topic string
		props       []string
		version     uint16
		want        string
	}{
		{"device", "inbox/x:alice:mobile:d", nil, 102, "peer"},
		{"user", "user/alice", nil, 102, "peer"},
		{"chat to a device", "inbox/x:alice:mobile:d", []string{"x-box", "im"}, 102, "im"},
		{"chat to a user", "user/alice", []string{"x-box", "im"}, 102, "im"},
		{"another property", "user/alice", []string{"x-box", "other"}, 102, "peer"},
		{"chat to an old client", "user/alice", []string{"x-box", "im"}, 101, "peer"},
		{"everybody", "broadcast/ximp-4242", nil, 102, "public"},
	} {
		for qos := range broker.QoS(3) {
			t.Run(fmt.Sprintf("%s, QoS %d", tt.name, qos), func(t *testing.T) {
				inBubble(t, setup{}, func(s *testServer) {
					c := s.connect("alice")
					c.header.ClientVersion = tt.version
					c.login("d")
					for _, box := range boxNames {
						c.pull(box, 0, 5)
					}
					s.publish(tt.topic, "hello", qos, tt.props...)
					id := c.wantRing(tt.want)
					for _, box := range boxNames {
						if got, _ := c.pull(box, 0, 5); (len(got) == 1) != (box == tt.want) {
							t.Errorf("%s: got %q", box, bodies(got))
						} else if len(got) == 1 && (got[0].ID.Value != id || string(got[0].Body) != "hello") {
							t.Errorf("got %v, want the message %d", got[0], id)
						}
					}
					c.pull(tt.want, id+1, 5)
					synctest.Wait()
					if st := s.broker.Stats(); st.Queued != 0 || st.Inflight != 0 {
						t.Errorf("after the acknowledgement: got %d messages queued and %d in flight, want none", st.Queued, st.Inflight)
					}
				})
			})
		}
	}
}

// TestInfo: what a message looks like.
func TestInfo(t *testing.T) {
	inBubble(t, setup{}, func(s *testServer) {
		c := s.connect("alice").login("d")
		now := time.Now()
		s.publish("user/alice", "plain", 1)
		s.publish("user/alice", "typed", 1, "x-msg-type", "7", "from", "bob")
		got, _ := c.pull("peer", 0, 5)
		if len(got) != 2 {
			t.Fatalf("got %d messages, want 2", len(got))
		}
		for i, want := range []packet.Stored{
			{Type: packet.Some(packet.TypePlain), From: []byte{}},
			{Type: packet.Some(uint32(7)), From: []byte("bob")},
		} {
			g := got[i]
			if g.Type != want.Type || string(g.From) != string(want.From) || string(g.To) != "alice" || g.Box != packet.Some(uint32(0)) ||
				g.SN.Value != uint64(g.ID.Value) || g.Sent.Value != uint64(now.UnixMilli()) ||
				g.Expire.Value != uint64(now.Add(7*24*time.Hour).UnixMilli()) {
				t.Errorf("message %d: got %+v", i, g)
			}
		}
	})
}

// TestAcknowledge: a start above 0 acknowledges all below it, and nothing else does. Going backwards finds what is kept.
func TestAcknowledge(t *testing.T) {
	inBubble(t, setup{}, func(s *testServer) {
		c := s.connect("alice").login("d")
		for i := range 6 {
			s.publish("user/alice", fmt.Sprint(i), 1)
		}
		all := ids(c.wantBodies("peer", 0, "0", "1", "2", "3", "4", "5"))
		c.wantBodies("peer", -1, "5", "4", "3", "2", "1", "0")
		c.wantBodies("peer", 0, "0", "1", "2", "3", "4", "5")
		c.wantBodies("peer", all[2], "2", "3", "4", "5")
		c.wantBodies("peer", all[4], "4", "5")
		c.wantBodies("peer", all[1], "4", "5")
		if got, last := c.pull("peer", all[5], -5); !slices.Equal(bodies(got), []string{"4"}) || last != all[5] {
			t.Errorf("backwards: got %q and last_info_id %d, want 4, and %d", bodies(got), last, all[5])
		}
		c.wantBodies("peer", 1, "5")
		if got, last := c.pull("peer", all[5]+1, 5); len(got) != 0 || last != all[5] {
			t.Errorf("when all is acknowledged: got %q and last_info_id %d, want nothing, and %d", bodies(got), last, all[5])
		}
		synctest.Wait()
		if st := s.broker.Stats(); st.Queued != 0 {
			t.Errorf("left in the mailbox: got %d, want 0", st.Queued)
		}
	})
}

// TestUnknownBoxes: what no client has gets an empty answer.
func TestUnknownBoxes(t *testing.T) {
	inBubble(t, setup{}, func(s *testServer) {
		c := s.connect("alice")
		c.header.ClientVersion = 101
		c.login("d")
		s.publish("user/alice", "hello", 1, "x-box", "im")
		for _, box := range []string{"im", "imoutbox", "iminbox", "chatroom", "", "PEER"} {
			if got, last := c.pull(box, 0, 5); len(got) != 0 || last != 0 {
				t.Errorf("%q: got %q and last_info_id %d, want nothing, and 0", box, bodies(got), last)
			}
		}
	})
}

// TestBoxesDoNotBlock: an inbox that nobody pulls does not keep others from being filled.
func TestBoxesDoNotBlock(t *testing.T) {
	inBubble(t, setup{}, func(s *testServer) {
		c := s.connect("alice").login("d")
		for range 900 {
			s.publish("user/alice", "x", 1)
		}
		s.publish("user/alice", "chat", 1, "x-box", "im")
		s.publish("broadcast/ximp-4242", "all", 1)
		c.wantBodies("im", 0, "chat")
		c.wantBodies("public", 0, "all")
	})
}

// TestPageSize: a page is cut to what all clients accept, and the doorbell rung for the rest.
func TestPageSize(t *testing.T) {
	inBubble(t, setup{}, func(s *testServer) {
		c := s.connect("alice").login("d")
		c.pull("peer", 0, 5)
		var want []string
		for i := range 5 {
			want = append(want, fmt.Sprint(i)+strings.Repeat("x", 150_000))
			s.publish("user/alice", want[i], 1)
		}
		c.wantRing("peer")
		var got []string
		next := int64(1)
		for range 2 {
			page, last := c.pull("peer", next, 5)
			got = append(got, bodies(page)...)
			next = page[len(page)-1].ID.Value + 1
			if next <= last && c.wantRing("peer") != last {
				t.Errorf("the doorbell is not that of the newest message")
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %d messages in two pages, want 5", len(got))
		}
		c.quiet()
	})
}

// TestExpiry: a message that has expired is not in a page, and not kept.
func TestExpiry(t *testing.T) {
	inBubble(t, setup{}, func(s *testServer) {
		c := s.connect("alice").login("d")
		m := &broker.Message{TopicName: "user/alice", Payload: []byte("short"), QoS: 1, Expires: time.Now().Add(time.Minute)}
		s.publishMessage(m)
		s.publish("user/alice", "long", 1)
		got := c.wantBodies("peer", 0, "short", "long")
		if got[0].Expire.Value != uint64(m.Expires.UnixMilli()) {
			t.Errorf("expire_time: got %d, want %d", got[0].Expire.Value, m.Expires.UnixMilli())
		}
		time.Sleep(time.Minute)
		c.wantBodies("peer", 0, "long")
		synctest.Wait()
		if st := s.broker.Stats(); st.Inflight != 1 {
			t.Errorf("in flight: got %d, want 1", st.Inflight)
		}
	})
}

// TestReconnect: what was not acknowledged comes again, under the same id; what was does not. Ids go on from the newest.
func TestReconnect(t *testing.T) {
	for _, device := range []string{"d", ""} {
		t.Run("device "+device, func(t *testing.T) {
			inBubble(t, setup{}, func(s *testServer) {
				c := s.connect("alice").login(device)
				s.publish("user/alice", "1", 1)
				s.publish("user/alice", "2", 1)
				old := ids(c.wantBodies("peer", 0, "1", "2"))
				c.wantBodies("peer", old[1], "2")
				c.close()
				synctest.Wait()
				time.Sleep(time.Second)
				c = s.connect("alice").login(device)
				if device == "" {
					c.wantBodies("peer", 0)
				} else if got := ids(c.wantBodies("peer", old[1], "2")); got[0] != old[1] {
					t.Errorf("id of the message that comes again: got %d, want %d", got[0], old[1])
				}
				c.wantBodies("peer", old[1]+1)
				s.publish("user/alice", "3", 1)
				if got := ids(c.wantBodies("peer", old[1]+1, "3")); got[0] <= old[1] {
					t.Errorf("id of the next message: got %d, want one above %d", got[0], old[1])
				}
			})
		})
	}
}

// TestPassingIDs: messages of QoS 0 have ids too, which are not used again after a reconnect.
func TestPassingIDs(t *testing.T) {
	inBubble(t, setup{}, func(s *testServer) {
		last := int64(0)
		for i := range 8 {
			c := s.connect("alice").login("d")
			s.publish("user/alice", "passing", 0)
			if i%3 == 0 {
				s.publish("user/alice", "kept", 1)
			}
			got, newest := c.pull("peer", last+1, 100)
			if len(got) == 0 || got[0].ID.Value <= last || newest != got[len(got)-1].ID.Value {
				t.Fatalf("connection %d: got ids %v and last_info_id %d, want larger ones than %d", i, ids(got), newest, last)
			}
			last = newest
			if i%2 == 0 {
				c.wantBodies("peer", last+1)
			}
			c.close()
			synctest.Wait()
		}
	})
}

// slowStore answers after a while when a mailbox is read.
type slowStore struct{ broker.Store }

func (st slowStore) Load(mb broker.Mailbox, after uint64, limit, maxBytes int, done func([]broker.Entry, bool, error)) {
	time.AfterFunc(time.Second, func() { st.Store.Load(mb, after, limit, maxBytes, done) })
}

// TestPullWaits: a pull that comes before the mailbox has been read waits for it: an empty answer that names the newest message would
// have clients skip what is still to come. Each is answered after those before it.
func TestPullWaits(t *testing.T) {
	cfg := setup{broker: broker.Config{Store: slowStore{memory.New()}, FlashTimeout: -1}}
	inBubble(t, cfg, func(s *testServer) {
		s.connect("alice").login("d").close()
		synctest.Wait()
		s.publish("user/alice", "1", 1)
		c := s.connect("alice").login("d")
		for range 2 {
			c.request(packet.IDGetInfo, packet.Request{GetInfo: &packet.GetInfoRequest{InfoType: []byte("peer")}})
		}
		for range 2 {
			if m := c.next(); m == nil || m.Response == nil || m.Response.GetInfo == nil || len(m.Response.GetInfo.Infos) != 1 {
				t.Fatalf("got %s, want the page with one message", show(m))
			}
		}
	})
}

// TestFutile: a client that pulls the same messages for ever is told to come later.
func TestFutile(t *testing.T) {
	inBubble(t, setup{}, func(s *testServer) {
		c := s.connect("alice").login("d")
		for range 2 * mostFutile {
			c.pull("peer", 0, 5) // there is nothing
		}
		s.publish("user/alice", "1", 1)
		for range mostFutile {
			c.wantBodies("peer", 0, "1")
		}
		c.request(packet.IDGetInfo, packet.Request{GetInfo: &packet.GetInfoRequest{InfoType: []byte("peer")}})
		for {
			m := c.next()
			if m == nil {
				t.Fatal("the connection has ended without an error")
			}
			if m.Response != nil && m.Response.Error != nil {
				if m.Response.Error.Code != packet.CodeOverloaded {
					t.Errorf("got %s, want error %d", show(m), packet.CodeOverloaded)
				}
				break
			}
		}
		c.wantEnd()
	})
}

// TestMultiInfos: no room messages are kept; only the last ids are answered.
func TestMultiInfos(t *testing.T) {
	inBubble(t, setup{ximp: Config{MaxMultiInfos: 2}}, func(s *testServer) {
		c := s.connect("alice").login("d")
		c.request(packet.IDGetMultiInfos, packet.Request{GetMultiInfos: &packet.GetMultiInfosRequest{
			InfoType: []byte("chatroom"), IDs: []int64{1, 2, 3}, SParameter: []byte("r"),
		}})
		r := c.next().Response.GetMultiInfos
		var got []int64
		for _, i := range r.Infos {
			s, err := i.Stored()
			if err != nil || !s.Valid.Set || s.Valid.Value != 0 {
				t.Errorf("got %+v and %v, want one that is not valid", s, err)
			}
			got = append(got, s.ID.Value)
		}
		if !slices.Equal(got, []int64{2, 3}) || string(r.SParameter) != "r" {
			t.Errorf("got ids %v of %q, want 2 and 3 of r", got, r.SParameter)
		}
	})
}

// TestRestart: what was not acknowledged is there after a restart, under its id, what was is not, and ids go on. That QoS 0
// had numbers, too, does not matter.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	last := int64(0)
	pending := ""
	for i := range 3 {
		st, err := badger.Open(t.Context(), badger.Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		s := newServer(t, setup{broker: broker.Config{Store: st}})
		c := s.connect("alice").login("d")
		got, newest := c.pull("peer", 0, 100)
		if pending != "" && (len(got) != 1 || string(got[0].Body) != pending || got[0].ID.Value != last) || newest < last {
			t.Fatalf("start %d: got %q with ids %v and last_info_id %d, want %q with %d", i, bodies(got), ids(got), newest, pending, last)
		}
		s.publish("user/alice", "passing", 0)
		s.publish("user/alice", "acknowledged", 1)
		pending = fmt.Sprint("kept ", i)
		s.publish("inbox/x:alice:mobile:d", pending, 1)
		for { // doorbells are rung meanwhile
			sn := c.request(packet.IDGetInfo, packet.Request{GetInfo: &packet.GetInfoRequest{
				InfoType: []byte("peer"), ID: last + 1, Offset: packet.Some(int32(100))}})
			m := c.next()
			for m.SN != sn {
				m = c.next()
			}
			infos := m.Response.GetInfo.Infos
			first, _ := infos[0].Stored()
			end, _ := infos[len(infos)-1].Stored()
			if len(infos) == 1 && string(end.Body) == pending {
				break // all before is acknowledged
			}
			if len(infos) != 3 || first.ID.Value <= last {
				t.Fatalf("start %d: got %d messages from %d on, want 3 above %d", i, len(infos), first.ID.Value, last)
			}
			last = end.ID.Value - 1
		}
		last++
		c.close()
		s.shutdown()
		if err := st.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSmallWindow: what the window has no room for comes when the client has acknowledged so much; until then it is not told of
// newer messages, to which it would skip.
func TestSmallWindow(t *testing.T) {
	inBubble(t, setup{ximp: Config{Window: 2}}, func(s *testServer) {
		s.connect("alice").login("d").close()
		synctest.Wait()
		for i := range 5 {
			s.publish("user/alice", fmt.Sprint(i), 1)
		}
		s.publish("user/alice", "chat", 1, "x-box", "im")
		c := s.connect("alice").login("d")
		c.request(packet.IDGetInfo, packet.Request{GetInfo: &packet.GetInfoRequest{InfoType: []byte("im")}})
		c.wantError(c.sn, packet.CodeRead)
		var got []string
		for next := int64(0); len(got) < 5; {
			page, last := c.pull("peer", next, 5)
			if len(page) == 0 || len(got) < 4 && last != page[len(page)-1].ID.Value {
				t.Fatalf("after %q got %q and last_info_id %d, want the newest of the page", got, bodies(page), last)
			}
			got = append(got, bodies(page)...)
			next = page[len(page)-1].ID.Value + 1
		}
		if want := []string{"0", "1", "2", "3", "4"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		c.wantBodies("im", 0, "chat")
	})
}

// TestTimeSent: a message's time_sent is when it was published, however much later its device is there, and whether its Session was in RAM or
// on disk meanwhile.
func TestTimeSent(t *testing.T) {
	for _, away := range []time.Duration{0, 10 * time.Second, 2 * time.Hour} {
		t.Run(away.String(), func(t *testing.T) {
			inBubble(t, setup{}, func(s *testServer) {
				c := s.connect("alice").login("d")
				if away > 0 {
					c.close()
					time.Sleep(away)
				}
				want := time.Now().UnixMilli()
				for _, name := range []string{userTopic("alice"), "inbox/x:alice:mobile:d", "broadcast/" + testApp} {
					s.publish(name, "x", 1)
				}
				time.Sleep(away)
				if away > 0 {
					c = s.connect("alice").login("d")
				}
				time.Sleep(time.Minute)
				got, _ := c.pull("peer", 0, 5)
				all, _ := c.pull("public", 0, 5)
				if len(got) != 2 || len(all) != 1 {
					t.Fatalf("got %q and %q, want two messages and one", bodies(got), bodies(all))
				}
				for _, m := range append(got, all...) {
					if int64(m.Sent.Value) != want {
						t.Errorf("%d: time_sent is %d, want %d", m.ID.Value, m.Sent.Value, want)
					}
				}
			})
		})
	}
}
