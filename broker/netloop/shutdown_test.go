package netloop

import (
	"context"
	"io"
	"testing"
)

// Shutdown lets every handler take leave: its last packet arrives, and after it
// what ends the transport in its own way.
func TestShutdownTakesLeave(t *testing.T) {
	eachTransport(t, func(t *testing.T, cfg Config, tr transport) {
		const conns = 20
		e := startEngine(t, cfg)
		opened := make(chan *Conn, conns)
		addr := tr.listen(t, e, func(*Conn) Handler {
			p := newProbe(t)
			p.opened = opened
			p.onShutdown = func(c *Conn) {
				c.Write(c.Loop(), []byte("bye"))
				c.Close(ErrShutdown)
			}
			return p
		})
		var clients []stream
		for range conns {
			clients = append(clients, tr.dial(t, addr))
			receive(t, opened, "OnOpen")
		}
		done := make(chan error, 1)
		go func() { done <- e.Shutdown(context.Background()) }()
		for _, client := range clients {
			wantBytes(t, client, []byte("bye"))
			wantEOF(t, client) // of TLS only after close_notify
			if ws, ok := client.(*wsStream); ok && ws.code != closeGoingAway {
				t.Errorf("closed with code %d, want %d", ws.code, closeGoingAway)
			}
			client.Close()
		}
		check(t, <-done)
	})
}

// A peer that ends its connection without the transport's words is gone all the same.
func TestPeerEndsWithoutWords(t *testing.T) {
	eachEngine(t, func(t *testing.T, cfg Config) {
		for _, tr := range transports() {
			for _, paused := range []bool{false, true} {
				e := startEngine(t, cfg)
				p := newProbe(t)
				var got []byte
				p.onOpen = func(c *Conn) {
					if paused {
						c.PauseRead()
					}
				}
				p.onData = func(_ *Conn, data []byte) int { got = append(got, data...); return len(data) }
				nc := dialTCP(t, tr.listen(t, e, func(*Conn) Handler { return p }))
				client := tr.wrap(t, nc)
				send(t, client, []byte("hello"))
				check(t, nc.CloseWrite())
				if paused {
					c := p.conn()
					onLoop(t, c, c.ResumeRead)
				}
				wantClosed(t, p, ErrPeerGone)
				if string(got) != "hello" {
					t.Errorf("%s: handler got %q before OnClose, want all", tr.name, got)
				}
				if _, err := io.Copy(io.Discard, nc); err != nil {
					t.Errorf("%s: %v", tr.name, err)
				}
			}
		}
	})
}

// The transport's end comes with data that the handler does not take at once:
// it gets all of it, and then the end.
func TestEndWhilePaused(t *testing.T) {
	eachTransport(t, func(t *testing.T, cfg Config, tr transport) {
		p := newProbe(t)
		p.onOpen = (*Conn).PauseRead
		got := 0
		p.onData = func(c *Conn, data []byte) int {
			got++
			if got < 5 {
				c.PauseRead()
				c.Loop().PostFunc(c.ResumeRead)
			}
			return 1
		}
		c, client := tr.connect(t, cfg, p)
		send(t, client, []byte("hello"))
		check(t, client.CloseWrite())
		onLoop(t, c, c.ResumeRead)
		wantClosed(t, p, ErrPeerGone)
		if got != 5 {
			t.Errorf("OnData %d times, want 5", got)
		}
	})
}

// keeper is a probe that has input in hand.
type keeper struct {
	*probe
	left  int      // what is in hand; the loop's
	asked chan int // has left, each time
}

func (k *keeper) OnPeerEnd(*Conn) bool {
	k.mustBe("OnPeerEnd", 1)
	k.asked <- k.left
	return k.left > 0
}

// A connection whose handler has input in hand is not closed when the peer ends its stream. The handler is asked once
// each time that it has resumed, until it has dealt with all.
func TestEndIsKept(t *testing.T) {
	eachEngine(t, func(t *testing.T, cfg Config) {
		for _, tr := range transports() {
			for _, words := range []bool{true, false} {
				e := startEngine(t, cfg)
				k := &keeper{probe: newProbe(t), left: 3, asked: make(chan int, 10)}
				nc := dialTCP(t, tr.listen(t, e, func(*Conn) Handler { return k }))
				client := tr.wrap(t, nc)
				send(t, client, []byte("hello"))
				if words {
					check(t, client.CloseWrite())
				} else {
					check(t, nc.CloseWrite())
				}
				c := k.conn()
				for want := 3; want > 0; want-- {
					if got := receive(t, k.asked, "OnPeerEnd"); got != want {
						t.Errorf("%s: asked with %d in hand, want %d", tr.name, got, want)
					}
					onLoop(t, c, func() {})
					onLoop(t, c, func() {
						if len(k.asked) > 0 || !c.Paused() {
							t.Errorf("%s: asked again, paused: %t; want not, true", tr.name, c.Paused())
						}
						k.left--
						c.ResumeRead()
					})
				}
				wantClosed(t, k.probe, ErrPeerGone)
			}
		}
	})
}
