package ximp

import (
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
)

// reload connects as a page does that is loaded again, waits for the doorbell of an inbox and does what get does. It returns how long the doorbell took, or an
// error that came instead.
func (s *testServer) reload(get func(c *client, id int64)) (took time.Duration, refused packet.Code) {
	s.t.Helper()
	c := s.connect("alice").login("d")
	defer c.close()
	began := time.Now()
	m := c.next()
	switch {
	case m != nil && m.Response != nil && m.Response.Error != nil:
		return 0, m.Response.Error.Code
	case m == nil || m.Notify == nil || m.Notify.NewMessage == nil:
		s.t.Fatalf("got %s, want a doorbell", show(m))
	}
	took = time.Since(began)
	get(c, m.Notify.NewMessage.ID.Value)
	return took, 0
}

// TestConnectionsInVain: who fetches messages on one connection after the other and acknowledges none is put off, and let go in the end. Pages that fetch the
// newest message, which nobody can acknowledge, and clients that fetch nothing, are not.
func TestConnectionsInVain(t *testing.T) {
	const connections = 30
	for _, tt := range []struct {
		name     string
		messages int
		get      func(c *client, id int64)
		refused  bool
	}{
		{"the newest, by its id", 1, func(c *client, id int64) { c.pull("peer", id, 1) }, false},
		{"nothing", 2, func(*client, int64) {}, false},
		{"all of them", 2, func(c *client, _ int64) { c.pull("peer", 0, 5) }, true},
		{"the oldest, by its id", 2, func(c *client, id int64) { c.pull("peer", id-1, 1) }, true},
		{"the newest", 1, func(c *client, _ int64) { c.pull("peer", -1, 1) }, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, setup{}, func(s *testServer) {
				for range tt.messages {
					s.publish("inbox/x:alice:mobile:d", "m", 1)
				}
				refused, longest := 0, time.Duration(0)
				for range connections {
					took, code := s.reload(tt.get)
					if longest = max(longest, took); code == packet.CodeOverloaded {
						refused++
					} else if code != 0 {
						t.Errorf("got error %d", code)
					}
				}
				if (refused > 0) != tt.refused || (longest > quietTime) != tt.refused {
					t.Errorf("refused %d times, and put off up to %v: want that to be %v", refused, longest, tt.refused)
				}
			})
		})
	}
}

// TestFetchedInVain: what has QoS 0 cannot be acknowledged, and is not held against who fetches it.
func TestFetchedInVain(t *testing.T) {
	inBubble(t, setup{}, func(s *testServer) {
		for range 20 {
			c := s.connect("alice").login("d")
			s.publish("user/alice", "a", 0)
			s.publish("user/alice", "b", 0)
			if got, _ := c.pull("peer", 0, 5); len(got) != 2 {
				t.Fatalf("got %q, want two messages", bodies(got))
			}
			c.close()
			pass(time.Minute)
		}
		c := s.connect("alice").login("d")
		s.publish("user/alice", "c", 1)
		c.pull("peer", 0, 5)
		c.close()
		pass(time.Minute)
		if took, code := s.reload(func(*client, int64) {}); took > quietTime || code != 0 {
			t.Errorf("the doorbell took %v, and there was error %d, want neither", took, code)
		}
	})
}
