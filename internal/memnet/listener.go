package memnet

import (
	"context"
	"net"
	"sync"
)

// Listener is a net.Listener in memory. Its backlog has no bound.
type Listener struct {
	addr Addr

	// guarded by mu
	mu      sync.Mutex
	cond    *sync.Cond
	backlog []*Conn
	fails   []error
	accepts int
	closed  bool
}

// Listen returns a listener of that name. Names need not be unique: a client
// dials the Listener, not the name.
func Listen(name string) *Listener {
	l := &Listener{addr: Addr(name)}
	l.cond = sync.NewCond(&l.mu)
	return l
}

// Accept waits for a Dial. It returns net.ErrClosed after Close.
func (l *Listener) Accept() (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.accepts++
	for {
		switch {
		case l.closed:
			return nil, net.ErrClosed
		case len(l.fails) > 0:
			err := l.fails[0]
			l.fails = l.fails[1:]
			return nil, err
		case len(l.backlog) > 0:
			c := l.backlog[0]
			l.backlog = l.backlog[1:]
			return c, nil
		}
		l.cond.Wait()
	}
}

// FailAccepts makes the next calls of Accept return errs, one each; an Accept
// that is waiting returns the first.
func (l *Listener) FailAccepts(errs ...error) {
	l.mu.Lock()
	l.fails = append(l.fails, errs...)
	l.cond.Broadcast()
	l.mu.Unlock()
}

// Accepts is the number of calls of Accept.
func (l *Listener) Accepts() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.accepts
}

// Dial connects to l and does not wait for Accept. It fails with ctx's error or
// net.ErrClosed.
func (l *Listener) Dial(ctx context.Context) (*Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	client, server := Pipe()
	client.remote, server.local = l.addr, l.addr
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, net.ErrClosed
	}
	l.backlog = append(l.backlog, server)
	l.cond.Broadcast()
	return client, nil
}

// Close makes Accept and Dial fail. Connections that were not accepted are closed.
func (l *Listener) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return net.ErrClosed
	}
	l.closed = true
	for _, c := range l.backlog {
		c.Close()
	}
	l.backlog = nil
	l.cond.Broadcast()
	return nil
}

// Addr is the listener's name.
func (l *Listener) Addr() net.Addr { return l.addr }
