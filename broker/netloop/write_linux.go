package netloop

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// writeLocked writes until nothing waits, the socket is full or it is others'
// turn. It is called with c.mu held, and not held by others while in the system
// call; it unlocks.
func (c *Conn) writeLocked(by *Loop) {
	for total := 0; ; {
		fd := c.fd
		out := c.readyLocked()
		if c.state&outRelease != 0 {
			c.freeLocked(fd)
			return
		}
		if out == nil {
			c.wroteAll()
			return
		}
		c.state |= outWriting
		pieces := out.pieces(by.poller.pieces[:0])
		c.mu.Unlock()

		n, want, errno := by.poller.writev(fd, pieces)
		by.stats.bytesOut.Add(uint64(n))

		c.mu.Lock()
		c.state &^= outWriting
		if c.state&outRelease != 0 {
			c.freeLocked(fd)
			return
		}
		out.wrote(n)
		total += n
		if n == want {
			if total < maxFlush || c.waitingLocked() == 0 {
				continue
			}
			c.writeLater()
			return
		}
		if errno != 0 && errno != unix.EAGAIN && errno != unix.EINTR {
			c.failed(errno)
			return
		}
		c.state |= outBlocked
		c.noteProgress()
		if by == c.loop {
			if c.fd >= 0 {
				c.updateInterest()
			}
		} else {
			c.loop.Post((*armTask)(c))
		}
		return
	}
}

// freeLocked closes the descriptor that release has left to the writer. It is
// called with c.mu held; it unlocks.
func (c *Conn) freeLocked(fd int32) {
	c.state &^= outRelease
	c.dropLocked()
	c.mu.Unlock()
	unix.Close(int(fd))
	c.count(-1)
}

// writeLater is called with c.mu held; it unlocks. The connection's loop goes on
// writing in its next turn.
func (c *Conn) writeLater() {
	dirty := c.state&outDirty != 0 // then somebody else is going to
	c.state |= outDirty
	c.noteProgress()
	if !dirty {
		c.loop.handIn(c)
	}
}

// armTask lets the loop wait until the socket takes more.
type armTask Conn

func (t *armTask) Run(*Loop) {
	c := (*Conn)(t)
	if c.fd >= 0 {
		c.updateInterest()
	}
}

func (p *epoll) writev(fd int32, pieces [][]byte) (n, want int, errno syscall.Errno) {
	for i, b := range pieces {
		p.iov[i].Base = unsafe.SliceData(b)
		p.iov[i].SetLen(len(b))
		want += len(b)
	}
	var r uintptr
	if len(pieces) == 1 {
		r, _, errno = unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(p.iov[0].Base)), uintptr(want))
	} else {
		r, _, errno = unix.RawSyscall(unix.SYS_WRITEV, uintptr(fd), uintptr(unsafe.Pointer(&p.iov[0])), uintptr(len(pieces)))
	}
	clear(pieces)
	clear(p.iov[:len(pieces)])
	if errno != 0 {
		return 0, want, errno
	}
	return int(r), want, 0
}
