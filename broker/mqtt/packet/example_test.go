package packet_test

import (
	"errors"
	"fmt"

	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
)

// A stream is cut into frames as bytes arrive; each is decoded by its type.
func ExampleReadFrame() {
	stream := packet.AppendPingReq(nil)
	stream = packet.AppendPublish(stream, packet.V5, &packet.PublishOut{Topic: "a/b", Payload: []byte("hi")})
	stream = append(stream, 0x40, 2, 0) // the front of a PUBACK

	var publish packet.Publish
	for {
		f, n, err := packet.ReadFrame(stream, 1<<20)
		if err != nil || n == 0 {
			fmt.Println(len(stream), "bytes wait for more,", err)
			return
		}
		fmt.Println(f.Type, len(f.Body))
		if f.Type == packet.TypePublish {
			err = publish.Decode(f, packet.V5)
			fmt.Printf("%s = %s, %v\n", publish.Topic, publish.Payload, err)
		}
		stream = stream[n:]
	}
	// Output:
	// PINGREQ 0
	// PUBLISH 8
	// a/b = hi, <nil>
	// 3 bytes wait for more, <nil>
}

// A refused CONNECT tells in which version and with which code to answer.
func ExampleDecodeConnect() {
	connect := packet.AppendConnect(nil, &packet.Connect{Version: packet.V311})
	f, _, _ := packet.ReadFrame(connect, 0)
	_, err := packet.DecodeConnect(f)
	fmt.Println(err)

	var refused *packet.Error
	if errors.As(err, &refused) && refused.Version != 0 {
		answer := packet.AppendConnAck(nil, refused.Version, &packet.ConnAck{Reason: refused.Code}, 0)
		fmt.Printf("%x\n", answer)
	}
	// Output:
	// read CONNECT: client identifier is required (0x85 Client Identifier not valid)
	// 20020002
}

// One message goes to many subscribers: its header is encoded once and the payload
// never copied.
func ExamplePublishTemplate() {
	var t packet.PublishTemplate
	out := packet.PublishOut{QoS: packet.AtLeastOnce, Topic: "a", Payload: []byte("big")}
	if !t.Reset(packet.V311, &out) {
		return
	}
	for id := packet.PacketID(1); id <= 2; id++ {
		fmt.Printf("%x %s\n", t.Append(nil, false, id), out.Payload)
	}
	// Output:
	// 32080001610001 big
	// 32080001610002 big
}

// A refusal is explained as far as the Client's Maximum Packet Size allows.
func ExampleAppendDisconnect() {
	d := packet.Disconnect{
		Reason:      packet.ServerShuttingDown,
		Explanation: packet.Explanation{ReasonString: "bye"},
	}
	fmt.Printf("%x\n", packet.AppendDisconnect(nil, packet.V5, &d, 100))
	fmt.Printf("%x\n", packet.AppendDisconnect(nil, packet.V5, &d, 8))
	// Output:
	// e0088b061f0003627965
	// e0018b
}
