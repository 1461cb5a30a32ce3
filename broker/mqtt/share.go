package mqtt

import (
	"time"

	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

// maxTurn is how long one connection may keep its loop in a turn. A few bytes
// may ask for much: a PUBLISH of five for a thousand deliveries, a SUBSCRIBE of
// ten for a search among all retained messages. What a client has sent beyond
// that waits until the loop's other connections have had their turn.
const maxTurn = 5 * time.Millisecond

// turnShare watches that a connection keeps to maxTurn. It looks at the clock
// after 4 packets, which most turns do not have, and after every 16, because a
// look can cost a tenth of a message.
type turnShare struct {
	packets int
	end     time.Duration // on the loop's clock; 0 until the first look
}

// used counts one packet and tells whether the connection has had its share.
func (s *turnShare) used(nc *netloop.Conn) bool {
	s.packets++
	n := s.packets
	if n%16 != 0 && n != 4 {
		return false
	}
	now := nc.Now()
	if s.end == 0 {
		s.end = now + maxTurn
	}
	return now >= s.end
}
