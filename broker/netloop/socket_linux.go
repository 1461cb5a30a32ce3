package netloop

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
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
	if !e.openFD(fd, 0, newHandler) {
		return ErrShutdown
	}
	nc.Close()
	return nil
}

// pollable duplicates a socket into a file that the runtime can wait on.
func pollable(rc syscall.RawConn) (*os.File, error) {
	fd := -1
	var failed error
	err := rc.Control(func(s uintptr) {
		if fd, failed = unix.FcntlInt(s, unix.F_DUPFD_CLOEXEC, 0); failed == nil {
			failed = unix.SetNonblock(fd, true)
		}
	})
	if err := errors.Join(err, failed); err != nil {
		if fd >= 0 {
			unix.Close(fd)
		}
		return nil, fmt.Errorf("duplicate socket: %w", err)
	}
	return os.NewFile(uintptr(fd), "listener"), nil
}

// acceptRaw accepts from ln until it would block, the gate is shut or it fails.
// An error that follows connections is left to the next call, which gets it again.
func (ln *Listener) acceptRaw(sc syscall.RawConn) error {
	var failed error
	accepted := false
	err := sc.Read(func(s uintptr) bool {
		for {
			select {
			case <-ln.done: // Close waits for us
				failed = net.ErrClosed
				return true
			default:
			}
			if ln.engine.gate.isShut() {
				return true
			}
			fd, sa, err := unix.Accept4(int(s), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
			switch {
			case err == nil:
				ln.engine.accepted.Add(1)
				ln.start(fd, sa)
				accepted = true
			case errors.Is(err, unix.EAGAIN):
				return false
			case errors.Is(err, unix.EINTR), errors.Is(err, unix.ECONNABORTED):
			default:
				if !accepted {
					failed = err
				}
				return true
			}
		}
	})
	if err != nil {
		return err
	}
	return failed
}

// start starts an accepted connection, or closes it if it is not wanted.
func (ln *Listener) start(fd int, sa unix.Sockaddr) {
	var addr netip.Addr
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		addr = netip.AddrFrom4(sa.Addr)
	case *unix.SockaddrInet6:
		addr = netip.AddrFrom16(sa.Addr).Unmap()
	}
	newHandler, release, ok := ln.take(addr)
	if !ok {
		unix.Close(fd)
		return
	}
	if !ln.engine.openFD(fd, ln.number, newHandler) && release != nil {
		release()
	}
}

// prepareListener sets the options that accepted sockets inherit.
func prepareListener(sc syscall.RawConn, tcp bool) error {
	var failed error
	err := sc.Control(func(s uintptr) {
		if !tcp {
			return
		}
		failed = setTCPOptions(int(s))
	})
	if err != nil {
		return err
	}
	return failed
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
