// Package bench is the load generator behind `holdfast bench`. It works against
// any MQTT 3.1.1 or 5.0 broker and is event-driven itself: all its Network
// Connections share one event loop by default, so that 20,000 fit into one
// process and the generator takes little of the machine that the broker needs. Over TLS
// and WebSocket it takes more: it encrypts and masks on the same loop.
//
// # What is measured
//
//	conn     connections with a subscription each: how fast they get in, what they cost
//	p2p      pairs of one publisher and one subscriber, as fast as windows allow
//	fanout   one publisher, many subscribers of one topic
//	fanin    many publishers, one subscriber of one topic, a fixed number of messages
//	sparse   pairs that publish a few messages a second each, evenly spread
//	durable  p2p with persistent subscribers: what the broker promises, it must store
//	sleepers many persistent Sessions that are away get a message: what one costs
//
// Only what a subscriber has really received counts as a delivery. A rate is
// taken between two readings of the loops' counters, made on the loops; warm-up and
// drain are outside. Latency runs from the moment at which a message is put
// into the publisher's output to the moment at which its bytes have been read
// for the subscriber. Both ends are in this process, so that no clocks need to
// agree, and the generator's own queueing counts against the broker, never for it.
//
// Durable adds the time from PUBLISH to PUBACK at the publisher. With HoldAcks its
// subscribers acknowledge late, so that each message has to be on disk before the
// broker may acknowledge it.
//
// The clients of sleepers connect, subscribe to one topic and leave, some at a
// time, so that more of them fit than the system has ports and descriptors. Once the
// broker has closed the last connection its memory is read, messages are published, and
// what it has written by the time of the last PUBACK is taken from the system:
// write_bytes of its processes and the blocks of its data directory. Then all
// come back, Session Present 1, stay until they have each message and a PINGRESP after it,
// and leave.
//
// # MIOP
//
// Subscribers of p2p and sparse can be MIOP users: what is published goes to the inbox of each, and they acknowledge each
// message. Messages to inboxes go through the broker's Store, whoever gets them; Options.Topic compares MIOP with MQTT on
// the same path.
//
// # XIMP
//
// Subscribers of p2p and sparse can be XIMP clients: what is published goes to the topic
// user/USER of each, the broker rings a doorbell, and the client pulls until its inbox is
// empty, which acknowledges. The listener has to put them into the publishers' App. Their
// messages are decoded with allocations. conn counts logins.
//
// # Payload
//
// Every message carries, big-endian,
//
//	bytes 0..7    time of publishing, nanoseconds since the run began; 0: not timed
//	bytes 8..11   index of the publisher
//	bytes 12..15  sequence number of the message at this publisher, from 0
//	bytes 16..    filler
//
// From the numbers follow loss, duplicates and wrong order. A message counts as
// acknowledged but lost when the broker has sent PUBACK for it and no
// subscriber has seen it when the drain time has passed without a delivery.
//
// # Back-pressure
//
// At QoS 1 a publisher has at most Options.Window messages unacknowledged. QoS 0
// has no acknowledgement, so there the window counts messages that have not
// reached their subscribers: a broker that has to drop QoS 0 messages is not pushed
// into it, and what is missing all the same shows. In fan-out the window is counted
// in messages that not every subscriber has received, at both levels.
//
// # Cost
//
// The paths per message do not allocate, except in XIMP. Packets are made from a template,
// acknowledgements leave in one piece for each read, and time is read once for
// all messages of a read.
package bench
