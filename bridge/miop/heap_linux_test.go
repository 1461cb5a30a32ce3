package miop

import (
	"fmt"
	"io"
	"testing"

	"github.com/holdfast-mqtt/holdfast/bridge/miop/packet"
	"github.com/holdfast-mqtt/holdfast/internal/wiretest"
)

// heapPerConnection bounds the live heap, in bytes, of an idle connection with one transient bind, all layers included.
const heapPerConnection = 1000

// TestHeapPerConnection asserts the memory budget of an idle connection. What the system takes for a socket is not in it, nor
// what the runtime takes beside the live heap.
func TestHeapPerConnection(t *testing.T) {
	s := newServer(t, setup{broker: autoSubscribe("devices/%c", 1)})
	answer := make([]byte, len(frame(5, packet.BindAck, []string{"id:7", "r:0"})))
	per, _ := wiretest.HeapPerConnection(t, s.addr, 3000, func(fd wiretest.Descriptor, i int) {
		if _, err := fd.Write(frame(5, packet.Bind, []string{fmt.Sprintf("u:device-%06d@7", i), "d:0"})); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(fd, answer); err != nil {
			t.Fatal(err)
		}
	})
	t.Logf("%d bytes of live heap per connection", per)
	if per > heapPerConnection {
		t.Errorf("%d bytes of live heap per connection, want at most %d", per, heapPerConnection)
	}
}
