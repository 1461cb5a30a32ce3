package ximp

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// TestFullMailbox: while more waits for room in the mailbox, a broadcast in the log or a publisher, a client gets what is there, and makes room by
// acknowledging it.
func TestFullMailbox(t *testing.T) {
	for _, tt := range []struct{ name, topic, box string }{
		{"a broadcast waits", "broadcast/" + testApp, "public"},
		{"a publisher waits", "user/alice", "peer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, setup{broker: broker.Config{MaxQueuedMessages: 3}}, func(s *testServer) {
				c := s.connect("alice").login("d")
				for _, text := range []string{"a", "b", "c"} {
					s.publish("inbox/x:alice:mobile:d", text, 1)
				}
				done := make(told, 1)
				r := s.broker.Publish(s.sc, &broker.Publish{
					App: s.broker.App(testApp), Message: &broker.Message{TopicName: tt.topic, Payload: []byte("more"), QoS: 1}, Deferrer: done,
				})
				synctest.Wait()
				got, _ := c.pull("peer", 0, 10)
				if !slices.Equal(bodies(got), []string{"a", "b", "c"}) {
					t.Fatalf("got %q, want what is there", bodies(got))
				}
				c.pull("peer", got[2].ID.Value+1, 10)
				if r == broker.Pending {
					r = <-done
				}
				if got, _ := c.pull(tt.box, 1, 10); !r.OK() || !slices.Equal(bodies(got), []string{"more"}) {
					t.Errorf("got result %d and %q, want it accepted and there", r, bodies(got))
				}
			})
		})
	}
}

// TestWebPublic: broadcasts, which pages are not told of, leave room in their mailboxes for what is for them; the latest wait for one that asks.
func TestWebPublic(t *testing.T) {
	for _, tt := range []struct {
		name    string
		broker  broker.Config
		payload int
	}{
		{"many", broker.Config{MaxQueuedMessages: 8}, 1},
		{"large", broker.Config{MaxQueuedBytes: 8_000}, 900},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := setup{web: true, broker: tt.broker, ximp: Config{Window: tt.broker.MaxQueuedMessages, WindowBytes: tt.broker.MaxQueuedBytes}}
			inBubble(t, cfg, func(s *testServer) {
				c := s.connect("alice").login("d")
				for i := range byte(20) {
					s.publish("broadcast/"+testApp, strings.Repeat(string('a'+rune(i)), tt.payload), 1)
				}
				s.publish("user/alice", "for her", 1)
				id := c.wantRing("peer")
				if got, _ := c.pull("peer", id, 1); !slices.Equal(bodies(got), []string{"for her"}) {
					t.Errorf("got %q, want what is for her", bodies(got))
				}
				if got, _ := c.pull("public", 1, 10); len(got) != 2 || got[1].Body[0] != 't' {
					t.Errorf("got %q, want the last two broadcasts", bodies(got))
				}
				if got := s.ximp.Stats().PublicDropped; got != 18 {
					t.Errorf("counted %d dropped, want 18", got)
				}
			})
		})
	}
}
