package mqtt

import (
	"fmt"
	"net"
	"syscall"
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
)

// heapPerConnection bounds the live heap, in bytes, of an idle connection with
// a Client Identifier and a subscription of its own, all layers included. 593
// were measured.
const heapPerConnection = 640

// TestHeapPerConnection asserts the memory budget of an idle connection.
func TestHeapPerConnection(t *testing.T) {
	const connections = 5000
	s := newServer(t, setup{})
	addr := s.addr
	var fds []int
	defer func() {
		for _, fd := range fds {
			_ = syscall.Close(fd)
		}
	}()
	grow := func(n int) {
		for range n {
			fds = append(fds, rawClient(t, addr, len(fds)))
		}
	}
	grow(200) // what is shared is made
	fds = append(make([]int, 0, connections+200), fds...)
	before := liveHeap()
	grow(connections)
	per := (liveHeap() - before) / connections
	t.Logf("%d bytes of live heap per connection", per)
	if per > heapPerConnection {
		t.Errorf("%d bytes of live heap per connection, want at most %d", per, heapPerConnection)
	}
	if got := s.broker.Stats().Subscriptions; got != connections+200 {
		t.Errorf("%d subscriptions, want %d", got, connections+200)
	}
}

// rawClient connects and subscribes with a bare descriptor, which costs this
// process no heap.
func rawClient(t *testing.T, addr string, i int) int {
	tcp, err := net.ResolveTCPAddr("tcp4", addr)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	to := &syscall.SockaddrInet4{Port: tcp.Port}
	copy(to.Addr[:], tcp.IP.To4())
	if err := syscall.Connect(fd, to); err != nil {
		t.Fatal(err)
	}
	_, connect, err := encodeConnect(fmt.Sprintf("v4 id=device-%06d clean ka=600", i))
	if err != nil {
		t.Fatal(err)
	}
	sub, err := encode(fmt.Sprintf("sub id=1 devices/device-%06d,1", i), packet.V311)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := syscall.Write(fd, append(connect, sub...)); err != nil {
		t.Fatal(err)
	}
	var answer [9]byte // CONNACK and SUBACK
	for n := 0; n < len(answer); {
		k, err := syscall.Read(fd, answer[n:])
		if err != nil || k == 0 {
			t.Fatalf("read: %d bytes, %v", k, err)
		}
		n += k
	}
	return fd
}
