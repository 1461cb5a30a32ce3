package bench

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"

	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

// transports are the schemes of URLs with the ports that are meant when a URL has none.
var transports = map[string]struct {
	port    string
	tls, ws bool
}{
	"ximp":  {port: "1885"},
	"ximps": {port: "8885", tls: true},
	"miop":  {port: "1884"},
	"miops": {port: "8884", tls: true},
	"mqtt":  {port: "1883"},
	"tcp":   {port: "1883"},
	"mqtts": {port: "8883", tls: true},
	"ws":    {port: "80", ws: true},
	"wss":   {port: "443", tls: true, ws: true},
}

// errURL says what URLs there are.
var errURL = errors.New("want mqtt://HOST:PORT, mqtts://HOST:PORT, ws://HOST:PORT/PATH, wss://HOST:PORT/PATH or unix:///PATH")

// isXIMP tells whether XIMP is spoken at a URL.
func isXIMP(s string) bool { return strings.HasPrefix(s, "ximp:") || strings.HasPrefix(s, "ximps:") }

// isMIOP tells whether MIOP is spoken at a URL.
func isMIOP(s string) bool { return strings.HasPrefix(s, "miop:") || strings.HasPrefix(s, "miops:") }

// isNative tells whether another protocol than MQTT is spoken at a URL.
func isNative(s string) bool { return isXIMP(s) || isMIOP(s) }

// endpoint takes a URL apart into what netloop dials, without a TLS configuration but for an empty one.
func endpoint(s string) (netloop.DialConfig, error) {
	u, err := url.Parse(s)
	if err != nil {
		return netloop.DialConfig{}, errors.New("broker URL: it is malformed") // the error has all of it
	}
	fault := fmt.Errorf("broker URL %q: %w", u.Redacted(), errURL)
	if u.User != nil || u.Fragment != "" {
		return netloop.DialConfig{}, fault
	}
	if u.Scheme == "unix" {
		if u.Host != "" || u.Path == "" || u.Path == "/" || u.RawQuery != "" {
			return netloop.DialConfig{}, fault
		}
		return netloop.DialConfig{Network: "unix", Address: u.Path}, nil
	}
	t, known := transports[u.Scheme]
	if !known || u.Hostname() == "" || !t.ws && (u.Path != "" || u.RawQuery != "") {
		return netloop.DialConfig{}, fault
	}
	port := u.Port()
	if port == "" {
		port = t.port
	}
	cfg := netloop.DialConfig{Network: "tcp", Address: net.JoinHostPort(u.Hostname(), port)}
	if t.tls {
		cfg.TLS = &tls.Config{ServerName: u.Hostname()}
	}
	if t.ws {
		cfg.WebSocket = &netloop.WebSocketRequest{Host: u.Host, Path: u.RequestURI()}
	}
	return cfg, nil
}

// secure completes the TLS configuration of endpoint.
func (o *Options) secure(cfg *tls.Config) error {
	cfg.InsecureSkipVerify = o.Insecure
	if o.CAFile == "" {
		return nil
	}
	pem, err := os.ReadFile(o.CAFile)
	if err != nil {
		return fmt.Errorf("read certificates: %w", err)
	}
	cfg.RootCAs = x509.NewCertPool()
	if !cfg.RootCAs.AppendCertsFromPEM(pem) {
		return fmt.Errorf("read certificates: there is none in %s", o.CAFile)
	}
	return nil
}
