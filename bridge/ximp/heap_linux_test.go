package ximp

import (
	"fmt"
	"net"
	"runtime"
	"syscall"
	"testing"

	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
)

// heapPerConnection bounds the live heap, in bytes, of an idle connection of a device with a Session that lasts and with a
// user of its own, all layers included, and its record in the Store, which keeps it in RAM here.
const heapPerConnection = 1500

// TestHeapPerConnection asserts the memory budget of an idle connection.
func TestHeapPerConnection(t *testing.T) {
	const warm, connections = 200, 3000
	s := newServer(t, setup{})
	fds := make([]int, 0, warm+connections)
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
	grow(warm) // what is shared is made
	before := liveHeap()
	grow(connections)
	per := (liveHeap() - before) / connections
	t.Logf("%d bytes of live heap per connection", per)
	if per > heapPerConnection {
		t.Errorf("%d bytes of live heap per connection, want at most %d", per, heapPerConnection)
	}
	if got := s.broker.Stats().Connected; got != warm+connections {
		t.Errorf("%d are connected, want %d", got, warm+connections)
	}
}

func liveHeap() int {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// rawClient logs in with a bare descriptor, which costs this process no heap.
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
	user := fmt.Sprintf("user-%06d", i)
	buf := make([]byte, 1024)
	exchange := func(b []byte) *packet.Response {
		if _, err := syscall.Write(fd, b); err != nil {
			t.Fatal(err)
		}
		n, err := syscall.Read(fd, buf)
		if err != nil {
			t.Fatal(err)
		}
		f, _, err := packet.ReadAnswer(buf[:n], 0)
		m := new(packet.Message)
		if err != nil || packet.Decode(f.Body, m) != nil || m.Response == nil {
			t.Fatalf("got % x and %v, want an answer", buf[:n], err)
		}
		return m.Response
	}
	r := exchange(packet.AppendFirst(nil, packet.Header{Version: 1, ClientVersion: 102, App: testAppID}, &packet.Message{
		ID: packet.IDInitLogin, Sender: []byte(user), Request: &packet.Request{
			InitLogin: &packet.InitLoginRequest{ClientRAM: []byte("x")}},
	}, ""))
	r = exchange(packet.AppendPacket(nil, &packet.Message{ID: packet.IDLogin, Request: &packet.Request{Login: &packet.LoginRequest{
		ServerRAM: r.InitLogin.ServerRAM, SecretRAM: []byte("x"), DeviceID: []byte("device"), Platform: []byte("mobile"),
	}}}, ""))
	if r.Login == nil {
		t.Fatalf("got %+v, want LoginResp", r)
	}
	return fd
}
