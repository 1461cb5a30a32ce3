package mqtt

import (
	"fmt"
	"io"
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
	"github.com/holdfast-mqtt/holdfast/internal/wiretest"
)

// heapPerConnection bounds the live heap, in bytes, of an idle connection with
// a Client Identifier and a subscription of its own, all layers included. 593
// were measured.
const heapPerConnection = 640

// TestHeapPerConnection asserts the memory budget of an idle connection.
func TestHeapPerConnection(t *testing.T) {
	s := newServer(t, setup{})
	per, all := wiretest.HeapPerConnection(t, s.addr, 5000, func(fd wiretest.Descriptor, i int) { rawLogin(t, fd, i) })
	t.Logf("%d bytes of live heap per connection", per)
	if per > heapPerConnection {
		t.Errorf("%d bytes of live heap per connection, want at most %d", per, heapPerConnection)
	}
	if got := s.broker.Stats().Subscriptions; got != int64(all) {
		t.Errorf("%d subscriptions, want %d", got, all)
	}
}

// rawLogin connects and subscribes with a bare descriptor.
func rawLogin(t *testing.T, fd wiretest.Descriptor, i int) {
	_, connect, err := encodeConnect(fmt.Sprintf("v4 id=device-%06d clean ka=600", i))
	if err != nil {
		t.Fatal(err)
	}
	sub, err := encode(fmt.Sprintf("sub id=1 devices/device-%06d,1", i), packet.V311)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fd.Write(append(connect, sub...)); err != nil {
		t.Fatal(err)
	}
	var answer [9]byte // CONNACK and SUBACK
	if _, err := io.ReadFull(fd, answer[:]); err != nil {
		t.Fatal(err)
	}
}
