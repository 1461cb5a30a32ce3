package client

import (
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
)

// The values that zeros in Options stand for.
const (
	DefaultHeartbeat  = 120 * time.Second
	DefaultEvents     = 1000
	DefaultEventBytes = 16 << 20
	DefaultMobile     = "pc"
)

// Options say who connects, and how.
type Options struct {
	// URL is where to: ximp://host:port, ximps:// with TLS, ws://host:port/ or
	// wss://host:port/. New does not look at it.
	URL string
	// TLS is for ximps and wss; nil means the system's authorities.
	TLS *tls.Config
	// Text sends the text form, which takes a WebSocket; Header.Version is 0 then.
	Text bool

	// Header is what the client says of itself.
	Header packet.Header
	// DefaultKey is that of the app and client version. Empty means plaintext.
	DefaultKey packet.Key

	// User is the user id. It is required.
	User string
	// Sig is a signed-in user's signature; without it User is a guest. Token is the
	// password that belongs to it.
	Sig   string
	Token packet.Key
	// VerfCode is a guest's verification code; VerfSalt, if there is none, makes it.
	VerfCode, VerfSalt string

	// MobileType is android, ios or pc; empty means DefaultMobile.
	MobileType string
	// NetType is one of packet.NetUnknown and the others.
	NetType uint32
	// Platform is web, pc, mobile or empty. DeviceID tells the user's devices apart.
	Platform, DeviceID string
	// Encrypt does not offer plaintext after the login, as all SDKs do.
	Encrypt bool
	// Heartbeat is how often to send one, in whole seconds towards the server; 0
	// means DefaultHeartbeat. A connection is given up when nothing has come in two
	// of these and ten seconds.
	Heartbeat time.Duration

	// Events is how many events may wait, and EventBytes how many bytes they may take
	// together, with what they have been unpacked to; 0 means DefaultEvents and
	// DefaultEventBytes. One always may.
	Events, EventBytes int
	// Trace, if not nil, is told each message that is sent or received, by the
	// goroutine at hand. It must not change or keep it.
	Trace func(sent bool, m *packet.Message)
}

func (o *Options) fill() error {
	if o.Heartbeat == 0 {
		o.Heartbeat = DefaultHeartbeat
	}
	if o.Events == 0 {
		o.Events = DefaultEvents
	}
	if o.EventBytes == 0 {
		o.EventBytes = DefaultEventBytes
	}
	if o.MobileType == "" {
		o.MobileType = DefaultMobile
	}
	if o.VerfCode == "" && o.VerfSalt != "" {
		o.VerfCode = packet.VerfCode(o.User, o.VerfSalt)
	}
	switch {
	case o.User == "":
		return errors.New("no user")
	case o.Heartbeat < time.Second:
		return fmt.Errorf("a heartbeat each %v: the least is a second", o.Heartbeat)
	case o.Events < 0, o.EventBytes < 0:
		return fmt.Errorf("%d events of %d bytes", o.Events, o.EventBytes)
	case o.Header.Version > 1:
		return fmt.Errorf("version %d of the protocol: there are 0 and 1", o.Header.Version)
	case o.Header.ClientVersion > 0x0FFF:
		return fmt.Errorf("client version %d: the largest is 4095", o.Header.ClientVersion)
	case o.Text && o.Header.Version != 0:
		return errors.New("the text form is of version 0")
	}
	return errors.Join(o.DefaultKey.Check(), o.password().Check())
}

// password is what a LoginResp may be encrypted with: a guest's is the user id.
func (o *Options) password() packet.Key {
	if o.Sig == "" {
		return packet.Key(o.User)
	}
	return o.Token
}
