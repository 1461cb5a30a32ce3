package netloop

import (
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// adoptFD takes the socket out of nc.
func (e *Engine) adoptFD(nc net.Conn, newHandler func(*Conn) Handler) error {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return ErrUnsupported
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
	nc.Close()
	e.openFD(fd, newHandler)
	return nil
}

// acceptRaw accepts from ln until it would block or fails.
func (ln *Listener) acceptRaw(sc syscall.RawConn) error {
	var failed error
	err := sc.Read(func(s uintptr) bool {
		for {
			fd, _, err := unix.Accept4(int(s), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
			switch {
			case err == nil:
				ln.engine.accepted.Add(1)
				ln.engine.openFD(fd, ln.newHandler)
			case errors.Is(err, unix.EAGAIN):
				return false
			case errors.Is(err, unix.EINTR), errors.Is(err, unix.ECONNABORTED):
			default:
				failed = err
				return true
			}
		}
	})
	if err != nil {
		return err
	}
	return failed
}

// prepareListener sets the options that accepted sockets inherit.
func prepareListener(sc syscall.RawConn, tcp bool) error {
	var failed error
	err := sc.Control(func(s uintptr) {
		if !tcp {
			return
		}
		for _, o := range [][3]int{
			{unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
			{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
			{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, int(keepAliveIdle / time.Second)},
			{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, int(keepAliveInterval / time.Second)},
			{unix.IPPROTO_TCP, unix.TCP_KEEPCNT, keepAliveCount},
		} {
			if err := unix.SetsockoptInt(int(s), o[0], o[1], o[2]); err != nil {
				failed = err
			}
		}
	})
	if err != nil {
		return err
	}
	return failed
}
