package ximp

import (
	"time"

	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

// maxTurn is how long one connection may keep its loop in a turn. What a client has sent beyond that waits until the loop's
// other connections have had theirs.
const maxTurn = 5 * time.Millisecond

// turnShare watches that a connection keeps to maxTurn. It looks at the clock after every 4 packets, of which each may ask for a
// page of an inbox.
type turnShare struct {
	packets int
	end     time.Duration // on the loop's clock; 0 until the first look
}

// used counts one packet and tells whether the connection has had its share.
func (s *turnShare) used(nc *netloop.Conn) bool {
	s.packets++
	if s.packets%4 != 0 {
		return false
	}
	now := nc.Now()
	if s.end == 0 {
		s.end = now + maxTurn
	}
	return now >= s.end
}
