package netloop

import (
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/internal/memnet"
)

// lastWordsTo closes c, with much to say before or little.
func lastWordsTo(c *Conn, much bool) {
	b := []byte("bye")
	if much {
		b = make([]byte, 4<<20)
	}
	c.Write(c.Loop(), b)
	c.Close(net.ErrClosed)
}

// A closed connection whose peer neither reads nor closes its side goes at its time, over any transport, and counts no longer then.
func TestLingerOfTransports(t *testing.T) {
	for _, full := range []bool{false, true} {
		for _, tr := range transports() {
			t.Run(tr.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					e := startEngine(t, Config{Portable: true})
					var released atomic.Int32
					p := newProbe(t)
					lc := ListenConfig{
						NewHandler: func(*Conn) Handler { return p },
						Admit:      func(netip.Addr) (func(), bool) { return func() { released.Add(1) }, true },
					}
					tr.configure(&lc)
					nl := memnet.Listen("broker")
					if _, err := e.ListenWith(nl, lc); err != nil {
						t.Fatal(err)
					}
					nc, err := nl.Dial(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					defer nc.Close()
					tr.wrap(t, nc)
					c := <-p.opened
					onLoopSync(c, func() { lastWordsTo(c, full) })
					time.Sleep(lingerTime - wheelTick)
					synctest.Wait()
					if got := e.Stats().Open; got != 1 || released.Load() != 0 {
						t.Errorf("full %t: %d connections open and %d released before their time, want 1 and none", full, got, released.Load())
					}
					time.Sleep(3 * wheelTick)
					synctest.Wait()
					if got := e.Stats().Open; got != 0 || released.Load() != 1 {
						t.Errorf("full %t: %d connections open and %d released, want none and 1", full, got, released.Load())
					}
				})
			})
		}
	}
}
