// Package memnet is a network in memory for tests: buffered connections and
// listeners whose reads, writes and accepts can be made to wait or to fail.
//
// Waiting is done on [sync.Cond] only, so that the package works inside a
// testing/synctest bubble: a goroutine that waits for bytes, for room or for a
// connection is durably blocked.
package memnet

import (
	"net"
	"sync"
	"time"
)

// BufferSize is how many bytes a connection of Pipe and Listener.Dial holds
// between a Write and the peer's Read, in each direction.
const BufferSize = 64 << 10

// Addr is the address of everything in memory: its value is its name.
type Addr string

// Network returns "mem".
func (Addr) Network() string { return "mem" }

// String returns the name.
func (a Addr) String() string { return string(a) }

// Pipe returns two connected connections that buffer BufferSize bytes each way.
func Pipe() (a, b *Conn) { return PipeSize(BufferSize) }

// PipeSize is Pipe with buffers of size bytes, at least 1.
func PipeSize(size int) (a, b *Conn) {
	ab, ba := newStream(size), newStream(size)
	a = &Conn{in: ba, out: ab, local: "a", remote: "b"}
	b = &Conn{in: ab, out: ba, local: "b", remote: "a"}
	return a, b
}

var (
	_ net.Conn     = (*Conn)(nil)
	_ net.Listener = (*Listener)(nil)
)

// stream is one direction of a connection.
type stream struct {
	// guarded by mu
	mu   sync.Mutex
	cond *sync.Cond // something below has changed
	buf  []byte     // written and not yet read; len(buf) <= size
	size int

	ended bool  // the writer has ended: end of file after buf
	gone  bool  // the reader has closed: writes fail
	reset error // both sides fail with it

	r, w side
}

// side is what the reader's or the writer's end of a stream has been told.
type side struct {
	closed  bool
	blocked bool
	fail    error
	late    bool // the deadline has passed
	timer   *time.Timer
	calls   int
}

func newStream(size int) *stream {
	s := &stream{size: max(size, 1)}
	s.cond = sync.NewCond(&s.mu)
	return s
}

// change runs f under the lock and wakes whoever waits.
func (s *stream) change(f func()) {
	s.mu.Lock()
	f()
	s.cond.Broadcast()
	s.mu.Unlock()
}
