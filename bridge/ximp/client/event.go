package client

import (
	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
)

// Event is a message that the server sent unasked: a doorbell, a message to a room,
// a wish that the client go elsewhere, or an error that answers no request. It is
// the receiver's.
type Event struct {
	// Message is what came.
	Message *packet.Message
	// Room is what a room's notify holds, nil for others.
	Room *packet.RoomPacket
	// Messages are those to the room, one that came alone or those of a bundle.
	Messages []packet.RoomMessage
	// Joined and Left are the rooms, with members, of notifies about those.
	Joined, Left []packet.Room
}

// Doorbell returns the inbox that has something new, and its id. ok is false if the
// event is no doorbell.
func (e *Event) Doorbell() (box string, id int64, ok bool) {
	if e.Message.Notify == nil || e.Message.Notify.NewMessage == nil || e.Room != nil {
		return "", 0, false
	}
	n := e.Message.Notify.NewMessage
	return string(n.InfoType), n.ID.Or(0), true
}

// Err returns the error that answers no request, or nil.
func (e *Event) Err() error {
	if r := e.Message.Response; r != nil && r.Error != nil {
		return r.Error
	}
	return nil
}

// What an event counts for in Options.EventBytes beside what has come: by itself, and for each element of a list, which takes two
// bytes of a packet and up to so many in memory.
const (
	eventOverhead   = 512
	elementOverhead = 256
)

// unpack reads what a room's notify holds, and returns what that takes in memory. A bundle holds MaxInflated bytes at most, and MaxElements.
func (e *Event) unpack() (size int, err error) {
	if e.Message.Notify == nil {
		return 0, nil
	}
	n := e.Message.Notify.NewMessage
	if n == nil || string(n.InfoType) != packet.BoxRoom {
		return 0, nil
	}
	e.Room = new(packet.RoomPacket)
	elements, err := packet.DecodeCount(n.Content, e.Room)
	if err != nil {
		return 0, err
	}
	d := e.Room.Down
	if d == nil {
		return 0, nil
	}
	if d.New != nil {
		e.Messages = append(e.Messages, *d.New)
	}
	if d.Joined != nil {
		e.Joined = append(e.Joined, *d.Joined.Room)
	}
	if d.Left != nil {
		e.Left = append(e.Left, *d.Left.Room)
	}
	left, more := packet.MaxInflated, packet.MaxElements
	for _, b := range d.Bundle {
		plain, err := packet.Inflate(b.Data, left)
		if err != nil {
			return 0, err
		}
		left -= len(plain)
		k, err := e.bundled(uint32(b.Type), plain)
		if more -= k + 1; err == nil && more < 0 {
			err = packet.ErrElements
		}
		if err != nil {
			return 0, err
		}
	}
	return packet.MaxInflated - left + (elements+packet.MaxElements-more)*elementOverhead, nil
}

// bundled reads a message of a bundle, and returns how many elements it has.
func (e *Event) bundled(kind uint32, plain []byte) (elements int, err error) {
	var change packet.RoomChange
	switch kind {
	case packet.RoomNewMessage:
		var m packet.RoomMessage
		elements, err = packet.DecodeCount(plain, &m)
		e.Messages = append(e.Messages, m)
	case packet.RoomJoined:
		if elements, err = packet.DecodeCount(plain, &change); err == nil {
			e.Joined = append(e.Joined, *change.Room)
		}
	case packet.RoomLeft:
		if elements, err = packet.DecodeCount(plain, &change); err == nil {
			e.Left = append(e.Left, *change.Room)
		}
	}
	return elements, err
}

// eventQueue knows what the events that wait take. It is the reading goroutine's.
type eventQueue struct {
	sizes []int // of those that have been put in, oldest first; some of them may have been taken
	bytes int
}

// offer makes m, which takes so many bytes, an event. It is dropped if there is no room.
func (c *Client) offer(m *packet.Message, size int) error {
	e := Event{Message: m}
	more, err := e.unpack()
	if err != nil {
		return err
	}
	size += more + eventOverhead
	q := &c.queue
	for len(q.sizes) > len(c.events) { // they have been taken
		q.bytes -= q.sizes[0]
		q.sizes = q.sizes[1:]
	}
	if len(q.sizes) > 0 && q.bytes+size > c.o.EventBytes {
		c.dropped.Add(1)
		return nil
	}
	select {
	case c.events <- e:
		q.sizes = append(q.sizes, size)
		q.bytes += size
	default:
		c.dropped.Add(1)
	}
	return nil
}
