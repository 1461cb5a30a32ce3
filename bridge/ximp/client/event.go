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

// unpack reads what a room's notify holds. A bundle holds MaxInflated bytes at most.
func (e *Event) unpack() error {
	if e.Message.Notify == nil {
		return nil
	}
	n := e.Message.Notify.NewMessage
	if n == nil || string(n.InfoType) != packet.BoxRoom {
		return nil
	}
	e.Room = new(packet.RoomPacket)
	if err := packet.Decode(n.Content, e.Room); err != nil {
		return err
	}
	d := e.Room.Down
	if d == nil {
		return nil
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
	left := packet.MaxInflated
	for _, b := range d.Bundle {
		plain, err := packet.Inflate(b.Data, left)
		if err != nil {
			return err
		}
		left -= len(plain)
		if err := e.bundled(uint32(b.Type), plain); err != nil {
			return err
		}
	}
	return nil
}

func (e *Event) bundled(kind uint32, plain []byte) error {
	var change packet.RoomChange
	switch kind {
	case packet.RoomNewMessage:
		var m packet.RoomMessage
		if err := packet.Decode(plain, &m); err != nil {
			return err
		}
		e.Messages = append(e.Messages, m)
	case packet.RoomJoined:
		if err := packet.Decode(plain, &change); err != nil {
			return err
		}
		e.Joined = append(e.Joined, *change.Room)
	case packet.RoomLeft:
		if err := packet.Decode(plain, &change); err != nil {
			return err
		}
		e.Left = append(e.Left, *change.Room)
	}
	return nil
}
