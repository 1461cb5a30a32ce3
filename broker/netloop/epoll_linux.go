package netloop

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const haveEpoll = true

// maxEvents is how many ready connections one turn takes on.
const maxEvents = 256

// busyEvents is how many ready connections in a turn make it likely that others
// are ready already, so that the next wait need not be one that may sleep.
const busyEvents = 8

// yieldEvery is how often a loop passes through the Go scheduler. A goroutine
// that does not for 10 ms is taken for one that hogs its processor, and the
// runtime's monitor then takes the processor away in every system call and
// wakes 50,000 times a second to do so. That costs more than serving a message.
const yieldEvery = 8 * time.Millisecond

// maxWait is the longest sleep of a loop.
const maxWait = time.Hour

// poller is what a loop knows of epoll: level-triggered, one eventfd for
// wake-ups, and a table from descriptor to connection.
type poller = *epoll

type epoll struct {
	fd      int
	waker   int
	gen     int32
	byFD    []*Conn
	doors   map[int32]*door // by number
	events  [maxEvents]unix.EpollEvent
	iov     [maxSegments]unix.Iovec
	pieces  [maxSegments][]byte
	busy    bool          // the last turn had much to do: look again before sleeping
	yielded time.Duration // when the loop last passed through the scheduler

	wakers atomic.Int32 // goroutines in wake

	leading
}

func newPoller() (poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create epoll: %w", err)
	}
	waker, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("create eventfd: %w", err)
	}
	p := &epoll{fd: fd, waker: waker, doors: make(map[int32]*door), leading: leading{released: make(chan struct{}, 1)}}
	ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(waker), Pad: -1}
	if err := unix.EpollCtl(fd, unix.EPOLL_CTL_ADD, waker, &ev); err != nil {
		p.close()
		return nil, fmt.Errorf("watch eventfd: %w", err)
	}
	return p, nil
}

// close frees the descriptors. The loop does not sleep any more, so that nobody
// begins to wake it; whoever has begun is waited for, lest the eight bytes go to
// a stranger who has got the descriptor's number.
func (p *epoll) close() {
	for p.wakers.Load() != 0 {
		runtime.Gosched()
	}
	unix.Close(p.fd)
	unix.Close(p.waker)
}

// wake ends the wait of loop l, if nobody else does.
func (p *epoll) wake(l *Loop) {
	p.wakers.Add(1)
	if l.sleeping.CompareAndSwap(true, false) {
		one := [8]byte{1}
		_, _ = unix.Write(p.waker, one[:]) // fails only when the counter is full: then it is awake
	}
	p.wakers.Add(-1)
}

func (l *Loop) release() {
	if l.poller != nil {
		l.poller.close()
	}
}

// wait is epoll_wait; d < 0 waits for ever. A call that cannot block does not
// tell the scheduler.
func (p *epoll) wait(d time.Duration) int {
	var n uintptr
	var errno syscall.Errno
	ev := uintptr(unsafe.Pointer(&p.events[0]))
	if d == 0 {
		n, _, errno = unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd), ev, maxEvents, 0, 0, 0)
	} else {
		ms := int64(-1)
		if d > 0 {
			// The kernel takes 32 bits.
			ms = int64((min(d, maxWait) + time.Millisecond - 1) / time.Millisecond)
		}
		n, _, errno = unix.Syscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd), ev, maxEvents, uintptr(ms), 0, 0)
	}
	if errno != 0 {
		return 0 // EINTR; nothing else can happen to a valid epoll descriptor
	}
	return int(n)
}

