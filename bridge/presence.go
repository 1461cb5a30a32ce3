package bridge

import (
	"time"
	"unicode/utf8"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/topic"
)

// presencePrefix begins the topics at which it is told that clients are lost.
const presencePrefix = "presence/"

// leastAbsence is the least time after which a client counts as lost: one that is back at once, and has its own old connection ended by
// that, has not been away.
const leastAbsence = time.Second

// offline is what is said of a client that is lost. It is shared, and does not change.
var offline = []byte("offline")

// Presence is the Will of a client whose protocol has none: "offline" is published to presence/ and its Client Identifier, with QoS 1, when
// it is lost and not back after delay, a second at least. Who takes leave leaves none behind. nil is for a Client Identifier that is too
// long for a topic.
func Presence(clientID string, delay time.Duration) *broker.Will {
	name := presenceTopic(clientID)
	if topic.ValidateName(name) != nil {
		return nil
	}
	return &broker.Will{
		Message:  &broker.Message{TopicName: name, Payload: offline, QoS: 1},
		Delay:    max(delay, leastAbsence),
		LostOnly: true,
	}
}

// presenceTopic puts a Client Identifier, which an authenticator may have made of any bytes, into one level of a topic: what cannot
// stand there is percent-encoded. Those that fronts make have nothing of it.
func presenceTopic(clientID string) string {
	b := append(make([]byte, 0, len(presencePrefix)+len(clientID)), presencePrefix...)
	for i := 0; i < len(clientID); {
		r, n := utf8.DecodeRuneInString(clientID[i:])
		if fitsLevel(r, n) {
			b = append(b, clientID[i:i+n]...)
		} else {
			for _, c := range []byte(clientID[i : i+n]) {
				b = append(b, '%', hexDigits[c>>4], hexDigits[c&15])
			}
		}
		i += n
	}
	return string(b)
}

// fitsLevel tells whether a character of n bytes can stand in a level of a Topic Name, for all clients: MQTT lets them refuse control
// characters.
func fitsLevel(r rune, n int) bool {
	switch {
	case r == utf8.RuneError && n == 1, r < ' ', r >= 0x7F && r <= 0x9F:
		return false
	case r == '/' || r == '+' || r == '#':
		return false
	}
	return true
}
