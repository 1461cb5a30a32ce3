package login

import (
	"context"
	"errors"
	"net"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// Passes tells whether err, of an Authenticator, is a fault that passes, such as a service that cannot be reached: it says
// nothing about the client, which is to try again. It is false for nil.
func Passes(err error) bool {
	var ne net.Error // *url.Error is one
	return errors.Is(err, broker.ErrUnavailable) || errors.Is(err, broker.ErrHookPanicked) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || errors.As(err, &ne)
}
