package netloop

import (
	"sync/atomic"
	"time"
)

// Lag measures how late the loops of an engine are: how long what is posted to them waits until they get to it. It is
// for one goroutine at a time.
type Lag struct {
	engine *Engine
	probes []lagProbe // one for each loop
}

// lagProbe is a task that is posted again and again, never twice at a time.
type lagProbe struct {
	at    time.Duration // when it was posted; not changed while it waits
	waits atomic.Bool   // it is posted and has not run
	late  atomic.Int64  // how long it has waited the last time, in ns
}

// Run implements Task.
func (p *lagProbe) Run(l *Loop) {
	p.late.Store(int64(l.engine.now() - p.at))
	p.waits.Store(false)
}

// NewLag returns a Lag that has measured nothing.
func (e *Engine) NewLag() *Lag { return &Lag{engine: e, probes: make([]lagProbe, len(e.loops))} }

// Sample returns how long the latest of the loops has taken to get to what the call before has posted, or for how
// long it has not got to it, and posts to each loop anew. The first call returns 0. It does not block; a loop that
// sleeps is woken for a moment.
func (g *Lag) Sample() time.Duration {
	var worst time.Duration
	for i := range g.probes {
		p, now := &g.probes[i], g.engine.now()
		if p.waits.Load() {
			worst = max(worst, now-p.at)
			continue
		}
		worst = max(worst, time.Duration(p.late.Load()))
		p.at = now
		p.late.Store(0)
		p.waits.Store(true)
		if !g.engine.loops[i].Post(p) {
			p.waits.Store(false) // the engine has ended
		}
	}
	return worst
}
