package netloop

import (
	"errors"
	"io"
	"net"
	"path/filepath"
	"testing"
	"time"
)

// gallery is an engine with peers that read when the test does.
type gallery struct {
	t      *testing.T
	engine *Engine
	addr   string
	probes chan *probe
}

func newGallery(t *testing.T, cfg Config) *gallery {
	t.Helper()
	w := &gallery{t: t, engine: startEngine(t, cfg), addr: filepath.Join(t.TempDir(), "s"), probes: make(chan *probe, 1)}
	ln, err := net.Listen("unix", w.addr) // whose buffers are small, and do not grow
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.engine.Listen(ln, func(*Conn) Handler {
		p := newProbe(t)
		w.probes <- p
		return p
	}, nil); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *gallery) dial() (net.Conn, *Conn, *probe) {
	w.t.Helper()
	peer, err := net.Dial("unix", w.addr)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { peer.Close() })
	if err := peer.SetDeadline(time.Now().Add(patience)); err != nil {
		w.t.Fatal(err)
	}
	p := receive(w.t, w.probes, "handler")
	return peer, p.conn(), p
}

// put puts out n MiB, of which most waits since nobody reads.
func (w *gallery) put(c *Conn, n int) { c.Write(nil, make([]byte, n<<20)) }

// look has everybody looked at, and at most n closed that were behind three times before.
func (w *gallery) look(g *Laggards, n int) {
	w.t.Helper()
	g.Close(n, 3)
	for i := range g.loops {
		eventually(w.t, "end of a look", func() bool { return !g.loops[i].under.Load() })
		g.loops[i].loop.sync()
	}
}

// Those who read nothing are closed, the largest first, so many at a time. Who reads all between two looks is none of
// them, though as much waits for it at each look.
func TestLaggards(t *testing.T) {
	eachEngine(t, func(t *testing.T, cfg Config) {
		w := newGallery(t, cfg)
		g := w.engine.NewLaggards()
		for i := range g.loops {
			g.loops[i].each = 3 // a look takes several turns
		}
		var stuck []*probe
		for _, n := range []int{2, 4, 3} {
			_, c, p := w.dial()
			w.put(c, n)
			stuck = append(stuck, p)
		}
		peer, busy, healthy := w.dial()
		_, _, idle := w.dial()
		for i, want := range []uint64{0, 0, 0, 1, 2, 3, 3} {
			w.put(busy, 2)
			w.look(g, 1)
			if got := w.engine.Stats().Laggards; got != want {
				t.Errorf("look %d: got %d closed, want %d", i, got, want)
			}
			if _, err := io.CopyN(io.Discard, peer, 2<<20); err != nil {
				t.Fatal(err)
			}
			eventually(t, "output that is written", func() bool { return busy.Waiting() == 0 })
			for order, p := range []*probe{stuck[1], stuck[2], stuck[0]} {
				if open := p.state.Load() == 1; open != (want < uint64(order)+1) {
					t.Errorf("look %d: the laggard with rank %d is open: %t", i, order+1, open)
				}
			}
		}
		for _, p := range stuck {
			if err := receive(t, p.closed, "OnClose"); !errors.Is(err, ErrLaggard) {
				t.Errorf("got %v, want ErrLaggard", err)
			}
		}
		if healthy.state.Load() != 1 || idle.state.Load() != 1 {
			t.Error("got one closed that reads, or that has nothing to read")
		}
	})
}

// What has been found is worth nothing once it is forgotten, nor for a peer that has read meanwhile.
func TestLaggardsForget(t *testing.T) {
	eachEngine(t, func(t *testing.T, cfg Config) {
		w := newGallery(t, cfg)
		g := w.engine.NewLaggards()
		peer, c, p := w.dial()
		w.put(c, 2)
		for range 3 {
			w.look(g, 0)
		}
		g.Forget()
		w.look(g, 1) // closes nobody, and looks
		if got := w.engine.Stats().Laggards; got != 0 {
			t.Errorf("got %d closed of those forgotten, want 0", got)
		}
		for range 3 {
			w.look(g, 0)
		}
		if _, err := io.CopyN(io.Discard, peer, 2<<20); err != nil {
			t.Fatal(err)
		}
		eventually(t, "output that is written", func() bool { return c.Waiting() == 0 })
		w.look(g, 1)
		if got := w.engine.Stats().Laggards; got != 0 || p.state.Load() != 1 {
			t.Errorf("got %d closed of those that have read meanwhile, want 0", got)
		}
	})
}

// Lags tells of a socket that is full.
func TestLags(t *testing.T) {
	eachEngine(t, func(t *testing.T, cfg Config) {
		w := newGallery(t, cfg)
		peer, c, _ := w.dial()
		if c.Lags() {
			t.Error("at first: got true")
		}
		w.put(c, 2)
		eventually(t, "peer that lags", c.Lags)
		if _, err := io.CopyN(io.Discard, peer, 2<<20); err != nil {
			t.Fatal(err)
		}
		eventually(t, "peer that has caught up", func() bool { return !c.Lags() })
	})
}
