package netloop

import (
	"crypto/tls"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// BenchmarkTransport sends 64 bytes there and back over each transport, from
// 100 connections that each wait for their answer.
func BenchmarkTransport(b *testing.B) {
	for _, tr := range transports() {
		b.Run(tr.name, func(b *testing.B) { benchmarkEcho(b, Config{}, tr) })
	}
}

// BenchmarkHandshakeFlood is BenchmarkTransport over TLS while clients do
// nothing but handshakes, as many at once as the name says.
func BenchmarkHandshakeFlood(b *testing.B) {
	for name, clients := range map[string]int{"0": 0, "8": 8} {
		b.Run(name, func(b *testing.B) {
			e, addr := tlsEcho(b, Config{})
			stop := make(chan struct{})
			var wg sync.WaitGroup
			for range clients {
				wg.Go(func() {
					for {
						select {
						case <-stop:
							return
						default:
						}
						nc := dialTCP(b, addr)
						_ = tls.Client(nc, clientTLS()).Handshake()
						_ = nc.SetLinger(0)
						nc.Close()
					}
				})
			}
			before := e.Stats().Handshakes
			benchmarkEchoAt(b, transports()[1], addr)
			b.ReportMetric(float64(e.Stats().Handshakes-before)/b.Elapsed().Seconds(), "handshakes/s")
			close(stop)
			wg.Wait()
		})
	}
}

func benchmarkEcho(b *testing.B, cfg Config, tr transport) {
	benchmarkEchoAt(b, tr, tr.listen(b, startEngine(b, cfg), func(*Conn) Handler {
		p := newProbe(b)
		p.onData = echo
		return p
	}))
}

func benchmarkEchoAt(b *testing.B, tr transport, addr net.Addr) {
	const conns = 100
	work := make(chan struct{}, conns)
	var wg sync.WaitGroup
	for range conns {
		client := tr.dial(b, addr)
		check(b, client.SetDeadline(time.Time{}))
		if ws, ok := client.(*wsStream); ok {
			client = &wsBench{stream: ws.stream, ws: ws, frame: frame(ws.r, 0x82, make([]byte, 64))}
		}
		wg.Go(func() {
			defer client.Close()
			buf := make([]byte, 64)
			for range work {
				send(b, client, buf)
				if _, err := io.ReadFull(client, buf); err != nil {
					b.Error(err)
				}
			}
		})
	}
	b.ReportAllocs()
	for b.Loop() {
		work <- struct{}{}
	}
	close(work)
	wg.Wait()
}

// wsBench writes a frame made before, so that the client costs little.
type wsBench struct {
	stream
	ws    *wsStream
	frame []byte
}

func (w *wsBench) Write([]byte) (int, error)  { return w.stream.Write(w.frame) }
func (w *wsBench) Read(b []byte) (int, error) { return w.ws.Read(b) }
func (w *wsBench) Close() error               { return w.stream.Close() }
