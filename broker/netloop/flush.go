package netloop

import "errors"

// flush writes what waits, on behalf of loop by, which need not be the
// connection's own. It holds no lock while writing.
func (c *Conn) flush(by *Loop) {
	c.mu.Lock()
	c.state &^= outDirty
	if c.state&(outWriting|outClosed|outBlocked) != 0 {
		// Whoever is writing goes on until nothing waits.
		c.mu.Unlock()
		return
	}
	if c.nc != nil {
		c.startWriter()
		return
	}
	c.writeLocked(by)
}

// wroteAll is called with c.mu held when nothing waits any more; it unlocks
// and tells the connection's loop what has become due.
func (c *Conn) wroteAll() {
	c.dropLocked()
	c.noteProgress()
}

// noteProgress is called with c.mu held after a write; it unlocks.
func (c *Conn) noteProgress() {
	var due outState
	n := c.waitingLocked()
	if n <= lagging {
		c.state &^= outLagging
	}
	if c.state&outRefused != 0 && n <= c.loop.engine.cfg.LowWater {
		c.state &^= outRefused
		due |= outRefused
	}
	if c.state&(outFinish|outFinished) == outFinish && !c.pendingLocked() {
		c.state |= outFinished
		due |= outFinish
	}
	c.mu.Unlock()
	if due&outRefused != 0 {
		c.loop.Post((*writableTask)(c))
	}
	if due&outFinish != 0 {
		c.loop.Post((*halfCloseTask)(c))
	}
}

// failed is called with c.mu held when writing has failed; it unlocks.
func (c *Conn) failed(err error) {
	c.writeErr = &err
	c.state |= outClosed
	c.state &^= outRefused | outBlocked
	c.dropLocked()
	c.mu.Unlock()
	c.loop.Post((*writeErrorTask)(c))
}

// throttleIfFlooded stops reading from a peer that causes answers and does not
// read them.
func (c *Conn) throttleIfFlooded() {
	c.mu.Lock()
	flooded := c.waitingLocked() > 2*c.loop.engine.cfg.HighWater &&
		c.state&(outBlocked|outWriting) != 0
	if flooded {
		c.state |= outRefused // so that progress is reported
	}
	c.mu.Unlock()
	if flooded && !c.throttle {
		c.throttle = true
		c.updateInterest()
	}
}

// writableTask tells the handler that it may put out messages again.
type writableTask Conn

func (t *writableTask) Run(*Loop) {
	c := (*Conn)(t)
	if c.ended {
		return
	}
	if c.throttle {
		c.throttle = false
		c.resumeInput()
	}
	c.h.OnWritable(c)
}

// writeErrorTask ends a connection whose peer cannot be written to.
type writeErrorTask Conn

func (t *writeErrorTask) Run(*Loop) {
	c := (*Conn)(t)
	c.mu.Lock()
	err := *c.writeErr
	c.mu.Unlock()
	c.finish(err)
}

// gone ends the connection because the peer has ended its side. It may still
// read: what has been put out for it is written first.
func (c *Conn) gone(err error) {
	c.mu.Lock()
	waiting := c.waitingLocked() > 0
	if c.writeErr != nil {
		err = *c.writeErr // the first to be noticed tells more
	}
	c.mu.Unlock()
	if waiting && errors.Is(err, ErrPeerGone) {
		c.eof = true
		c.Close(err)
		c.updateInterest()
		return
	}
	c.finish(err)
}

// halfCloseTask tells the peer that nothing more will come.
type halfCloseTask Conn

func (t *halfCloseTask) Run(*Loop) {
	c := (*Conn)(t)
	switch {
	case !c.isOpen():
	case c.eof:
		c.release()
	default:
		c.halfClose()
	}
}
