package client

import (
	"errors"
	"fmt"
)

var (
	// ErrClosed means that Close has ended the connection.
	ErrClosed = errors.New("the client is closed")
	// ErrMagic means that a server's first packet is not the one that version 1 of
	// the protocol begins with, or a later one is: nobody speaks XIMP there.
	ErrMagic = errors.New("the answer does not begin as XIMP does: is this a XIMP listener?")
	// ErrKey means that the answer to the login cannot be read with any key.
	ErrKey = errors.New("the answer cannot be decrypted: is the default key that of the app and client version?")
	// ErrAnswer means an answer that is not to the request, or that lacks its body.
	ErrAnswer = errors.New("the answer does not belong to the request")
	// ErrWebSocket means that the server does not speak WebSocket, or breaks it.
	ErrWebSocket = errors.New("not a WebSocket server")
)

// CloseError is how a server ended a WebSocket.
type CloseError struct {
	// Code is the server's, 1005 if it gave none. After 1000 clients stay away,
	// after others they come back.
	Code uint16
}

// Error names the code.
func (e *CloseError) Error() string {
	return fmt.Sprintf("the server closed the WebSocket with code %d", e.Code)
}
