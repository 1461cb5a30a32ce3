package netloop

import (
	"io"
	"net"
	"sync"
	"testing"
)

// BenchmarkEcho sends 64 bytes there and back, over 100 connections that each
// wait for their answer.
func BenchmarkEcho(b *testing.B) {
	for name, cfg := range map[string]Config{"epoll": {}, "portable": {Portable: true}} {
		b.Run(name, func(b *testing.B) { benchmarkEcho(b, cfg, plainTransport) })
	}
}

// BenchmarkFanOut puts a small message out to 1,000 connections of all loops in
// one turn, and waits until all are read.
func BenchmarkFanOut(b *testing.B) {
	const conns = 1000
	e := startEngine(b, Config{})
	opened := make(chan *Conn, conns)
	addr := listen(b, e, func(*Conn) Handler {
		p := newProbe(b)
		p.onOpen = func(c *Conn) { opened <- c }
		return p
	})
	var all []*Conn
	var readers, round sync.WaitGroup
	for range conns {
		nc, err := net.Dial("tcp", addr.String())
		if err != nil {
			b.Fatal(err)
		}
		all = append(all, <-opened)
		readers.Go(func() {
			defer nc.Close()
			buf := make([]byte, 64)
			for {
				if _, err := io.ReadFull(nc, buf); err != nil {
					return
				}
				round.Done()
			}
		})
	}
	l := e.Loops()[0]
	message := make([]byte, 64)
	b.ReportAllocs()
	for b.Loop() {
		round.Add(conns)
		l.PostFunc(func() {
			for _, c := range all {
				c.Write(l, message)
			}
		})
		round.Wait()
	}
	for _, c := range all {
		c.CloseFrom(io.EOF)
	}
	readers.Wait()
}
