package client

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
	"time"
)

// loginTimeout is how long a login may take if the context has no deadline.
const loginTimeout = 30 * time.Second

// Dial connects to o.URL and logs in. It blocks until then, at most 30 s, or until
// ctx is over, which has no meaning for the Client after that. A refusal is a
// *packet.Error.
func Dial(ctx context.Context, o Options) (*Client, error) {
	ctx, cancel := context.WithTimeout(ctx, loginTimeout)
	defer cancel()
	u, err := parseURL(o.URL)
	if err != nil {
		return nil, err
	}
	if o.Text && !u.webSocket {
		return nil, fmt.Errorf("%s: the text form takes a ws or wss URL", o.URL)
	}
	conn, err := u.dial(ctx, o.TLS)
	if err != nil {
		return nil, err
	}
	if u.webSocket {
		w, err := openWebSocket(ctx, conn, u.host, o.Text)
		if err != nil {
			conn.Close()
			return nil, err
		}
		conn = w
	}
	return New(ctx, conn, o)
}

// target is a URL taken apart.
type target struct {
	host           string // with port
	tls, webSocket bool
}

// defaultPorts are those of URLs without a port.
var defaultPorts = map[string]string{"ximp": "1885", "ximps": "8885", "ws": "80", "wss": "443"}

func parseURL(s string) (target, error) {
	u, err := url.Parse(s)
	if err != nil {
		return target{}, fmt.Errorf("%q is not a URL: write ximp://host:port", s)
	}
	port, known := defaultPorts[u.Scheme]
	switch {
	case !known:
		return target{}, fmt.Errorf("%q: the scheme is ximp, ximps, ws or wss", s)
	case u.Hostname() == "":
		return target{}, fmt.Errorf("%q: a host is needed", s)
	case u.Path != "" && u.Path != "/", u.RawQuery != "", u.User != nil, u.Fragment != "":
		return target{}, fmt.Errorf("%q: nothing may follow the port", s)
	}
	if u.Port() != "" {
		port = u.Port()
	}
	return target{
		host: net.JoinHostPort(u.Hostname(), port),
		tls:  u.Scheme == "ximps" || u.Scheme == "wss", webSocket: u.Scheme == "ws" || u.Scheme == "wss",
	}, nil
}

func (t target) dial(ctx context.Context, cfg *tls.Config) (net.Conn, error) {
	if !t.tls {
		return new(net.Dialer).DialContext(ctx, "tcp", t.host)
	}
	return (&tls.Dialer{Config: cfg}).DialContext(ctx, "tcp", t.host)
}
