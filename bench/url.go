package bench

import (
	"fmt"
	"net"
	"net/url"
)

// endpoint takes the URL apart into what netloop dials.
func (o *Options) endpoint() (network, address string, err error) {
	u, err := url.Parse(o.URL)
	if err != nil {
		return "", "", fmt.Errorf("broker URL: %w", err)
	}
	switch u.Scheme {
	case "mqtt", "tcp":
		port := u.Port()
		if port == "" {
			port = "1883"
		}
		if u.Hostname() == "" || u.Path != "" || u.User != nil || u.RawQuery != "" {
			return "", "", fmt.Errorf("broker URL %q: want mqtt://HOST:PORT", o.URL)
		}
		return "tcp", net.JoinHostPort(u.Hostname(), port), nil
	case "unix":
		if u.Host != "" || u.Path == "" || u.Path == "/" {
			return "", "", fmt.Errorf("broker URL %q: want unix:///PATH", o.URL)
		}
		return "unix", u.Path, nil
	}
	return "", "", fmt.Errorf("broker URL %q: want mqtt://HOST:PORT or unix:///PATH", o.URL)
}
