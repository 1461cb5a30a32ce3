package netloop

import (
	"net"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// A listening socket that somebody has shut, which epoll tells of whatever one waits for, is left alone between attempts too.
func TestAcceptShutSocket(t *testing.T) {
	e := startEngine(t, Config{})
	nl, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var told atomic.Int64
	failed, goOn := make(chan error, 2), make(chan struct{})
	ln, err := e.ListenWith(nl, ListenConfig{
		NewHandler: func(*Conn) Handler { return newProbe(t) },
		OnError: func(err error) {
			told.Add(1)
			select {
			case failed <- err:
			default: // nobody wants to know any more
			}
			<-goOn
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	d := ln.door
	d.loop.call(func() { err = unix.Shutdown(d.fd, unix.SHUT_RD) })
	if err != nil {
		t.Fatal(err)
	}
	_ = receive(t, failed, "OnError")
	for range 100 {
		d.loop.sync()
	}
	if got := told.Load(); got != 1 {
		t.Errorf("OnError is called %d times at once", got)
	}
	close(goOn)
	_ = receive(t, failed, "OnError, of the next attempt")
}
