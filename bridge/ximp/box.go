package ximp

import (
	"slices"
	"time"

	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
	"github.com/holdfast-mqtt/holdfast/broker"
)

// kind is one of a client's inboxes.
type kind uint8

const (
	peer kind = iota
	im
	public
	kinds
)

var boxNames = [kinds]string{packet.BoxPeer, packet.BoxIM, packet.BoxPublic}

// kindOf returns the inbox of that name.
func kindOf(name []byte) (k kind, ok bool) {
	for k := range kinds {
		if string(name) == boxNames[k] {
			return k, true
		}
	}
	return 0, false
}

// entry is a message that the client has not acknowledged.
type entry struct {
	msg      *broker.Message
	id       int64
	sent     int64 // when it was published, in ms since 1970
	packetID broker.PacketID
	qos      broker.QoS
}

// box is an inbox.
type box struct {
	entries []entry // by id, ascending
	bell    bell
}

// bell is the doorbell of an inbox.
type bell struct {
	told int64         // the largest id that the client has been told
	rung int64         // id of a doorbell that is unanswered; 0 is none
	at   time.Duration // when it was rung, on the loop's clock
}

// boxes are the inboxes of a connection. They exist while there is something in them.
type boxes struct {
	box   [kinds]box
	count int
	bytes int
}

// add puts e, whose id is larger than all before, into k.
func (bs *boxes) add(k kind, e entry) {
	bs.box[k].entries = append(bs.box[k].entries, e)
	bs.count++
	bs.bytes += e.msg.Size()
}

// from returns the place of the first entry with an id of at least start.
func (b *box) from(start int64) int {
	i, _ := slices.BinarySearchFunc(b.entries, start, func(e entry, id int64) int {
		switch {
		case e.id < id:
			return -1
		case e.id > id:
			return 1
		}
		return 0
	})
	return i
}

// newest is the largest id in the box; 0 if it is empty.
func (b *box) newest() int64 {
	if len(b.entries) == 0 {
		return 0
	}
	return b.entries[len(b.entries)-1].id
}

// takeBelow takes out what the client has said that it has, by asking for start.
func (bs *boxes) takeBelow(k kind, start int64) []entry {
	b := &bs.box[k]
	n := b.from(start)
	if n == 0 {
		return nil
	}
	taken := slices.Clone(b.entries[:n])
	clear(b.entries[:n])
	b.entries = b.entries[n:]
	if len(b.entries) == 0 {
		b.entries = nil
	}
	for i := range taken {
		bs.count--
		bs.bytes -= taken[i].msg.Size()
	}
	return taken
}

// remove takes out the entries for which gone is true.
func (bs *boxes) remove(k kind, gone func(*entry) bool) {
	b := &bs.box[k]
	b.entries = slices.DeleteFunc(b.entries, func(e entry) bool {
		if !gone(&e) {
			return false
		}
		bs.count--
		bs.bytes -= e.msg.Size()
		return true
	})
	if len(b.entries) == 0 {
		b.entries = nil
	}
}

// Bounds of the number of messages that a client asks for.
const (
	defaultPage = 5
	maxPage     = 100
)

// query is what a client asks an inbox for.
type query struct {
	start     int64
	n         int
	backwards bool // from the one before start on, or from the newest on if start is not above 0
	whole     bool // from the oldest on, whatever start says
}

// queryOf reads GetInfoReq.
func queryOf(k kind, start int64, offset int32) query {
	n := int64(offset)
	if n < 0 && k != public {
		n = -n
	}
	if n <= 0 {
		n = defaultPage
	}
	return query{
		start:     start,
		n:         int(min(n, maxPage)),
		backwards: start < 0 || start > 0 && offset < 0 && k != public,
		whole:     start == 0,
	}
}

// page returns what answers q, in its order.
func (b *box) page(q query) []entry {
	var es []entry
	switch {
	case q.backwards:
		es = b.entries
		if q.start > 0 {
			es = es[:b.from(q.start)]
		}
		es = slices.Clone(es[max(len(es)-q.n, 0):])
		slices.Reverse(es)
		return es
	case q.whole:
		es = b.entries
	default:
		es = b.entries[b.from(q.start):]
	}
	return slices.Clone(es[:min(len(es), q.n)])
}
