// Package client is a small XIMP client: it logs in, keeps the connection alive,
// fetches messages, sends, and is in rooms. Tests, the command line and the load
// generator use it.
//
// A Client has one connection and does not reconnect. Two goroutines belong to it,
// one that reads and one that writes and sends heartbeats; both end with the
// connection. What the server sends unasked waits in a queue of Options.Events and
// EventBytes; what that has no room for is dropped and counted, since a doorbell that
// is lost rings again and rooms are best effort.
//
// The protocol's encryption protects nothing; see packet. Connect with TLS where it
// matters.
package client
