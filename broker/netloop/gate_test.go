package netloop

import (
	"net"
	"testing"
	"time"
)

// TestSetAccepting shuts the gate before a connection comes: it waits in the kernel's queue, or is held, until the
// gate opens, and is served then. One that is open already goes on.
func TestSetAccepting(t *testing.T) {
	eachEngine(t, func(t *testing.T, cfg Config) {
		e := startEngine(t, cfg)
		probes := make(chan *probe, 4)
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.Listen(ln, func(*Conn) Handler {
			p := newProbe(t)
			p.onData = func(c *Conn, data []byte) int { c.Write(c.Loop(), data); return len(data) }
			probes <- p
			return p
		}, nil); err != nil {
			t.Fatal(err)
		}
		dial := func() net.Conn {
			t.Helper()
			c, err := net.Dial("tcp", ln.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() })
			return c
		}
		echo := func(c net.Conn) {
			t.Helper()
			if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
				t.Fatal(err)
			}
			b := []byte("x")
			if _, err := c.Write(b); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Read(b); err != nil {
				t.Fatalf("no echo: %v", err)
			}
		}
		early := dial()
		echo(early)
		if e.SetAccepting(true) {
			t.Error("got a change, though it accepts at first")
		}
		if !e.SetAccepting(false) || e.SetAccepting(false) {
			t.Error("got no change, or two, of shutting once")
		}
		late := dial()
		if _, err := late.Write([]byte("x")); err != nil { // which may come before it is accepted
			t.Fatal(err)
		}
		eventually(t, "the listener at the gate", func() bool { return e.gate.waiting.Load() == 1 })
		echo(early)
		if got := e.Stats().Accepted; got != 1 {
			t.Errorf("got %d accepted behind a gate that is shut, want 1", got)
		}
		if !e.SetAccepting(true) {
			t.Error("got no change of opening")
		}
		echo(late)
		if got := e.Stats().Accepted; got != 2 {
			t.Errorf("got %d accepted, want 2", got)
		}
	})
}

// An engine ends although its gate is shut, and lets go of who waits there.
func TestShutdownBehindGate(t *testing.T) {
	eachEngine(t, func(t *testing.T, cfg Config) {
		e := startEngine(t, cfg)
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.Listen(ln, func(*Conn) Handler { return newProbe(t) }, nil); err != nil {
			t.Fatal(err)
		}
		e.SetAccepting(false)
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		eventually(t, "the listener at the gate", func() bool { return e.gate.waiting.Load() == 1 })
		shutdown(t, e, nil)
		if got := e.Stats().Accepted; got != 0 {
			t.Errorf("got %d accepted, want 0", got)
		}
	})
}