func (l *Loop) handle(ev *unix.EpollEvent) {
	if ev.Pad == ledPad {
		l.engine.loops[ev.Fd].poller.ready = true
		return
	}
	if ev.Pad == doorPad {
		if d := l.poller.doors[ev.Fd]; d != nil {
			d.accept()
		}
		return
	}
	if ev.Fd == int32(l.poller.waker) {
		var b [8]byte
		_, _ = unix.Read(l.poller.waker, b[:]) // the wake-up is all there is to it
		return
	}
	c := l.poller.lookup(ev.Fd, ev.Pad)
	if c == nil {
		return
	}
	if ev.Events&unix.EPOLLOUT != 0 {
		c.onPollOut()
	}
	if ev.Events&(unix.EPOLLIN|unix.EPOLLHUP|unix.EPOLLERR) == 0 {
		return
	}
	switch {
	case ev.Events&unix.EPOLLIN != 0:
		c.onReadable()
	default: // the peer is gone altogether and we were not reading
		c.hungUp()
	}
}

// hungUp is called when the peer is gone altogether and the connection is not being read. A reset ends it. When
// it was an orderly end, which looks like this on Unix sockets alone, what has come before is taken first, if
// reading has only been put off. epoll would tell of it again and again: it does not watch until reading goes on.
func (c *Conn) hungUp() {
	err := c.socketError()
	if !c.held() || !errors.Is(err, ErrPeerGone) || c.control(unix.EPOLL_CTL_DEL, 0) != nil {
		c.finish(err)
		return
	}
	c.interest = unwatched
}

func (p *epoll) lookup(fd, gen int32) *Conn {
	if int(fd) >= len(p.byFD) {
		return nil
	}
	c := p.byFD[fd]
	if c == nil || c.gen != gen {
		return nil
	}
	return c
}

// attach puts c on its loop.
func (c *Conn) attach(interest uint32) error {
	p := c.loop.poller
	for len(p.byFD) <= int(c.fd) {
		p.byFD = append(p.byFD, make([]*Conn, max(64, len(p.byFD)/2))...)
	}
	p.gen++
	if p.gen < 0 {
		p.gen = 0
	}
	c.gen = p.gen
	c.interest = interest
	if err := c.control(unix.EPOLL_CTL_ADD, interest); err != nil {
		return err
	}
	p.byFD[c.fd] = c
	return nil
}

// updateInterest tells the poller what the connection waits for.
func (c *Conn) updateInterest() {
	if c.nc != nil {
		c.updatePortable()
		return
	}
	if c.fd < 0 {
		return
	}
	var want uint32
	if !c.eof && !c.held() {
		want = unix.EPOLLIN
	}
	c.mu.Lock()
	if c.state&outBlocked != 0 {
		want |= unix.EPOLLOUT
	}
	c.mu.Unlock()
	op := unix.EPOLL_CTL_MOD
	switch {
	case want == c.interest, want == 0 && c.interest == unwatched:
		return
	case c.interest == unwatched:
		op = unix.EPOLL_CTL_ADD
	}
	c.interest = want
	if err := c.control(op, want); err != nil {
		c.mu.Lock()
		c.writeErr = &err
		c.mu.Unlock()
		c.loop.Post((*writeErrorTask)(c))
	}
}

// unwatched is the interest of a connection that the poller does not know: see hungUp.
const unwatched = ^uint32(0)

func (c *Conn) control(op int, interest uint32) error {
	ev := unix.EpollEvent{Events: interest, Fd: c.fd, Pad: c.gen}
	if err := unix.EpollCtl(c.loop.poller.fd, op, int(c.fd), &ev); err != nil {
		return fmt.Errorf("watch socket: %w", err)
	}
	return nil
}

func (c *Conn) onReadable() {
	if c.held() || c.due() {
		return // held since this turn's events were fetched, or left-over input comes first
	}
	l := c.loop
	l.tally(c)
	// An incomplete packet's tail goes in front of what is read, so that a stream
	// of packets across reads costs no buffer of their joint size.
	tail := 0
	if len(c.in) <= len(l.buf)/2 && c.tailInFront() {
		tail = copy(l.buf, c.in)
	}
	n, errno := rawRead(c.fd, l.buf[tail:])
	switch {
	case n > 0:
		l.stats.bytesIn.Add(uint64(n))
		switch {
		case c.filtered:
			c.wire.received(l.buf[:tail+n], tail)
		case tail > 0:
			c.inputJoined(l.buf[:tail+n])
		default:
			c.input(l.buf[:n])
		}
		if !c.ended {
			c.throttleIfFlooded()
		}
	case errno == unix.EAGAIN || errno == unix.EINTR:
	case !c.lastInput(): // epoll tells of the end again
	case errno == 0:
		c.gone(ErrPeerGone)
	default:
		c.gone(errno)
	}
}

