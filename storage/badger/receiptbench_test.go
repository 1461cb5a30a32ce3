package badger

import (
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// BenchmarkReceipts writes and removes the receipts of QoS 2 publishes, no more than 20,000 ahead of the disk.
func BenchmarkReceipts(b *testing.B) {
	s := openForTest(b, Options{Dir: b.TempDir(), MaxPending: 1 << 30, hooks: hooks{memTable: memTableSize}})
	defer s.Close()
	room := make(chan struct{}, 20_000)
	boxes := make([]broker.Mailbox, 1000)
	for i := range boxes {
		boxes[i] = s.NewMailbox()
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		room <- struct{}{}
		mb, id := boxes[i%len(boxes)], broker.PacketID(i/len(boxes)+1)
		s.AddReceipt(mb, id, purgeRoom(room))
		if id > 5 {
			s.RemoveReceipt(mb, id-5, nil)
		}
	}
	for range cap(room) {
		room <- struct{}{}
	}
}
