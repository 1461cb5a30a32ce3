package floods

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"sync"
)

// sink is a dummy: it takes connections and throws away what comes.
type sink struct {
	ln   net.Listener
	does dummy
	tls  *tls.Config
	wg   sync.WaitGroup

	// guarded by mu
	mu     sync.Mutex
	conns  map[net.Conn]struct{}
	closed bool
}

// startSink listens on a free port of the loopback address.
func startSink(does dummy, cert tls.Certificate) (*sink, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &sink{ln: ln, does: does, tls: &tls.Config{Certificates: []tls.Certificate{cert}}, conns: make(map[net.Conn]struct{})}
	s.wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			if s.add(c) {
				s.wg.Go(func() {
					s.serve(c)
					s.remove(c)
				})
			}
		}
	})
	return s, nil
}

func (s *sink) addr() string { return s.ln.Addr().String() }

func (s *sink) add(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		c.Close()
		return false
	}
	s.conns[c] = struct{}{}
	return true
}

func (s *sink) remove(c net.Conn) {
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
	c.Close()
}

// serve never fails: what a flood does wrong is its business.
func (s *sink) serve(c net.Conn) {
	var b [64]byte
	switch {
	case s.does.tls:
		if tls.Server(c, s.tls).Handshake() != nil {
			return
		}
		if s.does.answer {
			_, _ = c.Read(b[:]) // and close, whatever it was
			return
		}
	case s.does.upgrade:
		r := bufio.NewReader(c)
		if _, err := http.ReadRequest(r); err != nil {
			return
		}
		if _, err := io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"); err != nil {
			return
		}
	case s.does.answer:
		if _, err := c.Read(b[:]); err == nil {
			_, _ = c.Write(b[:1]) // the flood may be gone
		}
		return
	}
	for {
		if _, err := c.Read(b[:]); err != nil {
			return
		}
	}
}

// close ends all.
func (s *sink) close() {
	s.ln.Close()
	s.mu.Lock()
	s.closed = true
	for c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
}
