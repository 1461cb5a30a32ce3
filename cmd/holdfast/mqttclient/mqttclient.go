// Package mqttclient is the MQTT client under `holdfast pub` and `holdfast sub`: one small interface
// over Eclipse Paho's two Go clients, paho.mqtt.golang for MQTT 3.1 and 3.1.1 and paho.golang for
// MQTT 5. It makes one Network Connection and does not reconnect.
package mqttclient

import (
	"context"
	"net"
	"time"
)

// Version is an MQTT protocol version, with the number the Protocol Level has in CONNECT.
type Version byte

// The versions.
const (
	V31  Version = 3
	V311 Version = 4
	V5   Version = 5
)

// String returns the version's common name: 3.1, 3.1.1 or 5.
func (v Version) String() string {
	switch v {
	case V31:
		return "3.1"
	case V311:
		return "3.1.1"
	}
	return "5"
}

// Timeout bounds the connect and each wait for an acknowledgement.
const Timeout = 30 * time.Second

// Message is an Application Message.
type Message struct {
	TopicName string
	Payload   []byte
	QoS       byte // 0 to 2
	Retain    bool // to publish: keep as retained; received: it was a retained one
}

// Options says how to connect and what to do with what arrives.
type Options struct {
	Network, Address   string  // for net.Dial: "tcp" and HOST:PORT, or "unix" and a path
	Version            Version // of MQTT
	ClientID           string  // MQTT 3.1 wants 1 to 23 characters
	Username, Password string
	HasUsername        bool          // send Username, even an empty one
	HasPassword        bool          // send Password, even an empty one
	CleanStart         bool          // Clean Session in MQTT 3
	SessionExpiry      time.Duration // MQTT 5, whole seconds; 0: the Session ends with the connection
	KeepAlive          time.Duration // whole seconds, 0: none
	Will               *Message      // nil: none

	// OnMessage, if set, is called with each message that arrives, one at a time and in order. The
	// payload is the callee's. The acknowledgement is sent after it has returned. When it returns true
	// that was the last message wanted: once that is acknowledged, Done closes and later ones are left alone.
	OnMessage func(Message) (last bool)

	// Trace, if set, is called with a line for each MQTT Control Packet sent or received.
	Trace func(line string)
}

// Client is one MQTT connection. Its methods may be called from several goroutines.
type Client interface {
	// Publish sends m and, for QoS 1 and 2, blocks until it has been acknowledged in full. A refusal is
	// a [*RefusedError].
	Publish(ctx context.Context, m Message) error
	// Subscribe asks for filters, all with one QoS, and blocks until the answer. The QoS granted to each
	// comes back in the same order. A refused filter is a [*RefusedError].
	Subscribe(ctx context.Context, filters []string, qos byte) (granted []byte, err error)
	// Done is closed when the connection has ended, or the last message wanted has been acknowledged.
	Done() <-chan struct{}
	// Err says why Done was closed: nil after the last message, an error after a lost connection.
	Err() error
	// Close sends DISCONNECT and closes the connection.
	Close()
}

// Dial connects and blocks until the server has accepted. The errors are made to be read by a person:
// they say what to try. A refusal by the server is, or wraps, a [*RefusedError].
func Dial(ctx context.Context, o Options) (Client, error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, o.Network, o.Address)
	if err != nil {
		return nil, explainDial(o, err)
	}
	if o.Trace != nil {
		conn = newTracer(conn, o.Trace)
	}
	if o.Version == V5 {
		return connect5(ctx, o, conn)
	}
	return connect3(ctx, o, conn)
}

// seconds is d for a field of two bytes.
func seconds(d time.Duration) uint16 { return uint16(min(d/time.Second, 65535)) }