func (c *Conn) socketError() error {
	v, err := unix.GetsockoptInt(int(c.fd), unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && v != 0 {
		return syscall.Errno(v)
	}
	return ErrPeerGone
}

// onPollOut continues a write that found the socket full, or a dial.
func (c *Conn) onPollOut() {
	if c.dialing {
		c.onConnected()
		return
	}
	c.mu.Lock()
	c.state &^= outBlocked
	if c.state&(outWriting|outClosed) != 0 {
		c.mu.Unlock()
	} else {
		c.writeLocked(c.loop)
	}
	if c.fd >= 0 {
		c.updateInterest()
	}
}

func rawRead(fd int32, b []byte) (int, syscall.Errno) {
	r, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	if errno != 0 {
		return 0, errno
	}
	return int(r), 0
}

// release frees the descriptor, or leaves that to the loop that is just
// writing to it.
func (c *Conn) release() {
	if c.nc != nil {
		c.releasePortable()
		return
	}
	if c.fd < 0 {
		return
	}
	l, fd := c.loop, c.fd
	l.wheel.disarm(&c.timer)
	c.left()
	if int(fd) < len(l.poller.byFD) && l.poller.byFD[fd] == c { // not if connect failed at once
		l.poller.byFD[fd] = nil
	}
	c.mu.Lock()
	c.fd = -1
	c.state |= outClosed
	if c.state&outWriting != 0 {
		c.state |= outRelease
		c.mu.Unlock()
		return
	}
	c.dropLocked()
	c.mu.Unlock()
	unix.Close(int(fd))
	c.count(-1)
}

// halfClose sends the peer our end of the stream.
func (c *Conn) halfClose() {
	if c.nc != nil {
		c.halfClosePortable()
		return
	}
	if err := unix.Shutdown(int(c.fd), unix.SHUT_WR); err != nil {
		c.release()
	}
}

// openFD makes a connection of a non-blocking socket, of which it takes
// possession, and starts it on a loop. from is the number of its listener; 0 is
// none. on is the loop that it is called on, nil if none. It returns false after Shutdown.
func (e *Engine) openFD(fd int, from uint16, newHandler func(*Conn) Handler, on *Loop) bool {
	c := &Conn{loop: e.nextLoop(), fd: int32(fd), timer: timer{slot: -1}, from: from}
	c.count(1)
	c.h = newHandler(c)
	if c.loop == on {
		(*openTask)(c).Run(on)
		return true
	}
	if !c.loop.Post((*openTask)(c)) {
		unix.Close(fd)
		c.count(-1)
		return false
	}
	return true
}

// isOpen tells whether the connection still has its socket.
func (c *Conn) isOpen() bool { return c.fd >= 0 || c.nc != nil && !c.nc.closed }

// openConns yields the loop's connections.
func (l *Loop) openConns() iter.Seq[*Conn] {
	if l.poller == nil {
		return maps.Keys(l.conns)
	}
	return func(yield func(*Conn) bool) {
		for _, c := range l.poller.byFD {
			if c != nil && !yield(c) {
				return
			}
		}
	}
}

// connsByFD are the loop's connections and gaps between them; nil without epoll. It is for the loop, and until it attaches one.
func (l *Loop) connsByFD() []*Conn { return l.poller.byFD }

// openTask starts a connection on its loop.
type openTask Conn

func (t *openTask) Run(l *Loop) {
	c := (*Conn)(t)
	l.tally(c)
	if err := c.attach(unix.EPOLLIN); err != nil {
		c.finish(err)
		return
	}
	c.opened()
}
