package broker_test

import (
	"sync"
	"testing"
	"testing/synctest"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/storage/memory"
)

// partials is a Store that notes the partial receipts it is given.
type partials struct {
	broker.Store

	mu    sync.Mutex
	got   []broker.PartialReceipt
	parts int // the largest number of them that a receipt had
}

// AddPartialReceipt implements broker.Store.
func (st *partials) AddPartialReceipt(mb broker.Mailbox, id broker.PacketID, part int, r broker.PartialReceipt, c broker.Commit) {
	st.mu.Lock()
	st.got, st.parts = append(st.got, r), max(st.parts, part+1)
	st.mu.Unlock()
	st.Store.AddPartialReceipt(mb, id, part, r, c)
}

// TestRoomWhileOffered has a full Session get room while the QoS 2 publish that waits for it is still being offered to
// others. It must not take the message before the receipt is known: if it did, nobody would note that it has it, and
// a repetition after a crash would give it again.
func TestRoomWhileOffered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &partials{Store: memory.New()}
		r := newRoom(t, broker.Config{Store: st, MaxQueuedMessages: 1})
		full, other := r.connect(t, "full", expiry(never), receiveMaximum(1)), r.connect(t, "other")
		p := r.connect(t, "p", expiry(never))
		full.subscribe("t", 1)
		sent := p.publish("t", "1", 1)
		synctest.Wait()
		one := ids(full.link.take())
		wantOutcome(t, "before", []*publication{sent}, broker.Accepted)
		other.subscribe("$share/g/t", 1) // is offered the message last
		var waited, waits int64
		other.link.verdict = func(*broker.Delivery) broker.Verdict {
			waited = r.Stats().Waiting
			full.ack(one...)
			waits = r.Stats().Waiting
			return broker.Sent
		}
		last := p.publishID(7)
		if waited != 1 || waits != 1 {
			t.Errorf("while it is offered: got %d waiting, %d after there is room, want 1, 1", waited, waits)
		}
		synctest.Wait()
		wantOutcome(t, "last", []*publication{last}, broker.Accepted)
		if len(st.got) != 1 || len(st.got[0].Given) != 1 {
			t.Errorf("got partial receipts %v, want one that names the full Session's mailbox", st.got)
		}
		if got := full.link.take(); len(got) != 1 || got[0].payload != "" {
			t.Errorf("got %v, want the message that waited, once", got)
		}
	})
}

// TestWokenWhileOffered has a Store that answers at once: a Session that a QoS 2 publish wakes is awake while the publish is
// still being offered. It takes the message when the receipt is known.
func TestWokenWhileOffered(t *testing.T) {
	for _, tt := range []struct {
		name, topic string
		room        int
		want        broker.Result
	}{
		{"a device that was never seen", "inbox/d", 10, broker.Accepted},
		{"a Session that sleeps since the node has started", "t", 10, broker.Accepted},
		{"one without room", "t", 1, broker.QuotaExceeded},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := memory.New()
				r := newRoom(t, broker.Config{Store: st, MaxQueuedMessages: tt.room})
				if tt.topic == "t" {
					d, p := r.connect(t, "d", expiry(never)), r.connect(t, "p")
					d.subscribe("t", 2)
					d.detach()
					p.publish("t", "0", 1)
					r.Close()
					r = newRoom(t, broker.Config{Store: st, MaxQueuedMessages: tt.room})
					if err := r.Restore(nil); err != nil {
						t.Fatalf("Restore: got %v, want nil", err)
					}
				}
				p := r.connect(t, "p", expiry(never))
				sent := &publication{id: 7}
				p.publishAs(sent, tt.topic, "1", 2)
				synctest.Wait()
				wantOutcome(t, "Publish", []*publication{sent}, tt.want)
			})
		})
	}
}
