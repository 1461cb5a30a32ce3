package bench

import (
	"encoding/binary"

	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
)

// Offsets within the payload; see the package comment.
const (
	stampAt     = 0
	publisherAt = 8
	sequenceAt  = 12
)

// delivery is what a PUBLISH from the broker says.
type delivery struct {
	topic   []byte
	id      packet.PacketID // 0 at QoS 0
	payload []byte
}

// cutPublish takes a PUBLISH apart. It leaves judging the Topic Name to the
// caller, who compares it with the one expected, and skips MQTT 5 properties: that
// is all a generator needs and a fraction of what packet.Publish costs.
func cutPublish(f packet.Frame, v packet.Version) (d delivery, ok bool) {
	b := f.Body
	if len(b) < 2 {
		return d, false
	}
	n := 2 + int(binary.BigEndian.Uint16(b))
	if f.Flags&0x06 != 0 {
		if len(b) < n+2 {
			return d, false
		}
		d.id = packet.PacketID(binary.BigEndian.Uint16(b[n:]))
		d.topic, b = b[2:n], b[n+2:]
		ok = d.id != 0
	} else {
		if len(b) < n {
			return d, false
		}
		d.topic, b = b[2:n], b[n:]
		ok = true
	}
	if v == packet.V5 {
		size, k := binary.Uvarint(b)
		if k <= 0 || k > 4 || size > uint64(len(b)-k) {
			return d, false
		}
		b = b[k+int(size):]
	}
	d.payload = b
	return d, ok
}

// template is a PUBLISH without what differs from message to message.
type template struct {
	head   []byte // the packet up to and including the mark, or all of it
	rest   []byte // what follows head: the same in every message
	idAt   int    // where the Packet Identifier stands; 0 at QoS 0
	markAt int    // where the payload begins
}

// copyLimit is the payload size in bytes above which filler is written from
// where it lies instead of being copied into the output.
const copyLimit = 2048

func newTemplate(v packet.Version, q packet.QoS, topic string, publisher uint32, size int) template {
	payload := make([]byte, size)
	for i := MinPayload; i < size; i++ {
		payload[i] = 'a' + byte(i%26)
	}
	binary.BigEndian.PutUint32(payload[publisherAt:], publisher)
	out := &packet.PublishOut{QoS: q, PacketID: 1, Topic: topic, Payload: payload}
	b := packet.AppendPublish(nil, v, out)
	t := template{head: b, markAt: len(b) - size}
	if q > packet.AtMostOnce {
		t.idAt = t.markAt - 2
		if v == packet.V5 {
			t.idAt-- // the empty property block is between them
		}
	}
	if size > copyLimit {
		cut := t.markAt + MinPayload
		t.head, t.rest = b[:cut:cut], b[cut:]
	}
	return t
}

// append appends the head of one message to dst.
func (t *template) append(dst []byte, id packet.PacketID, stamp int64, sequence uint32) []byte {
	n := len(dst)
	dst = append(dst, t.head...)
	if t.idAt > 0 {
		binary.BigEndian.PutUint16(dst[n+t.idAt:], uint16(id))
	}
	mark := dst[n+t.markAt:]
	binary.BigEndian.PutUint64(mark[stampAt:], uint64(stamp))
	binary.BigEndian.PutUint32(mark[sequenceAt:], sequence)
	return dst
}

// mark is what a payload says of its message.
type mark struct {
	stamp     int64
	publisher uint32
	sequence  uint32
}

// readMark reads the payload's mark; the caller has checked its length.
func readMark(payload []byte) mark {
	_ = payload[MinPayload-1]
	return mark{
		stamp:     int64(binary.BigEndian.Uint64(payload[stampAt:])),
		publisher: binary.BigEndian.Uint32(payload[publisherAt:]),
		sequence:  binary.BigEndian.Uint32(payload[sequenceAt:]),
	}
}
