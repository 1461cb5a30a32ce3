package client

import (
	"context"
	"errors"

	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
)

// ErrRefused means that a server took a request and said no, without saying why.
var ErrRefused = errors.New("the server refused it")

// Chat sends body to a user and returns when the server has it. ErrRefused is
// returned if it does not want it.
func (c *Client) Chat(ctx context.Context, to string, body []byte) error {
	return c.Send(ctx, to, packet.ChatRequest{Body: body})
}

// Send is Chat with all that a ChatRequest may say.
func (c *Client) Send(ctx context.Context, to string, chat packet.ChatRequest) error {
	r, err := c.Call(ctx, &packet.Message{
		ID: packet.IDChat, Receiver: []byte(to), ReceiverType: []byte("jid"), Request: &packet.Request{Chat: &chat},
	})
	switch {
	case err != nil:
		return err
	case r.Chat == nil:
		return ErrAnswer
	case r.Chat.Result != 0:
		return ErrRefused
	}
	return nil
}

// Status asks where users are. There is an answer for each, if the server is kind.
func (c *Client) Status(ctx context.Context, users ...string) ([]packet.UserStatus, error) {
	q := &packet.StatusRequest{}
	for _, u := range users {
		q.Users = append(q.Users, packet.UserQuery{
			UserID: []byte(u), UserType: []byte("jid"), App: packet.Some(uint32(c.o.Header.App)),
		})
	}
	r, err := c.Call(ctx, &packet.Message{ID: packet.IDQueryStatus, Request: &packet.Request{QueryStatus: q}})
	switch {
	case err != nil:
		return nil, err
	case r.QueryStatus == nil:
		return nil, ErrAnswer
	}
	return r.QueryStatus.Users, nil
}

// Logout ends the session at the server, and with it what the server keeps for this
// client. The connection stays open until Close.
func (c *Client) Logout(ctx context.Context, reason string) error {
	r, err := c.Call(ctx, &packet.Message{ID: packet.IDLogout, Request: &packet.Request{
		Logout: &packet.LogoutRequest{Reason: []byte(reason)},
	}})
	switch {
	case err != nil:
		return err
	case r.Logout == nil:
		return ErrAnswer
	case r.Logout.Result != 0:
		return ErrRefused
	}
	return nil
}
