package broker

import (
	"cmp"
	"errors"
	"net/netip"
)

// Connecting is a client that is about to be let in.
type Connecting struct {
	App      string // this and the next two as authentication has found them
	ClientID string
	User     string         // empty if it has none
	Remote   netip.AddrPort // as in ConnectRequest
	Listener string         // likewise
	Protocol string         // likewise
	Version  uint8          // likewise
}

// ConnectInterceptor has the last word about who is let in, after authentication and whatever the protocol. Several are asked in
// the order of Config.Hooks, until one refuses.
type ConnectInterceptor interface {
	// OnConnect is called on the client's loop, by several loops at once, and must not block. With an error the client is refused, before
	// anything is done with its Session or with an older connection of that: as banned if the error wraps ErrBanned, else as not
	// authorized. c is valid during the call. A panic refuses too.
	OnConnect(c *Connecting) error
}

// mayEnter asks about a client. The error is ErrBanned or ErrNotAuthorized.
func (b *Broker) mayEnter(c *Connect) error {
	if b.hooks == nil || len(b.hooks.doors) == 0 {
		return nil
	}
	who := &Connecting{
		App: c.App.name, ClientID: cmp.Or(c.Beside, c.ClientID), User: c.User,
		Remote: c.Remote, Listener: c.Listener, Protocol: c.Protocol, Version: c.Version,
	}
	for _, i := range b.hooks.doors {
		if err := b.askDoor(i, who); err != nil {
			b.rejected.Add(1)
			b.cfg.Logger.Debug("client_rejected", "app", c.App.name, "client_id", c.ClientID, "remote", c.Remote, "error", err)
			if errors.Is(err, ErrBanned) {
				return ErrBanned
			}
			return ErrNotAuthorized
		}
	}
	return nil
}

func (b *Broker) askDoor(i ConnectInterceptor, c *Connecting) (err error) {
	err = ErrHookPanicked
	defer b.contain(HookSession)
	return i.OnConnect(c)
}
