package netloop

import (
	"fmt"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// adoptFD takes the socket out of nc.
func (e *Engine) adoptFD(nc net.Conn, newHandler func(*Conn) Handler) error {
	// Not any syscall.Conn: a type that embeds one may hold bytes of its own.
	var sc syscall.Conn
	switch nc := nc.(type) {
	case *net.TCPConn:
		sc = nc
	case *net.UnixConn:
		sc = nc
	default:
		return fmt.Errorf("%w: %T cannot be polled", ErrUnsupported, nc)
	}
	rc, err := sc.SyscallConn()
	if err != nil {
		return fmt.Errorf("take socket: %w", err)
	}
	fd := -1
	var dupErr error
	if err := rc.Control(func(s uintptr) {
		fd, dupErr = unix.FcntlInt(s, unix.F_DUPFD_CLOEXEC, 0)
	}); err != nil {
		return fmt.Errorf("take socket: %w", err)
	}
	if dupErr != nil {
		return fmt.Errorf("take socket: %w", dupErr)
	}
	if !e.openFD(fd, 0, newHandler, nil) {
		return ErrShutdown
	}
	nc.Close()
	return nil
}

func setTCPOptions(fd int) error {
	for _, o := range [][3]int{
		{unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
		{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
		{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, int(keepAliveIdle / time.Second)},
		{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, int(keepAliveInterval / time.Second)},
		{unix.IPPROTO_TCP, unix.TCP_KEEPCNT, keepAliveCount},
	} {
		if err := unix.SetsockoptInt(fd, o[0], o[1], o[2]); err != nil {
			return err
		}
	}
	return nil
}
