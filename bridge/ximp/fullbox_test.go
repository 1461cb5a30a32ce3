package ximp

import (
	"slices"
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
