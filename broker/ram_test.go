package broker_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/storage/memory"
)

// Bounds of live heap in bytes. In brackets what was measured.
const (
	heapPerSleeper  = 300 // with one subscription of its own (271)
	heapPerNobody   = 1   // without
	heapPerRetained = 200 // beside Topic Name and payload (101)
)

// diskless is a Store that keeps nothing, so that what is measured is the broker's.
type diskless struct{ *memory.Store }

// SaveSession implements broker.Store.
func (diskless) SaveSession(_ broker.SessionKey, _ *broker.SessionRecord, c broker.Commit) {
	if c != nil {
		c.Committed(nil)
	}
}

// SetRetained implements broker.Store.
func (diskless) SetRetained(_, _ string, _ *broker.Message, c broker.Commit) {
	if c != nil {
		c.Committed(nil)
	}
}

// SetCursor implements broker.Store.
func (diskless) SetCursor(broker.Mailbox, uint64) {}

// liveHeap is what is reachable, in bytes.
func liveHeap() int {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// heapPer returns the growth of the live heap per call of f, over n calls.
func heapPer(n int, f func(i int)) int {
	for i := range n / 10 { // what is shared is made
		f(-1 - i)
	}
	before := liveHeap()
	for i := range n {
		f(i)
	}
	return (liveHeap() - before) / n
}

// TestHeapPerSleeper asserts what a Session that sleeps costs: only its subscriptions.
func TestHeapPerSleeper(t *testing.T) {
	for subs, most := range []int{heapPerNobody, heapPerSleeper} {
		r := newRoom(t, broker.Config{Store: diskless{memory.New()}, FlashTimeout: -1})
		sc, l := r.NewScratch(nil), newLink()
		got := heapPer(100_000, func(i int) {
			id := fmt.Sprintf("device-%07d", i)
			r.Connect(sc, &broker.Connect{App: r.app, ClientID: id, Expiry: never, Link: l}, func(c broker.Connected) {
				if subs > 0 {
					_, _, _ = c.Session.Subscribe(sc, c.Epoch, []broker.Subscribe{{TopicFilter: "devices/" + id}}, nil)
				}
				c.Session.Detach(sc, c.Epoch, broker.Leave{})
			})
		})
		t.Logf("%d subscriptions: %d bytes of live heap per Session", subs, got)
		if got > most {
			t.Errorf("%d subscriptions: %d bytes of live heap per Session, want at most %d", subs, got, most)
		}
		if got := r.Stats().Sessions; got != int64(subs*110_000) {
			t.Errorf("%d subscriptions: got %d Sessions in RAM, want %d", subs, got, subs*110_000)
		}
	}
}

// TestHeapPerRetained asserts what a retained message costs, small or large.
func TestHeapPerRetained(t *testing.T) {
	for _, size := range []int{10, 10_000} {
		r := newRoom(t, broker.Config{Store: diskless{memory.New()}})
		sc := r.NewScratch(nil)
		payload := make([]byte, size)
		name := func(i int) string { return fmt.Sprintf("devices/device-%07d", i) }
		got := heapPer(100_000, func(i int) {
			m := &broker.Message{TopicName: name(i), Payload: payload, QoS: 1, Retain: true}
			m.Borrow()
			if got := r.Publish(sc, &broker.Publish{App: r.app, Message: m}); !got.OK() {
				t.Errorf("Publish: got result %d, want %d", got, broker.NoSubscribers)
			}
		})
		got -= len(name(1))
		if size < 256 {
			got -= size
		}
		t.Logf("payload of %d: %d bytes of live heap per message beside Topic Name and payload", size, got)
		if got > heapPerRetained {
			t.Errorf("payload of %d: %d bytes of live heap per message, want at most %d", size, got, heapPerRetained)
		}
	}
}
