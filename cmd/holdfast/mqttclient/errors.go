package mqttclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
)

// ErrConnectionLost is the cause when the Network Connection ends without a word from the server.
var ErrConnectionLost = errors.New("connection lost")

// RefusedError is a refusal by the server: of the connection, a publication or a subscription.
type RefusedError struct {
	Op     string // what was refused: "connection", "message", "subscription to a/b", "disconnected"
	Code   byte   // Return Code or Reason Code, as it stood in the packet
	V5     bool   // Code is one of MQTT 5
	Reason string // the server's Reason String; "" mostly
}

// Error says what was refused, why, and where one can do something about it, what.
func (e *RefusedError) Error() string {
	names := returnCodes
	if e.V5 {
		names = reasonCodes
	}
	text, ok := names[e.Code]
	if !ok {
		text = "unknown code"
	}
	s := fmt.Sprintf("%s refused by the server: %s (0x%02X)", e.Op, text, e.Code)
	if e.Op == opDisconnected {
		s = fmt.Sprintf("disconnected by the server: %s (0x%02X)", text, e.Code)
	}
	if e.Reason != "" {
		s += ": " + e.Reason
	}
	if hint := e.hint(); hint != "" {
		s += "; " + hint
	}
	return s
}

func (e *RefusedError) hint() string {
	if e.Op != opConnection {
		return ""
	}
	switch {
	case !e.V5 && e.Code == 1, e.V5 && e.Code == 0x84:
		return "try another version with -V"
	case !e.V5 && e.Code == 2, e.V5 && e.Code == 0x85:
		return "give another client id with -i"
	case !e.V5 && (e.Code == 4 || e.Code == 5), e.V5 && (e.Code == 0x86 || e.Code == 0x87):
		return "check the user name (-u) and the password (-P)"
	}
	return ""
}

const (
	opConnection   = "connection"
	opMessage      = "message"
	opDisconnected = "disconnected"
)

// returnCodes are those of CONNACK in MQTT 3.1.1, table 3.1, and SUBACK's one failure.
var returnCodes = map[byte]string{
	0x01: "unacceptable protocol version", 0x02: "identifier rejected", 0x03: "server unavailable",
	0x04: "bad user name or password", 0x05: "not authorized", 0x80: "failure",
}

// reasonCodes are the failures of MQTT 5, table 2-6.
var reasonCodes = map[byte]string{
	0x80: "unspecified error", 0x81: "malformed packet", 0x82: "protocol error", 0x83: "implementation specific error",
	0x84: "unsupported protocol version", 0x85: "client identifier not valid", 0x86: "bad user name or password",
	0x87: "not authorized", 0x88: "server unavailable", 0x89: "server busy", 0x8A: "banned", 0x8B: "server shutting down",
	0x8C: "bad authentication method", 0x8D: "keep alive timeout", 0x8E: "session taken over", 0x8F: "topic filter invalid",
	0x90: "topic name invalid", 0x91: "packet identifier in use", 0x92: "packet identifier not found",
	0x93: "receive maximum exceeded", 0x94: "topic alias invalid", 0x95: "packet too large", 0x96: "message rate too high",
	0x97: "quota exceeded", 0x98: "administrative action", 0x99: "payload format invalid", 0x9A: "retain not supported",
	0x9B: "QoS not supported", 0x9C: "use another server", 0x9D: "server moved", 0x9E: "shared subscriptions not supported",
	0x9F: "connection rate exceeded", 0xA0: "maximum connect time", 0xA1: "subscription identifiers not supported",
	0xA2: "wildcard subscriptions not supported",
}

// explainDial says in words why no Network Connection came about.
func explainDial(o Options, err error) error {
	_, noName := errors.AsType[*net.DNSError](err)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("nothing listens on %s: start a broker ('holdfast serve'), or give its address with -h and -p: %w", o.Address, err)
	case o.Network == "unix" && errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("there is no socket %s: is the broker running, with --listen unix://%s? %w", o.Address, o.Address, err)
	case noName:
		return fmt.Errorf("the host of %s is not known: check -h: %w", o.Address, err)
	case isTimeout(err):
		return fmt.Errorf("%s does not answer: check -h, -p and the firewall: %w", o.Address, err)
	}
	return err
}

// explainConnect says in words why there was no CONNACK.
func explainConnect(o Options, err error) error {
	switch {
	case isTimeout(err):
		return fmt.Errorf("no CONNACK from %s within %v: is it an MQTT broker? %w", o.Address, Timeout, err)
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%s closed the connection instead of a CONNACK: is it an MQTT broker that speaks version %v (-V)? %w", o.Address, o.Version, err)
	}
	return fmt.Errorf("connect to %s: %w", o.Address, err)
}

func isTimeout(err error) bool {
	ne, ok := errors.AsType[net.Error](err)
	return errors.Is(err, context.DeadlineExceeded) || ok && ne.Timeout()
}
