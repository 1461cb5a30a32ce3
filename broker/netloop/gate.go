package netloop

import (
	"sync"
	"sync/atomic"
)

// gate holds up those who accept. The zero value is open.
type gate struct {
	shut    atomic.Pointer[chan struct{}] // closed when the gate opens; nil while it is open
	waiting atomic.Int32                  // listeners that stand before it

	mu sync.Mutex // of those who open and shut
}

func (g *gate) isShut() bool { return g.shut.Load() != nil }

// set opens or shuts the gate, and tells whether that is a change.
func (g *gate) set(open bool) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	old := g.shut.Load()
	switch {
	case open == (old == nil):
		return false
	case open:
		g.shut.Store(nil)
		close(*old)
	default:
		c := make(chan struct{})
		g.shut.Store(&c)
	}
	return true
}

// pass waits until the gate is open. It returns false if done is closed meanwhile.
func (g *gate) pass(done <-chan struct{}) bool {
	for {
		c := g.shut.Load()
		if c == nil {
			return true
		}
		g.waiting.Add(1)
		select {
		case <-*c:
			g.waiting.Add(-1)
		case <-done:
			g.waiting.Add(-1)
			return false
		}
	}
}

// SetAccepting says whether the listeners accept, as they do at first. While they do not, connections wait in the
// kernel's queue of each listener, as many as fit, and are served afterwards; those that are open already do not
// notice, nor do connections of Dial and Adopt. It does not block, and may be called by any goroutine.
func (e *Engine) SetAccepting(on bool) (changed bool) { return e.gate.set(on) }
