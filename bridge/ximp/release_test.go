package ximp

import (
	"testing"
	"testing/synctest"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// half is a client of another protocol that has received a QoS 2 message, and goes before it is released.
type half struct{ got chan broker.PacketID }

func (h half) Deliver(d *broker.Delivery) broker.Verdict {
	h.got <- d.PacketID
	return broker.Sent
}
func (half) Release(broker.PacketID, any) {}
func (half) Yield(any)                    {}
func (half) End(error)                    {}

// TestReleasedElsewhere: what a device has received over another protocol, but for the last step, comes to its end.
func TestReleasedElsewhere(t *testing.T) {
	inBubble(t, setup{}, func(s *testServer) {
		l := half{make(chan broker.PacketID, 1)}
		connected := make(chan broker.Connected, 1)
		s.broker.Connect(s.sc, &broker.Connect{App: s.broker.App(testApp), ClientID: "x:alice:mobile:d", Expiry: 3600, Link: l},
			func(r broker.Connected) { connected <- r })
		r := <-connected
		r.Session.Start(s.sc, r.Epoch)
		s.publish("inbox/x:alice:mobile:d", "once", 2)
		r.Session.Received(s.sc, r.Epoch, <-l.got, true)
		synctest.Wait()
		r.Session.Detach(s.sc, r.Epoch, broker.Leave{})
		c := s.connect("alice").login("d")
		if got, _ := c.pull("peer", 0, 0); len(got) != 0 {
			t.Errorf("got %q, which the device has", bodies(got))
		}
		if got := s.broker.Stats().Inflight; got != 0 {
			t.Errorf("%d deliveries are in flight, want none", got)
		}
	})
}
