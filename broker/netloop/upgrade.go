package netloop

import (
	"bytes"
	"cmp"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// maxUpgradeSize bounds the request that asks for a WebSocket, in bytes.
const maxUpgradeSize = 8 << 10

// maxUpgradeHeaders bounds the number of its header lines.
const maxUpgradeHeaders = 100

// webSocketGUID is what RFC 6455, 1.3 has appended to the key.
const webSocketGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// ErrUpgrade wraps what is wrong with a request for a WebSocket.
var ErrUpgrade = errors.New("netloop: WebSocket upgrade refused")

// WebSocketConfig says which requests for a WebSocket are granted. The zero
// value is usable.
type WebSocketConfig struct {
	// Path is that of the request's URL, without query; "" means /mqtt.
	Path string
}

// subprotocols are those that are selected if offered, in order of preference.
// v5 [MQTT-6.0.0-4] has only the first; clients of MQTT 3.1 offer the other.
var subprotocols = []string{"mqtt", "mqttv3.1"}

// refusal is an answer to a request that is not granted.
type refusal struct {
	status int
	text   string
}

func (r *refusal) Error() string { return r.text }
func (r *refusal) Unwrap() error { return ErrUpgrade }

// answer is the HTTP response.
func (r *refusal) answer() []byte {
	extra := ""
	if r.status == http.StatusUpgradeRequired {
		extra = "Sec-WebSocket-Version: 13\r\nUpgrade: websocket\r\n"
	}
	return fmt.Appendf(nil, "HTTP/1.1 %d %s\r\n%sContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s\n",
		r.status, http.StatusText(r.status), extra, len(r.text)+1, r.text)
}

func refuse(status int, text string) error { return &refusal{status, text} }

// upgrade is what a request has said.
type upgrade struct {
	host, key, version, protocol, origin string
	upgrade, connection                  bool // name websocket and upgrade
	offers                               bool // any subprotocol
	keys                                 int
}

// granted is the answer to a request that is granted.
type granted struct {
	answer []byte
	bare   bool // the WebSocket is one for ListenConfig.Bare
}

// parseUpgrade looks for a request for a WebSocket at the beginning of b. It
// returns the answer that grants it and the request's size, 0 while it is not
// complete. The error is a *refusal.
func parseUpgrade(cfg *ListenConfig, b []byte) (g granted, size int, err error) {
	if get := "GET "; !bytes.HasPrefix(b, []byte(get)[:min(len(get), len(b))]) {
		return g, 0, refuse(http.StatusBadRequest, "a WebSocket begins with GET")
	}
	end := bytes.Index(b[:min(len(b), maxUpgradeSize)], []byte("\r\n\r\n"))
	if end < 0 {
		if len(b) >= maxUpgradeSize {
			return g, 0, refuse(http.StatusRequestHeaderFieldsTooLarge, "the request is too long")
		}
		return g, 0, nil
	}
	size = end + 4
	line, headers, _ := strings.Cut(string(b[:end]), "\r\n")
	path, err := requestPath(line)
	if err != nil {
		return g, size, err
	}
	isBare := cfg.Bare != nil && path == "/"
	isMQTT := cfg.WebSocket != nil && path == cfg.WebSocket.path()
	if !isBare && !isMQTT {
		return g, size, refuse(http.StatusNotFound, "there is nothing at this path")
	}
	u, err := parseHeaders(headers)
	if err != nil {
		return g, size, err
	}
	g.bare = isBare && (!u.offers || !isMQTT)
	err = u.check()
	switch {
	case err != nil:
		return g, size, err
	case u.origin != "" && cfg.Origins != nil && !cfg.allows(u.origin):
		return g, size, refuse(http.StatusForbidden, "pages of this origin may not connect")
	case g.bare && u.offers:
		return g, size, refuse(http.StatusNotFound, "a subprotocol is not spoken at this path")
	case !g.bare && u.protocol == "":
		// v5 [MQTT-6.0.0-3]: the client must offer it.
		return g, size, refuse(http.StatusBadRequest, "the subprotocol mqtt must be offered")
	}
	selected := ""
	if !g.bare {
		selected = "Sec-WebSocket-Protocol: " + u.protocol + "\r\n"
	}
	g.answer = fmt.Appendf(nil, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Accept: %s\r\n%s\r\n", acceptOf(u.key), selected)
	return g, size, nil
}

// path is where WebSockets that speak MQTT are asked for.
func (cfg *WebSocketConfig) path() string { return cmp.Or(cfg.Path, "/mqtt") }

// acceptOf is the Sec-WebSocket-Accept that answers a key.
func acceptOf(key string) string {
	sum := sha1.Sum([]byte(key + webSocketGUID))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// requestPath returns the path in a request line, without query.
func requestPath(line string) (string, error) {
	parts := strings.Split(line, " ")
	if len(parts) != 3 || strings.ContainsFunc(line, isControl) || !strings.HasPrefix(parts[1], "/") {
		return "", refuse(http.StatusBadRequest, "the request line is malformed")
	}
	if parts[2] != "HTTP/1.1" {
		return "", refuse(http.StatusBadRequest, "a WebSocket needs HTTP/1.1")
	}
	path, _, _ := strings.Cut(parts[1], "?")
	return path, nil
}

// isControl tells what may not be in a request; horizontal tabs may.
func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7F }

// parseHeaders takes from the header lines what matters here.
func parseHeaders(lines string) (u upgrade, err error) {
	for i := 0; lines != ""; i++ {
		var line string
		line, lines, _ = strings.Cut(lines, "\r\n")
		name, value, found := strings.Cut(line, ":")
		if i >= maxUpgradeHeaders || !found || !isToken(name) || strings.ContainsFunc(value, isControl) {
			return u, refuse(http.StatusBadRequest, "a header line is malformed")
		}
		value = strings.Trim(value, " \t")
		switch strings.ToLower(name) {
		case "host":
			if u.host != "" {
				return u, refuse(http.StatusBadRequest, "more than one Host")
			}
			u.host = value
		case "upgrade":
			u.upgrade = u.upgrade || hasToken(value, "websocket")
		case "connection":
			u.connection = u.connection || hasToken(value, "upgrade")
		case "sec-websocket-key":
			u.key = value
			u.keys++
		case "sec-websocket-version":
			u.version = value
		case "sec-websocket-protocol":
			u.offer(value)
		case "origin":
			u.origin = value
		case "content-length", "transfer-encoding":
			if value != "0" {
				return u, refuse(http.StatusBadRequest, "the request has a body")
			}
		}
	}
	return u, nil
}

// offer selects a subprotocol of a list.
func (u *upgrade) offer(list string) {
	u.offers = true
	for offered := range strings.SplitSeq(list, ",") {
		offered = strings.Trim(offered, " \t")
		i := slices.Index(subprotocols, offered) // names differ by case, too
		if i >= 0 && (u.protocol == "" || i < slices.Index(subprotocols, u.protocol)) {
			u.protocol = offered
		}
	}
}

// check decides whether it is a request for a WebSocket.
func (u upgrade) check() error {
	key, err := base64.StdEncoding.DecodeString(u.key)
	switch {
	case u.host == "":
		return refuse(http.StatusBadRequest, "Host is missing")
	case !u.upgrade || !u.connection:
		return refuse(http.StatusUpgradeRequired, "this is for WebSockets")
	case u.version != "13":
		return refuse(http.StatusUpgradeRequired, "the WebSocket version must be 13")
	case err != nil || len(key) != 16 || u.keys != 1:
		return refuse(http.StatusBadRequest, "Sec-WebSocket-Key must be 16 bytes in base64")
	}
	return nil
}

// allows tells whether pages of a web site may connect.
func (cfg *ListenConfig) allows(origin string) bool {
	return slices.ContainsFunc(cfg.Origins, func(o string) bool { return strings.EqualFold(o, origin) })
}

// hasToken tells whether a comma-separated list has token, in any case.
func hasToken(list, token string) bool {
	for t := range strings.SplitSeq(list, ",") {
		if strings.EqualFold(strings.Trim(t, " \t"), token) {
			return true
		}
	}
	return false
}

// isToken tells whether s may be the name of a header (RFC 9110, 5.6.2).
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7F || strings.IndexByte("\"(),/:;<=>?@[\\]{}", c) >= 0 {
			return false
		}
	}
	return s != ""
}

