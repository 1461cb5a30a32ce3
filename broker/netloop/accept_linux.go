package netloop

import (
	"errors"
	"fmt"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// maxAccepts is how many connections of one listener a turn takes on. The others wait in the kernel's queue for the
// next turn, so that a storm of them leaves those that are open a part of each.
const maxAccepts = 32

// doorPad marks events of listening sockets among those of connections. The event's descriptor is the door's number.
const doorPad = -3

// door is the listening socket of a Listener, which the first loop watches beside its connections. A goroutine that accepts would need
// a thread that is woken, and a processor that is taken from a loop, again and again while the loops have work.
type door struct {
	// static
	ln     *Listener
	loop   *Loop
	number int32

	// owned by the loop
	fd    int           // a duplicate, since package net gives no access to accept; -1 when closed
	pause time.Duration // after the next error
}

func newDoor(ln *Listener, sc syscall.RawConn, tcp bool) (*door, error) {
	if tcp {
		if err := control(sc, setTCPOptions); err != nil { // which accepted sockets inherit
			return nil, fmt.Errorf("set socket options: %w", err)
		}
	}
	d := &door{ln: ln, loop: ln.engine.loops[0], number: ln.engine.doors.Add(1), fd: -1, pause: acceptPauseMin}
	err := control(sc, func(s int) (err error) {
		if d.fd, err = unix.FcntlInt(uintptr(s), unix.F_DUPFD_CLOEXEC, 0); err != nil {
			return err
		}
		return unix.SetNonblock(d.fd, true)
	})
	if err != nil {
		if d.fd >= 0 {
			unix.Close(d.fd)
		}
		return nil, fmt.Errorf("duplicate socket: %w", err)
	}
	return d, nil
}

// control calls f with the socket's descriptor.
func control(sc syscall.RawConn, f func(fd int) error) error {
	var failed error
	return errors.Join(sc.Control(func(s uintptr) { failed = f(int(s)) }), failed)
}

// open has the loop watch the door. It waits for the loop.
func (d *door) open() error {
	err := ErrShutdown
	d.loop.call(func() {
		if d.fd < 0 {
			return
		}
		p := d.loop.poller
		if err = d.control(unix.EPOLL_CTL_ADD, unix.EPOLLIN); err == nil {
			p.doors[d.number] = d
		}
	})
	return err
}

// close has the loop forget the door. It waits for the loop: nothing is accepted afterwards.
func (d *door) close() {
	watched := d.loop.call(func() {
		if _, ok := d.loop.poller.doors[d.number]; ok {
			delete(d.loop.poller.doors, d.number)
			_ = d.control(unix.EPOLL_CTL_DEL, 0) // fails if it rests
		}
		d.closeFD()
	})
	if !watched { // the loop has ended, and its epoll with it
		d.closeFD()
	}
}

func (d *door) closeFD() {
	if d.fd >= 0 {
		unix.Close(d.fd)
		d.fd = -1
	}
}

func (d *door) control(op int, interest uint32) error {
	ev := unix.EpollEvent{Events: interest, Fd: d.number, Pad: doorPad}
	if err := unix.EpollCtl(d.loop.poller.fd, op, d.fd, &ev); err != nil {
		return fmt.Errorf("watch listener: %w", err)
	}
	return nil
}

// accept takes on connections until there are none, the turn has had enough, the gate is shut or it fails.
func (d *door) accept() {
	e := d.ln.engine
	for range maxAccepts {
		if e.gate.isShut() {
			d.rest(nil)
			return
		}
		fd, sa, err := unix.Accept4(d.fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		switch {
		case err == nil:
			d.pause = acceptPauseMin
			e.accepted.Add(1)
			d.loop.entered++
			d.start(fd, sa)
		case errors.Is(err, unix.EAGAIN):
			return
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.ECONNABORTED):
		default:
			d.rest(err)
			return
		}
	}
}

// start starts an accepted connection, or closes it if it is not wanted.
func (d *door) start(fd int, sa unix.Sockaddr) {
	newHandler, release, ok := d.ln.take(addrOfSockaddr(sa))
	if !ok {
		unix.Close(fd)
		return
	}
	if !d.ln.engine.openFD(fd, d.ln.number, newHandler, d.loop) && release != nil {
		release()
	}
}

func addrOfSockaddr(sa unix.Sockaddr) netip.Addr {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrFrom4(sa.Addr)
	case *unix.SockaddrInet6:
		return netip.AddrFrom16(sa.Addr).Unmap()
	}
	return netip.Addr{}
}

// rest stops watching the door: for a while after an error, and until the gate is open.
func (d *door) rest(err error) {
	pause := d.pause
	if err != nil {
		d.pause = min(2*pause, acceptPauseMax)
	}
	// Not watched for nothing: epoll tells of EPOLLERR and EPOLLHUP all the same.
	if d.control(unix.EPOLL_CTL_DEL, 0) != nil {
		return // it rests already
	}
	d.wakeLater(err, pause)
}

// wakeLater has the loop watch the door again, as rest says.
func (d *door) wakeLater(err error, pause time.Duration) {
	d.ln.engine.goUnlessClosing(func() {
		if err != nil && !d.ln.failed(err, pause) || !d.ln.engine.gate.pass(d.ln.done) {
			return
		}
		d.loop.PostFunc(func() {
			if d.fd < 0 {
				return
			}
			if err := d.control(unix.EPOLL_CTL_ADD, unix.EPOLLIN); err != nil && !errors.Is(err, unix.EEXIST) { // the kernel has no room
				d.wakeLater(err, acceptPauseMax)
			}
		})
	})
}
