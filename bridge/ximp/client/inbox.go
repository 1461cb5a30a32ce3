package client

import (
	"context"

	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
)

// Page is a part of an inbox.
type Page struct {
	Messages []packet.Stored
	// LastID is the newest id of the inbox, 0 if the server did not say.
	LastID int64
}

// GetInfo fetches up to n messages of an inbox: those from the id start on if n is
// 0 (which means 5) or more, backwards from below start if n is less. start 0 means
// where the server thinks the client is, below 0 the newest. Above 0 it tells the
// server that the client has everything below, for ever.
func (c *Client) GetInfo(ctx context.Context, box string, start int64, n int) (Page, error) {
	r, err := c.Call(ctx, &packet.Message{ID: packet.IDGetInfo, Request: &packet.Request{GetInfo: &packet.GetInfoRequest{
		InfoType: []byte(box), ID: start, Offset: packet.Some(int32(n)),
	}}})
	switch {
	case err != nil:
		return Page{}, err
	case r.GetInfo == nil:
		return Page{}, ErrAnswer
	}
	return pageOf(r.GetInfo.Infos, r.GetInfo.LastID)
}

// GetRoomMessages fetches messages of a room by their ids, one for each: those that
// are gone have Valid 0. The body of others is a gzip member; see Unzip.
func (c *Client) GetRoomMessages(ctx context.Context, room string, ids ...int64) (Page, error) {
	r, err := c.Call(ctx, &packet.Message{ID: packet.IDGetMultiInfos, Request: &packet.Request{
		GetMultiInfos: &packet.GetMultiInfosRequest{InfoType: []byte(packet.BoxRoom), IDs: ids, SParameter: []byte(room)},
	}})
	switch {
	case err != nil:
		return Page{}, err
	case r.GetMultiInfos == nil:
		return Page{}, ErrAnswer
	}
	return pageOf(r.GetMultiInfos.Infos, r.GetMultiInfos.LastID)
}

// Unzip reads the body of a message from GetRoomMessages.
func Unzip(body []byte) (packet.RoomMessage, error) {
	var m packet.RoomMessage
	plain, err := packet.Inflate(body, packet.MaxInflated)
	if err == nil {
		err = packet.Decode(plain, &m)
	}
	return m, err
}

func pageOf(infos []packet.Info, last packet.Opt[int64]) (Page, error) {
	p := Page{LastID: last.Or(0)}
	for _, i := range infos {
		s, err := i.Stored()
		if err != nil {
			return Page{}, err
		}
		p.Messages = append(p.Messages, s)
	}
	return p, nil
}

// pageSize is how many messages Pull asks for at once.
const pageSize = 50

// Inbox reads an inbox from where the server thinks the client is, acknowledging
// what has been taken. Its methods are for one goroutine.
type Inbox struct {
	c    *Client
	box  string
	next int64 // 0 until there was a message
}

// Inbox returns a reader of a box, from the id start on, 0 for where the server
// thinks the client is.
func (c *Client) Inbox(box string, start int64) *Inbox { return &Inbox{c: c, box: box, next: start} }

// Next is the id from which on Pull asks.
func (i *Inbox) Next() int64 { return i.next }

// Pull hands each message of the inbox to take, in order, until there is none, and
// then has acknowledged all of them. Those of a page for which take returns an error
// come again, unless they were before the message at fault.
func (i *Inbox) Pull(ctx context.Context, take func(packet.Stored) error) error {
	for {
		p, err := i.c.GetInfo(ctx, i.box, i.next, pageSize)
		if err != nil {
			return err
		}
		progress := false
		for _, m := range p.Messages {
			if m.ID.Value < i.next {
				continue // of a server that does not keep to the order
			}
			if err := take(m); err != nil {
				return err
			}
			i.next = m.ID.Value + 1
			progress = true
		}
		if !progress {
			return nil
		}
	}
}

// Acknowledge tells the server that what Pull has handed on is taken, after take has
// ended it with an error.
func (i *Inbox) Acknowledge(ctx context.Context) error {
	if i.next <= 0 {
		return nil
	}
	_, err := i.c.GetInfo(ctx, i.box, i.next, 1)
	return err
}
