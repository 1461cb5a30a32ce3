// Package crash proves on the built binary that what was acknowledged is kept when the process is killed. It
// runs `holdfast serve`, loads it through clients of its own, kills it with SIGKILL at random moments, starts it
// again on the same data directory and port, and in the end looks at what every client has seen. It needs the
// build tag `system` and the binary's path in SYSTEM_TEST_BINARY; `make crash` sees to both.
//
// # The clients
//
// A client keeps its Session State (session) across connections as MQTT demands of it: what it has published and
// not seen acknowledged is sent again, with DUP and the same Packet Identifier and in the same order, PUBREL where
// PUBREC had come; Packet Identifiers of QoS 2 messages are remembered until PUBREL. Connections end in five ways:
// with the server, closed, reset, with DISCONNECT, and by takeover. Some clients acknowledge late, some are away
// for seconds. All write down what they send and receive (ledger), each message with its whole history.
//
// # The rules
//
//	acked     a message acknowledged to its publisher (PUBACK or PUBREC with success) has come to everyone who
//	          had a SUBACK for its topic before it was first sent
//	once      QoS 2 on both ways: it has come not more than once
//	order     the first arrivals of each publisher's messages of a topic are in the order of publishing
//	returned  what a subscriber has acknowledged does not come again, once the acknowledgement must be on disk
//	session   Session Present is 1 after the first SUBACK
//	protocol  the server's packets are those that MQTT allows at that point, payloads are what was published
//
// An acknowledgement of a subscriber counts as read by the server when a PINGRESP has come for a PINGREQ sent after
// it. It must be on disk if after that a message was sent whose own acknowledgement came a second or more before
// the kill. A QoS 1 message may come again for each time that its publisher has sent it.
//
// # Files cut short
//
// TestCutFile takes some bytes off the end of the newest log file of the data directory after the kill. What was in
// them is gone; what must hold then is that the rest is a prefix of what was acknowledged: if a message has
// survived, so have all that had been acknowledged before it was sent; and no more is missing than fits into what
// was cut.
package crash
