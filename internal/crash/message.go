package crash

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
)

// topic is a Topic Name, all of whose messages are published with one QoS: MQTT promises an order within one
// topic and QoS only.
type topic struct {
	name string
	qos  packet.QoS
	// weight is how often it is chosen, compared with the others.
	weight int
	// inbox is the client to which messages go without a SUBSCRIBE, -1 for none.
	inbox int
}

// key identifies a message: who published it, on which topic (an index), and its number there, from 0.
type key struct {
	publisher uint16
	topic     uint16
	number    uint32
}

const (
	headerBytes = 8
	// mostFiller is the size of the longest payload without its header. It stays below what stores keep apart
	// from their log, so that the order of that one file is the order of the messages.
	mostFiller = 600
)

var errPayload = errors.New("the payload is not what was published")

// fillerBytes is the number of bytes after the header.
func (k key) fillerBytes() int { return int(k.number*31+uint32(k.publisher)*7) % (mostFiller + 1) }

// payload makes the message's payload: the key and a filler that depends on it.
func (k key) payload() []byte {
	b := make([]byte, headerBytes, headerBytes+k.fillerBytes())
	binary.BigEndian.PutUint16(b, k.publisher)
	binary.BigEndian.PutUint16(b[2:], k.topic)
	binary.BigEndian.PutUint32(b[4:], k.number)
	for i := range k.fillerBytes() {
		b = append(b, byte(int(k.number)+i))
	}
	return b
}

// readPayload is the inverse of payload. It looks at every byte.
func readPayload(b []byte) (key, error) {
	if len(b) < headerBytes {
		return key{}, errPayload
	}
	k := key{binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:]), binary.BigEndian.Uint32(b[4:])}
	filler := b[headerBytes:]
	if len(filler) != k.fillerBytes() {
		return key{}, errPayload
	}
	for i, c := range filler {
		if c != byte(int(k.number)+i) {
			return key{}, errPayload
		}
	}
	return k, nil
}

// String is how histories name the message.
func (k key) String() string { return fmt.Sprintf("p%d/t%d/#%d", k.publisher, k.topic, k.number) }

// matches tells whether a Topic Filter, which may be that of a Shared Subscription, takes a Topic Name.
func matches(filter, name string) bool {
	if rest, ok := strings.CutPrefix(filter, "$share/"); ok {
		_, filter, _ = strings.Cut(rest, "/")
	}
	f, n := strings.Split(filter, "/"), strings.Split(name, "/")
	for i, level := range f {
		switch {
		case level == "#":
			return true
		case i >= len(n) || level != "+" && level != n[i]:
			return false
		}
	}
	return len(f) == len(n)
}
