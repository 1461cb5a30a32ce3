// Package mqtt is the front for MQTT 3.1, 3.1.1 and 5.0: it turns packets into
// calls on a broker.Session, and the broker's deliveries into packets.
//
// A [Server] makes one handler per Network Connection; its methods run on the
// connection's loop. The exceptions are those of broker.Link, which any loop
// calls under the Session's lock: they touch only what is fixed once CONNECT
// is accepted, the connection's output, and the outgoing Topic Aliases.
//
// # The fast path
//
// PUBLISH is decoded in place, in the loop's read buffer, into a message that
// the loop reuses. The broker finds the Sessions; each Link encodes the packet
// straight into its connection's output. The answer to the publisher is put
// out when the broker says that the message is taken, in the order in which
// the packets came: v5 [MQTT-4.6.0-2], v3.1.1 [MQTT-4.6.0-2]. All of that is
// written once per turn of the loop and connection.
//
// # Back-pressure
//
// While a Session that the message is owed to has no room, the answer waits. The
// publishes of a client with too many answers outstanding are parked, and when
// those are too many it is not read from any more; until then it is heard when it
// acknowledges what others have sent it. A message that cannot be taken at all is refused with Reason Code 0x97 in
// MQTT 5; in MQTT 3, which has no such answer, nothing is acknowledged and the
// connection is paused and then closed, so that the client sends it again.
//
// # What clients may do
//
// Config.Authorizer is asked about each Will, PUBLISH and Topic Filter before
// anything else is done with it. MQTT 5 is told of a denial. For MQTT 3 a message
// that is denied is acknowledged like one that nobody subscribes to.
package mqtt
