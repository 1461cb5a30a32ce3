package auth

import (
	"context"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// Anonymous lets in clients that present neither User Name nor password. It is the last link of a Chain.
type Anonymous struct {
	// Anybody lets in those too who present some. The User Name is then what the client says, and rules that
	// go by it protect nothing.
	Anybody bool
}

var _ broker.Authenticator = Anonymous{}

// OnConnectAuthenticate returns Allow or Ignore. It does not block.
func (n Anonymous) OnConnectAuthenticate(_ context.Context, r *broker.ConnectRequest) (broker.Decision, *broker.Identity, error) {
	if !n.Anybody && (r.HasUser || r.HasPassword) {
		return broker.Ignore, nil, nil
	}
	return broker.Allow, nil, nil
}
