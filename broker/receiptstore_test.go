package broker_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/storage/storetest"
)

// TestReleaseRepeated repeats a PUBREL before the first one is on disk: that must not be answered early, since a
// crash would bring the receipt back, and the next message with its Packet Identifier would be taken for a repetition.
func TestReleaseRepeated(t *testing.T) {
	for _, fails := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			st := newLateStore(t, 1)
			defer func() { _ = st.Close() }()
			r := newRoom(t, broker.Config{Store: st})
			c := r.connect(t, "c", expiry(never))
			p := c.publishID(7)
			synctest.Wait()
			wantOutcome(t, "publish", []*publication{p}, broker.NoSubscribers)
			c.s.Conclude(7, broker.NoSubscribers)
			st.Hold(true)
			if fails {
				st.Fail(storetest.FailOn(errors.New("bad sector"), storetest.OpRemoveReceipt))
			}
			first, second := make(told, 1), make(told, 1)
			if got := c.s.Release(c.epoch, 7, first); got != broker.Pending {
				t.Errorf("first Release: got result %d, want %d", got, broker.Pending)
			}
			if fails {
				st.Hold(false)
				synctest.Wait()
				if err := <-first; err == nil {
					t.Error("first Release: got no error, want one")
				}
				st.Fail(nil)
			}
			c = r.connect(t, "c", expiry(never))
			if got := c.s.Release(c.epoch, 7, second); got != broker.Pending {
				t.Errorf("second Release: got result %d, want %d", got, broker.Pending)
			}
			st.Hold(false)
			synctest.Wait()
			if err := <-second; err != nil {
				t.Errorf("second Release: got error %v, want nil", err)
			}
			if got := st.Record(broker.SessionKey{App: broker.DefaultApp, ClientID: "c"}); len(got.Received) != 0 {
				t.Errorf("on disk: got receipts %v, want none", got.Received)
			}
			c.leave(broker.Leave{Expiry: new(uint32)})
		})
	}
}
