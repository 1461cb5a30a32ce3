// Package system holds the end-to-end tests: the built binary as its users run it, with Eclipse Paho's and
// mosquitto's clients. They need the build tag `system`, the binary's path in SYSTEM_TEST_BINARY, and
// mosquitto with its clients; `make system` sees to all three. Every port is the kernel's choice.
package system
