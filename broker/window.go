package broker

import "sync"

// maxPacketID is the largest Packet Identifier; they run from 1 and wrap.
const maxPacketID = 65535

// inflightState is how far a delivery has got.
type inflightState uint8

const (
	acknowledged inflightState = iota
	awaitAck                   // QoS 1: sent, not acknowledged
	awaitReceipt               // QoS 2: sent, not received
	awaitSafe                  // QoS 2: received; it is released when that is on disk
	awaitDone                  // QoS 2: received and released, not complete
)

// held is what must be kept of a delivery for its repetition. A transient
// Session repeats nothing and holds nothing, except for messages of a Shared
// Subscription, which go to another member when it ends.
type held struct {
	item  item
	group *group
}

// window is the record of deliveries that are not acknowledged yet. Packet
// Identifiers are given out in order, so that the window is a run of
// identifiers beginning with first, and a look-up is a subtraction:
//
//	unacked <= span <= maxPacketID
//
// Acknowledged entries leave at the front only; behind an unacknowledged one
// they keep their place. A window is borrowed from a pool while deliveries are
// in flight.
type window struct {
	first   PacketID
	unacked int
	states  ring[inflightState]
	holds   ring[held] // as long as states, or empty while nothing is held
}

var windowPool = sync.Pool{New: func() any { return new(window) }}

// after returns the identifier n places after id.
func (id PacketID) after(n int) PacketID {
	return PacketID((int(id)-1+n)%maxPacketID + 1)
}

// index returns the place of id, or -1.
func (w *window) index(id PacketID) int {
	if id == 0 {
		return -1
	}
	i := int(id) - int(w.first)
	if i < 0 {
		i += maxPacketID
	}
	if i >= w.states.len() {
		return -1
	}
	return i
}

// gap is how many identifiers lie between the last delivery and id.
func (w *window) gap(id PacketID) int {
	n := w.states.len()
	if n == 0 {
		return 0
	}
	return (int(id) - int(w.first.after(n)) + maxPacketID) % maxPacketID
}

// push adds a delivery with identifier id, which comes after the last one; the identifiers
// between count as acknowledged. h.item.msg is nil if nothing is to be held.
func (w *window) push(id PacketID, qos QoS, h held) {
	for range w.gap(id) {
		w.states.push(acknowledged)
	}
	n := w.states.len()
	if n == 0 {
		w.first = id
	}
	if h.item.msg != nil || w.holds.len() > 0 {
		for w.holds.len() < n {
			w.holds.push(held{})
		}
		w.holds.push(h)
	}
	st := awaitAck
	if qos == 2 {
		st = awaitReceipt
	}
	w.states.push(st)
	w.unacked++
}

// unackedBefore counts the deliveries before place i that are not acknowledged.
func (w *window) unackedBefore(i int) int {
	n := 0
	for j := range i {
		if *w.states.at(j) != acknowledged {
			n++
		}
	}
	return n
}

// hold returns what is held for place i.
func (w *window) hold(i int) *held {
	if i >= w.holds.len() {
		return nil
	}
	return w.holds.at(i)
}

// settle marks place i acknowledged and drops what has become superfluous.
func (w *window) settle(i int) held {
	var h held
	if p := w.hold(i); p != nil {
		h = *p
		*p = held{}
	}
	*w.states.at(i) = acknowledged
	w.unacked--
	for w.states.len() > 0 && *w.states.at(0) == acknowledged {
		w.states.pop()
		if w.holds.len() > 0 {
			w.holds.pop()
		}
		w.first = w.first.after(1)
	}
	return h
}

// recycle gives an empty window back.
func (w *window) recycle() {
	w.first, w.unacked = 0, 0
	w.holds.drop()
	windowPool.Put(w)
}
