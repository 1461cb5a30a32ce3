package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/holdfast-mqtt/holdfast/cmd/holdfast/config"
)

// opened is a listener of the configuration that has its address.
type opened struct {
	net.Listener
	want config.Listener
}

// listenAll opens every listener, or none and returns all faults.
func listenAll(ctx context.Context, wanted []config.Listener) ([]opened, error) {
	var open []opened
	var faults []error
	for _, w := range wanted {
		ln, err := listen(ctx, w.Network, w.Address)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		open = append(open, opened{ln, w})
	}
	if len(faults) > 0 {
		closeAll(open)
		return nil, errors.Join(faults...)
	}
	return open, nil
}

// listen opens one listener. Its errors say what to do.
func listen(ctx context.Context, network, address string) (net.Listener, error) {
	if network == "unix" {
		if err := removeStaleSocket(ctx, address); err != nil {
			return nil, err
		}
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, network, address)
	switch {
	case err == nil:
		return ln, nil
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%w: another program has it%s; stop that or choose another address", err, suspect(address))
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return nil, fmt.Errorf("%w: this machine has no such address", err)
	case errors.Is(err, os.ErrPermission) && network == "tcp":
		return nil, fmt.Errorf("%w: ports below 1024 need CAP_NET_BIND_SERVICE", err)
	}
	return nil, err
}

// suspect names the program that has probably taken the address, if there is one that often does.
func suspect(address string) string {
	if strings.HasSuffix(address, ":1883") {
		return " (on Debian often mosquitto's own service: 'systemctl stop mosquitto')"
	}
	return ""
}

// removeStaleSocket removes the socket file of a process that is gone. A socket on which somebody
// answers, and anything that is not a socket, stays and makes the listen fail.
func removeStaleSocket(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return nil // nothing there, or the listen reports it
	}
	if info.Mode().Type() != os.ModeSocket {
		return fmt.Errorf("listen unix %s: there is a file of that name which is not a socket", path)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", path)
	if err == nil {
		_ = c.Close()
		return fmt.Errorf("listen unix %s: another program listens there", path)
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return os.Remove(path)
	}
	return nil
}

// url is what clients use.
func (o opened) url() string {
	if o.want.Network == "unix" {
		return "unix://" + o.Addr().String()
	}
	u := o.want.Scheme + "://" + o.Addr().String()
	if o.want.WebSocket {
		u += o.want.Path
	}
	return u
}
