package config

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxUnixPath is the longest path of a Unix socket that Linux takes (sun_path less its final zero).
const maxUnixPath = 107

// defaultPath is where WebSocket clients knock unless the listener's URL names another path.
const defaultPath = "/mqtt"

// schemes are those of listener URLs, and the ports when none is given.
var schemes = map[string]struct {
	port           string
	tls, ws, sniff bool
	speaks         string // besides MQTT's
}{
	"mqtt":  {port: "1883"},
	"mqtts": {port: "8883", tls: true},
	"ws":    {port: "80", ws: true},
	"wss":   {port: "443", tls: true, ws: true},
	"auto":  {port: "1883", sniff: true},
	"unix":  {},
	"ximp":  {port: "1885", speaks: XIMP},
	"ximps": {port: "8885", tls: true, speaks: XIMP},
	"miop":  {port: "1884", speaks: MIOP},
	"miops": {port: "8884", tls: true, speaks: MIOP},

	"dispatch":  {port: "80", speaks: Dispatch},
	"dispatchs": {port: "443", tls: true, speaks: Dispatch},
}

// Protocols that listeners speak.
const (
	MQTT = "mqtt"
	XIMP = "ximp"
	MIOP = "miop"

	Dispatch = "dispatch" // HTTP requests of XIMP clients that ask where to connect
)

// ClientCert says what a TLS listener wants of the certificates of clients.
type ClientCert string

// What it may want.
const (
	ClientCertNone     ClientCert = "none"     // it does not ask
	ClientCertOptional ClientCert = "optional" // one that is shown must be good
	ClientCertRequired ClientCert = "required"
)

// Listener is a parsed listener URL, ready for [net.Listen].
type Listener struct {
	URL       string // as it was written, without options
	Scheme    string // mqtt, mqtts, ws, wss, auto, unix, ximp, ximps, miop, miops, dispatch or dispatchs
	Network   string // "tcp" or "unix"
	Address   string // HOST:PORT or the socket's path
	Local     bool   // only processes of this machine can reach it
	TLS       bool
	WebSocket bool
	Sniff     bool     // what is spoken is found out from the first bytes
	Path      string   // of WebSocket requests that speak MQTT
	Protocols []string // that are spoken; nil is MQTT alone

	// Options.
	App        string         // of the listener's clients; empty is the default
	ClientCert ClientCert     // empty is none
	Proxy      []netip.Prefix // of proxies that name the client by the PROXY protocol
	Profile    string         // file with what is particular to the native protocols; empty is none
	Origins    []string       // web sites whose pages may ask for WebSockets; nil is all

	MaxConnections int // 0 is no limit of the listener's own
	ConnectRate    int // new connections a second; 0 likewise
}

// Speaks tells whether the protocol is spoken there.
func (l *Listener) Speaks(protocol string) bool {
	if l.Protocols == nil {
		return protocol == MQTT
	}
	return slices.Contains(l.Protocols, protocol)
}

// speaksNative tells whether another protocol than MQTT is spoken there.
func (l *Listener) speaksNative() bool { return l.Speaks(XIMP) || l.Speaks(MIOP) || l.Speaks(Dispatch) }

// ParseListener reads one URL of the listen setting. It does no look-ups: a host name other than
// localhost counts as reachable from elsewhere.
func ParseListener(raw string) (Listener, error) {
	u, err := url.Parse(raw)
	shown := redactUser(raw)
	if err != nil {
		if shown != raw { // the reason may quote the password
			return Listener{}, fmt.Errorf("%q is not a URL, and that of a listener has no user name or password", shown)
		}
		if ue, ok := errors.AsType[*url.Error](err); ok {
			err = ue.Err
		}
		return Listener{}, fmt.Errorf("%q is not a URL: %w: write SCHEME://HOST:PORT, as in mqtt://127.0.0.1:1883", raw, err)
	}
	scheme, known := schemes[u.Scheme]
	switch {
	case u.Scheme == "":
		return Listener{}, fmt.Errorf("%q has no scheme: write mqtt://HOST:PORT or unix:///PATH", shown)
	case !known:
		return Listener{}, fmt.Errorf("%q: unknown scheme %q: write mqtt, mqtts, ws, wss, auto, unix, ximp, ximps, miop, miops, dispatch or dispatchs", shown, u.Scheme)
	case !utf8.ValidString(u.Path):
		return Listener{}, fmt.Errorf("%q: the path is not UTF-8", shown)
	case u.User != nil || u.Fragment != "":
		return Listener{}, fmt.Errorf("%s URL of a listener has no user name, password or fragment", u.Scheme)
	}
	l := Listener{Scheme: u.Scheme, TLS: scheme.tls, WebSocket: scheme.ws, Sniff: scheme.sniff}
	if scheme.speaks != "" {
		l.Protocols = []string{scheme.speaks}
	}
	if l.URL, _, _ = strings.Cut(raw, "?"); u.Scheme == "unix" {
		err = l.unix(raw, u)
	} else {
		err = l.tcp(shown, u, scheme.port)
	}
	if err == nil {
		err = l.options(shown, u)
	}
	if err != nil {
		return Listener{}, err
	}
	return l, nil
}

func (l *Listener) unix(raw string, u *url.URL) error {
	switch {
	case u.Host != "" || u.Opaque != "":
		return fmt.Errorf("%q: the path is absolute: write unix:///PATH with three slashes", raw)
	case u.Path == "" || strings.HasSuffix(u.Path, "/"):
		return fmt.Errorf("%q names no socket file", raw)
	case len(u.Path) > maxUnixPath:
		return fmt.Errorf("%q: the path of a Unix socket has at most %d bytes", raw, maxUnixPath)
	}
	l.Network, l.Address, l.Local = "unix", u.Path, true
	return nil
}

