// Package limits says who may connect, how many and how often, and how fast clients may publish.
//
//   - [AddressList] has addresses that are let in or kept out, by CIDR, from files.
//   - [Admission] counts connections, and how often they come: for the node, each listener and each address. Apps are
//     bounded by the broker.
//   - [Throttle] says for how long to take nothing more from a client that publishes faster than it may, by a [Rate] of its
//     own and one of its App. It is the broker's Throttle.
//
// All are asked before or instead of work, so all are cheap: AddressList takes no lock, Admission one for a
// few map look-ups, Throttle one when a client connects and none when it publishes. None has a clock or, but for AddressList.Run, a goroutine. Where time matters
// the caller passes it, as the time since some fixed moment, by a clock that is never set back. Whatever is kept for an
// address is bounded, and gone when the address has been quiet.
//
// IPv6 addresses count by their /64, which is what one customer has. Clients on Unix sockets have no address, and no
// limit that goes by it.
package limits
