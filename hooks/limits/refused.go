package limits

// Refused is why a connection is refused: an error, to be compared with the constants.
type Refused uint8

// Reasons.
const (
	NodeFull     Refused = iota + 1 // the node has as many connections as it may
	ListenerFull                    // the listener has
	AddressFull                     // the address has
	NodeRate                        // connections come too fast
	ListenerRate                    // connections of the listener come too fast
	AddressRate                     // connections of the address come too fast
	TableFull                       // more addresses are connected than can be counted
	refusals
)

// Error says why, in words.
func (r Refused) Error() string {
	switch r {
	case NodeFull:
		return "the node has too many connections"
	case ListenerFull:
		return "the listener has too many connections"
	case AddressFull:
		return "the address has too many connections"
	case NodeRate:
		return "too many connections a second"
	case ListenerRate:
		return "too many connections a second to the listener"
	case AddressRate:
		return "too many connections a second from the address"
	case TableFull:
		return "too many addresses are connected"
	}
	return "refused"
}
