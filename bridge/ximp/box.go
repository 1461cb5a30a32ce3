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

// kindSet is a set of inboxes.
type kindSet uint8

func (s kindSet) has(k kind) bool { return s>>k&1 != 0 }

func (s *kindSet) add(k kind) { *s |= 1 << k }

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
	recall   recall
}

// box is an inbox.
type box struct {
	entries  []entry // by id, ascending
	expiring int     // of them, how many expire some time
	swept    int64   // where sweep goes on: ids below were looked at last time
	bell     bell
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
	b := &bs.box[k]
	b.entries = append(b.entries, e)
	if e.expires() {
		b.expiring++
	}
	bs.count++
	bs.bytes += e.msg.Size()
}

// left accounts for e having left b.
func (bs *boxes) left(b *box, e *entry) {
	if e.expires() {
		b.expiring--
	}
	bs.count--
	bs.bytes -= e.msg.Size()
}

func (e *entry) expires() bool { return !e.msg.Expires.IsZero() }

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

// takeBelow takes out what the client has said that it has, by asking for start. What is withdrawn stays until the client has the recall, too.
func (bs *boxes) takeBelow(k kind, start int64) []entry {
	b := &bs.box[k]
	n := b.from(start)
	if n == 0 {
		return nil
	}
	var held []entry
	taken := slices.DeleteFunc(slices.Clone(b.entries[:n]), func(e entry) bool {
		if e.recall.by < start {
			return false
		}
		held = append(held, e)
		return true
	})
	n = len(taken)
	copy(b.entries[n:], held)
	clear(b.entries[:n])
	b.entries = b.entries[n:]
	if len(b.entries) == 0 {
		b.entries = nil
	}
	for i := range taken {
		bs.left(b, &taken[i])
	}
	return taken
}

// cut takes out those of the entries from lo up to hi for which gone is true.
func (bs *boxes) cut(b *box, lo, hi int, gone func(*entry) bool) (taken []entry) {
	kept := slices.DeleteFunc(b.entries[lo:hi], func(e entry) bool {
		if !gone(&e) {
			return false
		}
		taken = append(taken, e)
		bs.left(b, &e)
		return true
	})
	b.entries = slices.Delete(b.entries, lo+len(kept), hi)
	if len(b.entries) == 0 {
		b.entries = nil
	}
	return taken
}

// sweepSome is how many entries one pull looks at that are none of its business.
const sweepSome = 64

// sweep takes out those of the next sweepSome entries of k for which gone is true, by and by of all.
func (bs *boxes) sweep(k kind, gone func(*entry) bool) (taken []entry) {
	b := &bs.box[k]
	if b.expiring == 0 {
		return nil
	}
	lo := b.from(b.swept)
	hi := min(lo+sweepSome, len(b.entries))
	b.swept = 0
	if hi < len(b.entries) {
		b.swept = b.entries[hi].id
	}
	return bs.cut(b, lo, hi, gone)
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

// leaves tells whether a client that is given es has acknowledged all that it can: it has asked for the newest message, by its id, and nobody can
// ask for one behind that before there is one. Pages in browsers never ask but for what they are told of. What has QoS 0 is not acknowledged.
func (q *query) leaves(b *box, es []entry) bool {
	owed, id := 0, int64(0)
	for i := range es {
		if es[i].packetID != 0 {
			owed, id = owed+1, es[i].id
		}
	}
	switch owed {
	case 0:
		return true
	case 1:
		return q.start > 0 && !q.backwards && id == b.entries[b.lastShown()].id
	}
	return false
}

// page returns what answers q, in its order, and takes out what it meets for which gone is true: only that, so that a pull looks at
// no more than it gives and what no later one has to look at. What is withdrawn is left out, and stays.
func (bs *boxes) page(k kind, q query, gone func(*entry) bool) (es, taken []entry) {
	b := &bs.box[k]
	met := false // one that is gone
	look := func(e *entry) {
		switch {
		case gone(e):
			met = true
		case e.recall.by == 0:
			es = append(es, *e)
		}
	}
	lo := 0
	if !q.whole && q.start > 0 {
		lo = b.from(q.start)
	}
	hi := lo
	if q.backwards {
		if q.start <= 0 {
			lo = len(b.entries)
		}
		for hi = lo; lo > 0 && len(es) < q.n; {
			lo--
			look(&b.entries[lo])
		}
	} else {
		for ; hi < len(b.entries) && len(es) < q.n; hi++ {
			look(&b.entries[hi])
		}
	}
	if met {
		taken = bs.cut(b, lo, hi, gone)
	}
	return es, taken
}
