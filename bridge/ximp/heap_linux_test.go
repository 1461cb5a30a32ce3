package ximp

import (
	"fmt"
	"testing"

	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
	"github.com/holdfast-mqtt/holdfast/internal/wiretest"
)

// heapPerConnection bounds the live heap, in bytes, of an idle connection of a device with a Session that lasts and with a
// user of its own, all layers included, and its record in the Store, which keeps it in RAM here.
const heapPerConnection = 1500

// TestHeapPerConnection asserts the memory budget of an idle connection.
func TestHeapPerConnection(t *testing.T) {
	s := newServer(t, setup{})
	per, all := wiretest.HeapPerConnection(t, s.addr, 3000, func(fd wiretest.Descriptor, i int) { rawLogin(t, fd, i) })
	t.Logf("%d bytes of live heap per connection", per)
	if per > heapPerConnection {
		t.Errorf("%d bytes of live heap per connection, want at most %d", per, heapPerConnection)
	}
	if got := s.broker.Stats().Connected; got != int64(all) {
		t.Errorf("%d are connected, want %d", got, all)
	}
}

// rawLogin logs in with a bare descriptor.
func rawLogin(t *testing.T, fd wiretest.Descriptor, i int) {
	user := fmt.Sprintf("user-%06d", i)
	buf := make([]byte, 1024)
	exchange := func(b []byte) *packet.Response {
		if _, err := fd.Write(b); err != nil {
			t.Fatal(err)
		}
		n, err := fd.Read(buf)
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
}
