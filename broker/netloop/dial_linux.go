package netloop

import (
	"errors"
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// dial starts a non-blocking connect. The handler's first call is OnOpen, or
// OnClose with the reason.
func (e *Engine) dial(l *Loop, network, address string, newHandler func(*Conn) Handler) error {
	domain, sa, err := sockaddr(network, address)
	if err != nil {
		return err
	}
	fd, err := unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("create socket: %w", err)
	}
	if domain != unix.AF_UNIX {
		if err := setTCPOptions(fd); err != nil {
			unix.Close(fd)
			return fmt.Errorf("set socket options: %w", err)
		}
	}
	e.open.Add(1)
	c := &Conn{loop: l, fd: int32(fd), dialing: true, timer: timer{slot: -1}}
	c.h = newHandler(c)
	posted := l.PostFunc(func() {
		if l.leaving {
			c.finish(ErrShutdown)
			return
		}
		if err := unix.Connect(fd, sa); err != nil && !errors.Is(err, unix.EINPROGRESS) {
			c.finish(fmt.Errorf("connect: %w", err))
			return
		}
		if err := c.attach(unix.EPOLLOUT); err != nil {
			c.finish(err)
			return
		}
		c.setTimer(dialTimeout)
	})
	if !posted {
		unix.Close(fd)
		e.open.Add(-1)
		return ErrShutdown
	}
	return nil
}

func (c *Conn) onConnected() {
	c.dialing = false
	c.setTimer(0)
	if err := c.socketError(); !errors.Is(err, ErrPeerGone) {
		c.finish(fmt.Errorf("connect: %w", err))
		return
	}
	c.updateInterest()
	c.opened()
}

func sockaddr(network, address string) (int, unix.Sockaddr, error) {
	switch network {
	case "unix":
		return unix.AF_UNIX, &unix.SockaddrUnix{Name: address}, nil
	case "tcp":
		a, err := net.ResolveTCPAddr(network, address)
		if err != nil {
			return 0, nil, fmt.Errorf("resolve %s: %w", address, err)
		}
		if ip := a.IP.To4(); ip != nil || a.IP == nil {
			sa := &unix.SockaddrInet4{Port: a.Port}
			copy(sa.Addr[:], ip)
			return unix.AF_INET, sa, nil
		}
		sa := &unix.SockaddrInet6{Port: a.Port}
		copy(sa.Addr[:], a.IP.To16())
		return unix.AF_INET6, sa, nil
	}
	return 0, nil, fmt.Errorf("%w: network %q", ErrUnsupported, network)
}

// RemoteAddr is the peer's address, or whom its PROXY header has named. Without
// such a header the socket is asked, and it is nil when that is gone.
func (c *Conn) RemoteAddr() net.Addr {
	if c.wire != nil && c.wire.remote != nil {
		return c.wire.remote
	}
	if c.nc != nil {
		return c.nc.RemoteAddr()
	}
	if c.fd < 0 {
		return nil
	}
	sa, err := unix.Getpeername(int(c.fd))
	if err != nil {
		return nil
	}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return &net.TCPAddr{IP: append(net.IP(nil), sa.Addr[:]...), Port: sa.Port}
	case *unix.SockaddrInet6:
		return &net.TCPAddr{IP: append(net.IP(nil), sa.Addr[:]...), Port: sa.Port}
	case *unix.SockaddrUnix:
		return &net.UnixAddr{Name: sa.Name, Net: "unix"}
	}
	return nil
}
