package client

import (
	"context"
	"fmt"

	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
)

// RoomError is a room's refusal, which is the product's.
type RoomError struct {
	Result int32
	Reason string
}

// Error names both.
func (e *RoomError) Error() string { return fmt.Sprintf("the room refuses: %d %q", e.Result, e.Reason) }

// Join joins a room with arguments, nil for none. Messages to it are events from
// then on.
func (c *Client) Join(ctx context.Context, room string, arguments map[string]string) (*packet.Room, error) {
	r := &packet.Room{RoomID: []byte(room)}
	for k, v := range arguments {
		r.Properties = append(r.Properties, packet.RoomPair{Key: []byte(k), Value: []byte(v)})
	}
	d, err := c.CallRoom(ctx, room, &packet.RoomUp{Payload: packet.RoomJoin, Join: &packet.RoomJoinRequest{RoomID: []byte(room), Room: r}})
	switch {
	case err != nil:
		return nil, err
	case d.Join == nil || d.Join.Room == nil:
		return nil, ErrAnswer
	}
	return d.Join.Room, nil
}

// Quit leaves a room.
func (c *Client) Quit(ctx context.Context, room string) error {
	_, err := c.CallRoom(ctx, room, &packet.RoomUp{Payload: packet.RoomQuit, Quit: &packet.RoomQuitRequest{RoomID: []byte(room)}})
	return err
}

// Room asks about a room: its properties have how many are in it.
func (c *Client) Room(ctx context.Context, room string) (*packet.Room, error) {
	d, err := c.CallRoom(ctx, room, &packet.RoomUp{Payload: packet.RoomQuery, Query: &packet.RoomQueryRequest{RoomID: []byte(room)}})
	switch {
	case err != nil:
		return nil, err
	case d.Query == nil || d.Query.Room == nil:
		return nil, ErrAnswer
	}
	return d.Query.Room, nil
}

// Subscribe switches a room's messages on or off for this connection.
func (c *Client) Subscribe(ctx context.Context, room string, on bool) error {
	_, err := c.CallRoom(ctx, room, &packet.RoomUp{Payload: packet.RoomSubscribe, Subscribe: &packet.RoomSubscription{
		RoomID: []byte(room), On: packet.Some(on),
	}})
	return err
}

// SendRoom sends a message to a room and returns its number, 0 if it has none.
func (c *Client) SendRoom(ctx context.Context, room string, content []byte) (id uint64, err error) {
	d, err := c.CallRoom(ctx, room, &packet.RoomUp{Payload: packet.RoomSend, Send: &packet.RoomSendRequest{
		Sender: &packet.RoomUser{UserID: []byte(c.o.User)}, RoomID: []byte(room), Content: content,
	}})
	if err != nil || d.Send == nil {
		return 0, err
	}
	return d.Send.ID.Or(0), nil
}

// CallRoom sends a request to the room service and returns its answer. A result
// other than 0 is a *RoomError.
func (c *Client) CallRoom(ctx context.Context, room string, up *packet.RoomUp) (*packet.RoomDown, error) {
	request := packet.Append(nil, &packet.RoomPacket{RoomID: []byte(room), Up: up, App: packet.Some(uint32(c.o.Header.App))})
	r, err := c.Call(ctx, &packet.Message{ID: packet.IDService, ReceiverType: []byte("null"), Request: &packet.Request{
		Service: &packet.ServiceRequest{ServiceID: packet.ServiceRoom, Request: request},
	}})
	switch {
	case err != nil:
		return nil, err
	case r.Service == nil || r.Service.ServiceID != packet.ServiceRoom:
		return nil, ErrAnswer
	}
	var p packet.RoomPacket
	if err := packet.Decode(r.Service.Response, &p); err != nil {
		return nil, err
	}
	switch {
	case p.Down == nil || p.Down.Payload != up.Payload:
		return nil, ErrAnswer
	case p.Down.Result != 0:
		return nil, &RoomError{Result: p.Down.Result, Reason: string(p.Down.Reason)}
	}
	return p.Down, nil
}
