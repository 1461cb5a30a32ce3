package netloop

import "time"

// MaxTurn is how long one connection may keep its loop in a turn. A few bytes
// may ask for much: a message of five for a thousand deliveries, a subscription
// of ten for a search among all retained messages, a request of twenty for a page of an inbox.
const MaxTurn = 5 * time.Millisecond

// Share watches that a connection does not keep its loop for too long in one turn.
// A handler has one for each turn, calls Used after each packet, and when that
// returns true calls Again and leaves the rest for later. It looks at the clock
// after 4 packets, which most turns do not have, and after every 16, because a
// look can cost a tenth of a message. The zero value is ready to use.
type Share struct {
	// Every is how many packets there are from one look to the next where packets may be dear; 0 is 16.
	Every   int
	packets int
	end     time.Duration // on the loop's clock; 0 until the first look
}

// Used counts one packet and tells whether the connection has had its share.
func (s *Share) Used(c *Conn) bool {
	s.packets++
	every := 16
	if s.Every > 0 {
		every = s.Every
	}
	if n := s.packets; n%every != 0 && n != 4 {
		return false
	}
	now := c.Now()
	if s.end == 0 {
		s.end = now + MaxTurn
	}
	return now >= s.end
}
