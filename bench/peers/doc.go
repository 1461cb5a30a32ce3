// Package peers measures holdfast and Debian's mosquitto in turn on one machine,
// with the same generator, options and loopback, and compares the two: only
// ratios mean something on a machine that does other things as well.
//
// Each scenario starts a fresh process of each broker on a free port, and each
// round does so again, in alternating order. A reported figure is the median of the
// rounds, a ratio the median of the rounds' ratios, since the two halves of a round
// see the same noise.
//
// # Mosquitto's configuration
//
// Its defaults, except for: allow_anonymous true and a listener on loopback, without
// which nobody gets in; persistence false and log_type none, since nothing is
// kept or logged by holdfast here either. In fan-in, max_queued_messages is
// 1,000,000 instead of 1,000: with the default it drops messages beyond the 1,000th
// that waits for the subscriber, and the rate would be that of throwing away.
// set_tcp_nodelay is true in sparse, where only latency counts, and stays false
// elsewhere: Nagle's algorithm joins its many small writes, which spares it a third of
// its CPU time when it is busy.
//
// # Transports
//
// Over TLS both have the same kind of certificate, ECDSA over P-256, and their own defaults
// otherwise. Mosquitto 2.0.11 does not start when all its listeners are WebSockets, so it has a
// Unix socket beside that nobody uses. What is required of a scenario is required of it over TCP; over others it is
// measured, except for the memory of idle connections. The generator encrypts and masks as any client
// does, and shares the machine: its own cost is in the table.
package peers