func (l *Listener) tcp(raw string, u *url.URL, port string) error {
	hasPath := u.Path != "" && u.Path != "/"
	if u.Opaque != "" || hasPath && !l.WebSocket {
		return fmt.Errorf("%q: write %s://HOST:PORT", raw, u.Scheme)
	}
	if l.WebSocket || l.Sniff {
		l.Path = defaultPath
	}
	if hasPath {
		l.Path = u.Path
	}
	if p := u.Port(); p != "" {
		port = p
	}
	if err := checkPort(port); err != nil {
		return fmt.Errorf("%q: %w", raw, err)
	}
	host := u.Hostname()
	l.Network, l.Address, l.Local = "tcp", net.JoinHostPort(host, port), isLoopback(host)
	return nil
}

// options reads what follows the question mark.
func (l *Listener) options(raw string, u *url.URL) error {
	values, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return fmt.Errorf("%q: options are written NAME=VALUE, with & between them", raw)
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if len(values[name]) > 1 && !slices.Contains([]string{"origins", "protocols", "proxy"}, name) {
			return fmt.Errorf("%q: %s is given twice", raw, name) // which of them holds?
		}
		for _, v := range values[name] {
			if err := l.option(name, v); err != nil {
				return fmt.Errorf("%q: %w", raw, err)
			}
		}
	}
	if l.Origins != nil && !l.takesWebSockets() {
		return fmt.Errorf("%q: origins are those of WebSockets, of which there are none here", raw)
	}
	if l.Profile != "" && !l.speaksNative() {
		return fmt.Errorf("%q: profile is for the protocols ximp, miop and dispatch, which are not spoken here", raw)
	}
	if l.Profile == "" && l.Speaks(Dispatch) {
		return fmt.Errorf("%q: name a profile with dispatch.addresses, as in profile=FILE: the dispatcher tells of these", raw)
	}
	return nil
}

func (l *Listener) option(name, value string) error {
	switch name {
	case "app":
		if err := checkApp(value); err != nil {
			return err
		}
		l.App = value
	case "client-cert":
		l.ClientCert = ClientCert(value)
		switch {
		case !l.TLS && !l.Sniff:
			return fmt.Errorf("client-cert: a %s listener has no TLS", l.Scheme)
		case !slices.Contains([]ClientCert{ClientCertNone, ClientCertOptional, ClientCertRequired}, l.ClientCert):
			return fmt.Errorf("client-cert %q: write none, optional or required", value)
		}
	case "max-connections":
		return limitOption(&l.MaxConnections, name, value)
	case "connect-rate":
		return limitOption(&l.ConnectRate, name, value)
	case "proxy":
		for text := range strings.SplitSeq(value, ",") {
			prefix, err := parsePrefix(text)
			if err != nil {
				return fmt.Errorf("proxy: %w", err)
			}
			l.Proxy = append(l.Proxy, prefix)
		}
	case "origins":
		return l.origins(value)
	case "protocols":
		return l.protocols(value)
	case "profile":
		if value == "" {
			return errors.New("profile: name a file")
		}
		l.Profile = value
	default:
		return fmt.Errorf("unknown option %q%s", name, didYouMean(name, []string{"app", "client-cert", "connect-rate", "max-connections", "origins", "proxy", "protocols", "profile"}))
	}
	return nil
}

// origins reads the web sites whose pages may connect, as browsers send them in Origin.
func (l *Listener) origins(value string) error {
	if l.Origins == nil {
		l.Origins = []string{}
	}
	for text := range strings.SplitSeq(value, ",") {
		u, err := url.Parse(text)
		if err != nil || u.Scheme == "" || u.Host == "" || text != u.Scheme+"://"+u.Host {
			return fmt.Errorf("origins %q: write https://HOST or https://HOST:PORT, with commas between several", text)
		}
		if u.Port() != "" && u.Port() == map[string]string{"http": "80", "https": "443"}[u.Scheme] {
			return fmt.Errorf("origins %q: leave the port out, as browsers do with the usual one", text)
		}
		l.Origins = append(l.Origins, text)
	}
	return nil
}

// takesWebSockets tells whether there may be any.
func (l *Listener) takesWebSockets() bool { return l.WebSocket || l.Sniff || l.Speaks(XIMP) }

// protocols reads what an auto listener speaks.
func (l *Listener) protocols(value string) error {
	if !l.Sniff {
		return fmt.Errorf("protocols: a %s listener speaks one: write auto://", l.Scheme)
	}
	if l.Protocols == nil {
		l.Protocols = []string{}
	}
	for p := range strings.SplitSeq(value, ",") {
		switch {
		case !slices.Contains([]string{MQTT, XIMP, MIOP, Dispatch}, p):
			return fmt.Errorf("protocols: %q is not one of mqtt, ximp, miop and dispatch", p)
		case slices.Contains(l.Protocols, p):
			return fmt.Errorf("protocols: %q is there twice", p)
		}
		l.Protocols = append(l.Protocols, p)
	}
	return nil
}

// limitOption reads a number of which 0 would be no limit: then the option is left out.
func limitOption(n *int, name, value string) error {
	v, err := strconv.Atoi(value)
	if err != nil || v < 1 || v > maxRetained {
		return fmt.Errorf("%s %q: write a number from 1 to %d", name, value, maxRetained)
	}
	*n = v
	return nil
}

// parsePrefix reads an address or a range of addresses in CIDR notation. IPv4 addresses count as such in whatever form they come.
func parsePrefix(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil || p.Addr().Is4In6() {
		return p, fmt.Errorf("%q: write an address or ADDRESS/BITS, of IPv4 as in 10.1.0.0/16", text)
	}
	return p.Masked(), nil
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