// request is the HTTP request with the Sec-WebSocket-Key key.
func (r *WebSocketRequest) request(key string) []byte {
	return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n", r.Path, r.Host, key)
}

// checkUpgraded looks for the answer to a request with key at the beginning of b and
// returns its size, 0 while it is not complete.
func checkUpgraded(b []byte, key string) (size int, err error) {
	end := bytes.Index(b[:min(len(b), maxUpgradeSize)], []byte("\r\n\r\n"))
	if end < 0 {
		if len(b) >= maxUpgradeSize {
			return 0, fmt.Errorf("%w: the answer is too long", ErrUpgrade)
		}
		return 0, nil
	}
	size = end + 4
	line, headers, _ := strings.Cut(string(b[:size]), "\r\n")
	if status, ok := strings.CutPrefix(line, "HTTP/1.1 "); !ok || !strings.HasPrefix(status, "101 ") && status != "101" {
		return 0, fmt.Errorf("%w: the answer is %q", ErrUpgrade, line)
	}
	accept := ""
	for headers != "" {
		line, headers, _ = strings.Cut(headers, "\r\n")
		if name, value, _ := strings.Cut(line, ":"); strings.EqualFold(name, "Sec-WebSocket-Accept") {
			accept = strings.Trim(value, " \t")
		}
	}
	if accept != acceptOf(key) {
		return 0, fmt.Errorf("%w: the answer is not to this request", ErrUpgrade)
	}
	return size, nil
}
