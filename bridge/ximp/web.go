package ximp

import (
	"errors"

	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

// Clients in web pages, inside WebSocket, are not like others. They pad short packets with zeros before they read them,
// so that a packet must have 32 bytes; they pull exactly the message that the doorbell names, once, and nothing at login; a
// doorbell of public, and bundles of room messages, they cannot read at all. After a close code of 1000 they stay away.

// minWebPacket is the least size of a packet to a web client in bytes, heartbeats excepted.
const minWebPacket = 32

// closeAgain is the status with which a WebSocket is closed so that the client comes back, and closeRestart the one when the node
// goes away.
const (
	closeAgain   = 1008
	closeRestart = 1012
)

// closeError is err as a WebSocket is closed with it: a client that has no business to come back is told so.
func (c *conn) closeError(err error) error {
	switch {
	case !c.web, errors.Is(err, broker.ErrTakenOver), errors.Is(err, broker.ErrKicked), errors.Is(err, errLoggedOut), errors.Is(err, errCredentials):
		return err
	case errors.Is(err, netloop.ErrShutdown):
		return netloop.CloseWith(closeRestart, err)
	}
	return netloop.CloseWith(closeAgain, err)
}

// lengthen makes m longer by what means nothing to web clients.
func (c *conn) lengthen(m *packet.Message) {
	if e := m.Response; e != nil && e.Error != nil {
		for len(e.Error.Description) < minWebPacket {
			e.Error.Description = append(e.Error.Description, "                                "...)
		}
		return
	}
	m.Receiver, m.ReceiverType, m.SenderType = []byte(c.user), []byte("jid"), []byte("jid")
	for len(m.ReceiverType) < minWebPacket/2 {
		m.ReceiverType = append(m.ReceiverType, ' ')
	}
}

// maxWebPublic is how many messages of public wait for a web client, which no doorbell tells of them: it may ask all the same.
const maxWebPublic = 100

// trimPublic lets the oldest messages of public go that a web client has not asked for, so that they do not fill its mailbox: they may have a
// quarter of that.
func (c *conn) trimPublic() {
	if !c.web {
		return
	}
	cfg := &c.ls.srv.cfg
	c.mu.Lock()
	var taken []entry
	if c.boxes != nil {
		b := &c.boxes.box[public]
		n, size := len(b.entries), 0
		for n > 0 && len(b.entries)-n < min(maxWebPublic, cfg.Window/4) && size+b.entries[n-1].msg.Size() <= cfg.WindowBytes/4 {
			n--
			size += b.entries[n].msg.Size()
		}
		taken = c.boxes.cut(b, 0, n, func(*entry) bool { return true })
	}
	c.mu.Unlock()
	if len(taken) > 0 {
		c.ls.srv.stats.publicDropped.Add(uint64(len(taken)))
		c.acknowledge(taken)
	}
}
