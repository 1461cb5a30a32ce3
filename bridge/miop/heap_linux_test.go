package miop

import (
	"fmt"
	"io"
	"net"
	"runtime"
	"syscall"
	"testing"

	"github.com/holdfast-mqtt/holdfast/bridge/miop/packet"
)

// heapPerConnection bounds the live heap, in bytes, of an idle connection with one transient bind, all layers included.
const heapPerConnection = 1000

// TestHeapPerConnection asserts the memory budget of an idle connection. What the system takes for a socket is not in it, nor
// what the runtime takes beside the live heap.
func TestHeapPerConnection(t *testing.T) {
	const connections = 3000
	s := newServer(t, setup{broker: autoSubscribe("devices/%c", 1)})
	var fds []int
	defer func() {
		for _, fd := range fds {
			_ = syscall.Close(fd)
		}
	}()
	grow := func(n int) {
		for range n {
			fds = append(fds, rawClient(t, s.addr, len(fds)))
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
}

// rawClient connects and binds with a bare descriptor, which costs this process no heap.
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
	if _, err := syscall.Write(fd, frame(5, packet.Bind, []string{fmt.Sprintf("u:device-%06d@7", i), "d:0"})); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, len(frame(5, packet.BindAck, []string{"id:7", "r:0"})))
	if _, err := io.ReadFull(descriptor(fd), answer); err != nil {
		t.Fatal(err)
	}
	return fd
}

// descriptor reads from a file descriptor that blocks.
type descriptor int

func (d descriptor) Read(b []byte) (int, error) { return syscall.Read(int(d), b) }

func liveHeap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
