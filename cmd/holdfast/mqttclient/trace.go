package mqttclient

import (
	"fmt"
	"net"
)

// packetNames are the MQTT Control Packet types by their number.
var packetNames = [16]string{
	"type 0", "CONNECT", "CONNACK", "PUBLISH", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP", "SUBSCRIBE",
	"SUBACK", "UNSUBSCRIBE", "UNSUBACK", "PINGREQ", "PINGRESP", "DISCONNECT", "AUTH",
}

// tracer is a connection that names the packets passing through it.
type tracer struct {
	net.Conn
	in  framer // owned by the one reader
	out framer // owned by whoever writes: both Paho clients write one packet at a time
}

func newTracer(conn net.Conn, trace func(string)) *tracer {
	line := func(verb string) func(byte, int) {
		return func(first byte, length int) {
			trace(fmt.Sprintf("%s %s (%d bytes)", verb, packetNames[first>>4], length))
		}
	}
	return &tracer{Conn: conn, in: framer{packet: line("received")}, out: framer{packet: line("sending")}}
}

// Read implements [net.Conn].
func (t *tracer) Read(b []byte) (int, error) {
	n, err := t.Conn.Read(b)
	t.in.feed(b[:n])
	return n, err
}

// Write implements [net.Conn].
func (t *tracer) Write(b []byte) (int, error) {
	t.out.feed(b)
	return t.Conn.Write(b)
}

// framer finds the packets in a stream of bytes, which may be cut anywhere. It keeps none of them.
type framer struct {
	packet func(first byte, length int) // called when a fixed header is complete

	first     byte // of the packet whose fixed header is being read
	state     byte // 0: before a packet, 1: in Remaining Length, 2: in the body
	shift     uint // bits of Remaining Length read so far
	remaining int
}

func (f *framer) feed(b []byte) {
	for len(b) > 0 {
		switch f.state {
		case 0:
			f.first, f.remaining, f.shift, f.state = b[0], 0, 0, 1
			b = b[1:]
		case 1:
			f.remaining |= int(b[0]&0x7F) << f.shift
			f.shift += 7
			if b[0] < 0x80 || f.shift >= 28 { // v3.1.1 and v5 2.x: at most four bytes
				f.packet(f.first, f.remaining)
				f.state = 2
			}
			b = b[1:]
		case 2:
			n := min(f.remaining, len(b))
			f.remaining -= n
			b = b[n:]
		}
		if f.state == 2 && f.remaining == 0 {
			f.state = 0
		}
	}
}
