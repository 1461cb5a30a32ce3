package packet_test

import (
	"fmt"

	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
)

// A client's first packet, and how a server reads it, where it has arrived.
func Example() {
	key := packet.Key("the app's default key")
	in := packet.AppendFirst(nil, packet.Header{Version: 1, ClientVersion: 102, App: 4242}, &packet.Message{
		ID: packet.IDInitLogin, SN: 1, Sender: []byte("alice"),
		Request: &packet.Request{InitLogin: &packet.InitLoginRequest{ClientRAM: []byte("12345678")}},
	}, key)

	f, n, err := packet.ReadFrame(in, packet.MaxBodyBeforeLogin)
	if err != nil || n == 0 {
		fmt.Println("close the connection, or wait for more:", err)
		return
	}
	body, err := f.Open(f.Body[:0], key)
	var m packet.Message
	if err == nil {
		err = packet.Decode(body, &m)
	}
	if err != nil {
		fmt.Println("close the connection:", err)
		return
	}
	fmt.Printf("app %d: %v of %s\n", f.Header.App, m.ID, m.Sender)
	// Output: app 4242: InitLoginReq of alice
}

// Bytes that arrive one by one are read when the packet is whole.
func ExampleReadFrame() {
	var in []byte
	for _, b := range packet.AppendHeartbeat(nil) {
		in = append(in, b)
		f, n, err := packet.ReadFrame(in, packet.MaxBody)
		fmt.Println(n, f.Heartbeat, err)
	}
	// Output:
	// 0 false <nil>
	// 0 false <nil>
	// 0 false <nil>
	// 4 true <nil>
}

// A message of an inbox, as pairs and back.
func ExampleStored() {
	s := packet.Stored{ID: packet.Some[int64](7), Type: packet.Some(packet.TypePlain), Body: []byte("hello")}
	info := s.Info()
	for _, p := range info.Pairs {
		fmt.Printf("%s: %d bytes\n", p.Key, len(p.Value))
	}
	back, err := info.Stored()
	fmt.Println(back.ID.Value, string(back.Body), err)
	// Output:
	// info_id: 8 bytes
	// msg_type: 4 bytes
	// chat_body: 5 bytes
	// 7 hello <nil>
}
