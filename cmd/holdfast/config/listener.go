package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// defaultMQTTPort is the port registered for MQTT.
const defaultMQTTPort = "1883"

// maxUnixPath is the longest path of a Unix socket that Linux takes (sun_path less its final zero).
const maxUnixPath = 107

// Listener is a parsed listener URL, ready for [net.Listen].
type Listener struct {
	URL     string // as it was written
	Network string // "tcp" or "unix"
	Address string // HOST:PORT or the socket's path
	Local   bool   // only processes of this machine can reach it
}

// ParseListener reads one URL of the listen setting. It does no look-ups: a host name other than
// localhost counts as reachable from elsewhere.
func ParseListener(raw string) (Listener, error) {
	u, err := url.Parse(raw)
	if err != nil {
		if ue, ok := errors.AsType[*url.Error](err); ok {
			err = ue.Err
		}
		return Listener{}, fmt.Errorf("%q is not a URL: %w", raw, err)
	}
	switch u.Scheme {
	case "mqtt", "unix":
	case "mqtts", "ws", "wss":
		return Listener{}, fmt.Errorf("%q: %s listeners are not part of this version yet", raw, u.Scheme)
	case "":
		return Listener{}, fmt.Errorf("%q has no scheme: write mqtt://HOST:PORT or unix:///PATH", raw)
	default:
		return Listener{}, fmt.Errorf("%q: unknown scheme %q: write mqtt://HOST:PORT or unix:///PATH", raw, u.Scheme)
	}
	if u.User != nil || u.Fragment != "" {
		return Listener{}, fmt.Errorf("%s URL of a listener has no user name, password or fragment", u.Scheme)
	}
	if u.RawQuery != "" {
		return Listener{}, fmt.Errorf("%q: unknown option %q", raw, u.RawQuery)
	}
	if u.Scheme == "unix" {
		return unixListener(raw, u)
	}
	return tcpListener(raw, u)
}

func unixListener(raw string, u *url.URL) (Listener, error) {
	switch {
	case u.Host != "" || u.Opaque != "":
		return Listener{}, fmt.Errorf("%q: the path is absolute: write unix:///PATH with three slashes", raw)
	case u.Path == "" || strings.HasSuffix(u.Path, "/"):
		return Listener{}, fmt.Errorf("%q names no socket file", raw)
	case len(u.Path) > maxUnixPath:
		return Listener{}, fmt.Errorf("%q: the path of a Unix socket has at most %d bytes", raw, maxUnixPath)
	}
	return Listener{URL: raw, Network: "unix", Address: u.Path, Local: true}, nil
}

func tcpListener(raw string, u *url.URL) (Listener, error) {
	if u.Opaque != "" || (u.Path != "" && u.Path != "/") {
		return Listener{}, fmt.Errorf("%q: write mqtt://HOST:PORT", raw)
	}
	port := u.Port()
	if port == "" {
		port = defaultMQTTPort
	}
	if err := checkPort(port); err != nil {
		return Listener{}, fmt.Errorf("%q: %w", raw, err)
	}
	host := u.Hostname()
	return Listener{URL: raw, Network: "tcp", Address: net.JoinHostPort(host, port), Local: isLoopback(host)}, nil
}

// splitAddress reads HOST:PORT and says whether it is a loopback address.
func splitAddress(s string) (local bool, err error) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return false, fmt.Errorf("%q is not HOST:PORT", s)
	}
	return isLoopback(host), checkPort(port)
}

func checkPort(port string) error {
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("%q is not a port: write 0 to 65535", port)
	}
	return nil
}

func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}
