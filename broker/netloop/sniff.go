package netloop

import "errors"

// MaxSniff is how many bytes a Protocol's Match may ask for.
const MaxSniff = 64

// ErrUnknownProtocol closes a connection whose first bytes no Protocol knows.
var ErrUnknownProtocol = errors.New("netloop: unknown protocol")

// Match is what a Protocol makes of a connection's first bytes.
type Match int

// The answers of Protocol.Match.
const (
	MatchNo   Match = iota // it is not this one
	MatchMore              // it may be; show more bytes
	MatchYes               // it is
)

// Protocol is one of those that a listener tells apart by their first bytes.
type Protocol struct {
	// Name is for messages.
	Name string
	// Match judges the first bytes of a connection, one at least. It must be
	// pure. With MaxSniff bytes MatchMore counts as MatchNo.
	Match func(prefix []byte) Match
	// NewHandler is as in ListenConfig, for this protocol. nil means that one.
	NewHandler func(*Conn) Handler
	// Text has the text messages of a WebSocket taken like binary ones, if this is
	// one of ListenConfig.Bare. Whether they are UTF-8 is not looked at.
	Text bool
}

// MatchMQTT recognises MQTT: it begins with a CONNECT, whose first byte is 0x10
// (v5 [MQTT-3.1.0-1]).
func MatchMQTT(prefix []byte) Match { return matchBytes(prefix, "\x10") }

// matchTLS recognises a TLS handshake record of version 3.0 to 3.4.
func matchTLS(prefix []byte) Match {
	m := matchBytes(prefix, "\x16\x03")
	switch {
	case m == MatchYes && len(prefix) == 2:
		return MatchMore
	case m == MatchYes && prefix[2] > 4:
		return MatchNo
	}
	return m
}

// httpMethods are those by which an HTTP request is recognised. All but the
// first are refused, in the words of HTTP.
var httpMethods = []string{"GET ", "POST ", "HEAD ", "OPTIONS "}

// matchHTTP recognises an HTTP request, such as the one that asks for a WebSocket.
func matchHTTP(prefix []byte) Match {
	m := MatchNo
	for _, method := range httpMethods {
		m = max(m, matchBytes(prefix, method))
	}
	return m
}

func matchBytes(prefix []byte, magic string) Match {
	switch {
	case !beginsLike(prefix, magic):
		return MatchNo
	case len(prefix) < len(magic):
		return MatchMore
	}
	return MatchYes
}

// sniff returns the index of the first protocol that does not say no. It
// returns more as long as that one has not decided.
func sniff(protocols []Protocol, prefix []byte) (i int, m Match) {
	if len(prefix) == 0 {
		return 0, MatchMore
	}
	full := len(prefix) >= MaxSniff
	prefix = prefix[:min(len(prefix), MaxSniff)]
	for i, p := range protocols {
		switch m := p.Match(prefix); {
		case m == MatchYes, m == MatchMore && !full:
			return i, m
		}
	}
	return -1, MatchNo
}
