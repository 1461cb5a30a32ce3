package peers

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// plain is the transport of which the project's requirements speak.
const plain = "mqtt"

// Transports returns what Options.Transports may hold: the schemes of URLs.
func Transports() []string { return []string{plain, "mqtts", "ws", "wss"} }

// handshakesInFlight is how many TLS handshakes the generator has under way at a time. A broker may
// limit those from one address, and all are from one here.
const handshakesInFlight = 100

// overTLS and overWebSocket tell what a transport is made of.
func overTLS(transport string) bool       { return strings.HasSuffix(transport, "s") && transport != "ws" }
func overWebSocket(transport string) bool { return strings.HasPrefix(transport, "ws") }

// over returns the scenarios over each transport, one transport after the other.
func over(transports []string, all []scenario) ([]scenario, error) {
	var out []scenario
	for _, t := range transports {
		if !slices.Contains(Transports(), t) {
			return nil, fmt.Errorf("unknown transport %q; there are %s", t, strings.Join(Transports(), ", "))
		}
		for _, s := range all {
			out = append(out, s.over(t))
		}
	}
	return out, nil
}

// over returns s over a transport. What is required of plain connections is not of others, but what is
// required of the memory of idle ones.
func (s scenario) over(transport string) scenario {
	s.transport = transport
	if transport == plain {
		return s
	}
	s.metrics = slices.Clone(s.metrics)
	for i := range s.metrics {
		m := &s.metrics[i]
		switch {
		case m.name != idleMemory:
			m.must, m.aim = bound{}, bound{}
		case overTLS(transport):
			m.must, m.aim = bound{atMost, 10_000}, bound{}
		}
	}
	s.name += " " + transport
	return s
}

// url is where a broker listens.
func (s *scenario) url(port int) string {
	u := s.transport + "://127.0.0.1:" + strconv.Itoa(port)
	if overWebSocket(s.transport) {
		u += "/mqtt"
	}
	return u
}
