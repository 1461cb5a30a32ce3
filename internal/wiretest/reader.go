// Package wiretest has what the tests of all protocol fronts share: the client's end of a Network Connection, and what an
// idle connection takes of the heap.
package wiretest

import (
	"net"
	"sync"
	"time"
)

// Reader keeps what a server has sent until a test takes it. Its methods may be called from any goroutine.
type Reader struct {
	done chan struct{}

	mu      sync.Mutex // guards the rest
	in      []byte
	ended   bool
	arrived chan struct{} // closed and replaced whenever something has changed
}

// NewReader returns a Reader that has nothing. Somebody has to call Run, or Feed and End.
func NewReader() *Reader {
	return &Reader{done: make(chan struct{}), arrived: make(chan struct{})}
}

// Run reads until the connection ends, and closes it. It blocks as long.
func (r *Reader) Run(nc net.Conn) {
	buf := make([]byte, 64<<10)
	for {
		n, err := nc.Read(buf)
		r.Feed(buf[:n])
		if err != nil {
			r.End()
			nc.Close()
			return
		}
	}
}

// Feed adds what the server has sent.
func (r *Reader) Feed(b []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.in = append(r.in, b...)
	r.changed()
}

// End tells that no more will come. It must be called once.
func (r *Reader) End() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
	r.changed()
	close(r.done)
}

func (r *Reader) changed() {
	close(r.arrived)
	r.arrived = make(chan struct{})
}

// Done is closed when no more will come.
func (r *Reader) Done() <-chan struct{} { return r.done }

// Ended tells whether no more will come.
func (r *Reader) Ended() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ended
}

// Waiting is a copy of what has come and was not taken.
func (r *Reader) Waiting() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]byte(nil), r.in...)
}

// Take shows cut what has come; cut returns how many bytes it has taken, or -1 if it can make nothing of them, which throws
// them away; it must keep none of in. ok is false if it has taken none; then ended tells that no more will come.
func (r *Reader) Take(cut func(in []byte) (n int)) (ok, ended bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := cut(r.in)
	if n < 0 {
		r.in = nil
	}
	if n <= 0 {
		return false, r.ended
	}
	if r.in = r.in[n:]; len(r.in) == 0 {
		r.in = nil
	}
	return true, false
}

// Await is Take, again and again until cut has taken something, no more will come, or patience is over, of which late tells.
func (r *Reader) Await(patience time.Duration, cut func(in []byte) (n int)) (ok, late bool) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		r.mu.Lock()
		arrived := r.arrived
		r.mu.Unlock()
		if ok, ended := r.Take(cut); ok || ended {
			return ok, false
		}
		select {
		case <-arrived:
		case <-timer.C:
			return false, true
		}
	}
}
