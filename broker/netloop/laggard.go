package netloop

import (
	"cmp"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
)

// lagging is how many bytes must wait for a peer all the time for it to be a laggard.
const lagging = 64 << 10

const (
	// lookEach is how many connections of a loop are looked at in one turn.
	lookEach = 2048
	// keepEach is how many laggards of a loop are remembered from look to look: those for whom most waits.
	keepEach = 256
)

// ErrLaggard closes the connection of a peer that was among the slowest to read while the node had too much to do.
var ErrLaggard = errors.New("netloop: peer reads too slowly while the node has too much to do")

// Lags tells whether the peer has yet to take what was put out for it: the socket takes no more, or more than
// Config.LowWater bytes wait. May be called from any goroutine.
func (c *Conn) Lags() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state&outBlocked != 0 || c.waitingLocked() > c.loop.engine.cfg.LowWater
}

// Laggards finds the connections whose peers are slowest to read, and closes them. A connection that has been
// written out, or nearly so, since the last look is none, however much is put out for it. It is for one goroutine.
type Laggards struct {
	engine *Engine
	loops  []laggardLoop
}

// laggardLoop looks through the connections of one loop, a part in each turn. It is the loop's while it is under way.
type laggardLoop struct {
	loop  *Loop
	each  int           // connections for each turn
	next  int           // where the next part begins
	ages  map[*Conn]int // looks in a row for which those found have been behind
	found []laggard     // by this look
	under atomic.Bool   // a look is under way

	mu     sync.Mutex // guards result
	result []laggard  // of the last look that has ended, most first
}

// laggard is a connection that has been behind for some looks, and the bytes that wait for it.
type laggard struct {
	conn  *Conn
	age   int
	bytes int
}

// NewLaggards returns a Laggards that has not looked.
func (e *Engine) NewLaggards() *Laggards {
	g := &Laggards{engine: e, loops: make([]laggardLoop, len(e.loops))}
	for i, l := range e.loops {
		g.loops[i].loop, g.loops[i].each = l, lookEach
	}
	return g
}

// Close closes at most n connections that have been behind for at least age looks, with ErrLaggard and without
// grace: those for whom most bytes have waited longest, by the product of the two. Then each loop looks anew, unless it is
// still looking. It does not block: connections close in the next turns of their loops.
func (g *Laggards) Close(n, age int) {
	var worst []laggard
	for i := range g.loops {
		l := &g.loops[i]
		l.mu.Lock()
		for _, x := range l.result {
			if x.age >= age {
				worst = append(worst, x)
			}
		}
		l.result = nil
		l.mu.Unlock()
	}
	slices.SortFunc(worst, bySlowness)
	for _, x := range worst[:min(n, len(worst))] {
		x.conn.loop.Post((*laggardTask)(x.conn))
	}
	for i := range g.loops {
		l := &g.loops[i]
		if l.under.CompareAndSwap(false, true) && !l.loop.Post(l) {
			l.under.Store(false) // the engine has ended
		}
	}
}

// Forget drops what has been found, when there is no need to close anybody any more.
func (g *Laggards) Forget() {
	for i := range g.loops {
		l := &g.loops[i]
		l.mu.Lock()
		l.result = nil
		l.mu.Unlock()
		l.loop.PostFunc(func() { l.ages = nil })
	}
}

// bySlowness puts those first for whom most has waited longest.
func bySlowness(a, b laggard) int { return cmp.Compare(b.age*b.bytes, a.age*a.bytes) }

// laggardTask closes a connection, unless it has been written out meanwhile.
type laggardTask Conn

// Run implements Task.
func (t *laggardTask) Run(l *Loop) {
	c := (*Conn)(t)
	c.mu.Lock()
	still := c.state&outLagging != 0
	c.mu.Unlock()
	if still && !c.ended {
		l.engine.laggards.Add(1)
		c.finish(ErrLaggard)
	}
}

// Run implements Task: it looks at the next part of the loop's connections.
func (l *laggardLoop) Run(loop *Loop) {
	if loop.poller == nil {
		loop.eachConn(l.look)
		l.ended()
		return
	}
	all := loop.connsByFD()
	to := min(l.next+l.each, len(all))
	for _, c := range all[min(l.next, to):to] {
		if c != nil {
			l.look(c)
		}
	}
	if l.next = to; to < len(all) && loop.Post(l) {
		return
	}
	l.ended()
}

// look notes c if it is behind, and for how many looks it has been so.
func (l *laggardLoop) look(c *Conn) {
	c.mu.Lock()
	n := c.waitingLocked()
	was := c.state&outLagging != 0
	if n > lagging {
		c.state |= outLagging
	}
	c.mu.Unlock()
	if n <= lagging || c.ended {
		return
	}
	x := laggard{conn: c, age: 1, bytes: n}
	if was {
		x.age += l.ages[c]
	}
	if l.found = append(l.found, x); len(l.found) >= 2*keepEach {
		l.cut()
	}
}

// cut leaves the slowest of those found.
func (l *laggardLoop) cut() {
	slices.SortFunc(l.found, bySlowness)
	l.found = l.found[:min(len(l.found), keepEach)]
}

// ended hands over what a look has found.
func (l *laggardLoop) ended() {
	l.cut()
	l.ages = make(map[*Conn]int, len(l.found))
	for _, x := range l.found {
		l.ages[x.conn] = x.age
	}
	l.mu.Lock()
	l.result = l.found
	l.mu.Unlock()
	l.found, l.next = nil, 0
	l.under.Store(false)
}
