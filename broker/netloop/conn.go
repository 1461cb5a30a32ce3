package netloop

import (
	"sync"
	"time"
	"unsafe"
)

// spareSize is how many bytes more than it needs, beyond as many again, a kept
// tail of input may occupy.
const spareSize = 512

// lingerTime is how long a closed connection may still take to deliver its
// last bytes and to hear the peer's end.
const lingerTime = 2 * time.Second

// Conn is one Network Connection. Unless a method says otherwise, it is for
// the connection's own loop only.
type Conn struct {
	timer timer // first: see connOfTimer

	// static
	loop *Loop
	h    Handler
	nc   *streamConn // portable engines only
	wire *wire       // nil for a plain socket; has an owner for each field

	// owned by the loop
	in       []byte // tail of an incomplete packet
	fd       int32  // -1 in portable engines
	gen      int32  // tells a reused descriptor's events apart
	interest uint32 // what the poller has been told
	ended    bool   // OnClose has been called
	paused   bool   // by the handler
	throttle bool   // not read because the peer does not read
	again    bool   // in is due to be handed over again; an inputTask is posted
	resumed  bool   // ResumeRead or Again has been called since OnData began
	dialing  bool   // connect has not finished
	eof      bool   // the peer has ended its stream; closed once output is written
	filtered bool   // wire decodes and encodes; set before there is output and not changed after

	// guarded by mu
	mu       sync.Mutex
	state    outState
	from     uint16  // static, here where it takes no room: the number of the listener; 0 is none
	out      *output // nil while nothing waits
	writeErr *error  // why writing has failed; a pointer, since few pay for it and all for its size
}

// outState are the flags of a connection's output.
type outState uint16

const (
	outDirty    outState = 1 << iota // on some loop's dirty list
	outWriting                       // somebody is in the system call
	outBlocked                       // the socket is full; its loop waits for readiness
	outRefused                       // Begin has refused; OnWritable is due
	outFinish                        // half-close once everything is written
	outFinished                      // everything is written; a halfCloseTask is posted
	outClosed                        // no more output; descriptor may be gone
	outRelease                       // whoever is writing must close the descriptor
	outLagging                       // more than lagging has waited since Laggards has looked
)

func connOfTimer(t *timer) *Conn { return (*Conn)(unsafe.Pointer(t)) }

// opened makes the first call of the handler, and tells it at once of a
// shutdown that has begun meanwhile.
func (c *Conn) opened() {
	c.h.OnOpen(c)
	if c.loop.leaving && !c.ended {
		c.h.OnShutdown(c)
	}
}

// Loop returns the connection's loop. It may be called from anywhere.
func (c *Conn) Loop() *Loop { return c.loop }

// Handler returns the connection's handler.
func (c *Conn) Handler() Handler { return c.h }

// SetHandler replaces the handler, for a front that has found out which
// protocol is spoken.
func (c *Conn) SetHandler(h Handler) { c.h = h }

// Now is the time since the engine's start, at this moment; Loop.Now is that
// of the turn's beginning.
func (c *Conn) Now() time.Duration { return c.loop.engine.now() }

// SetTimer has OnTimer called once, d from now. A second call replaces the
// first; d <= 0 stops the timer.
func (c *Conn) SetTimer(d time.Duration) {
	if c.ended {
		return
	}
	c.setTimer(d)
}

func (c *Conn) setTimer(d time.Duration) {
	if d <= 0 {
		c.loop.wheel.disarm(&c.timer)
		return
	}
	c.loop.wheel.arm(&c.timer, ticksUp(c.loop.engine.now()+d))
}

// PauseRead stops reading, so that TCP holds the peer back. OnData is not
// called until ResumeRead.
func (c *Conn) PauseRead() {
	if !c.paused {
		c.paused = true
		c.updateInterest()
	}
}

// ResumeRead ends PauseRead. Input that was left over is handed to OnData
// again, not within the call but in this loop's next turn at the latest.
func (c *Conn) ResumeRead() {
	if c.paused {
		c.paused = false
		c.resumed = true
		c.resumeInput()
	}
}

// Again has left-over input handed to OnData once more, in this loop's next
// turn at the latest: for a handler that has left input for a reason of its own.
// Called within OnData, it lets other connections have their turn first. Nothing
// is read until then, so that what is left over does not grow.
func (c *Conn) Again() {
	c.resumed = true
	c.resumeInput()
}

// Paused tells whether PauseRead is in force.
func (c *Conn) Paused() bool { return c.paused }

// held tells whether the connection must not be read. After its end nothing
// holds it: what the peer still sends is read and dropped.
func (c *Conn) held() bool { return (c.paused || c.throttle) && !c.ended }

// due tells whether left-over input comes before what is still to be read.
func (c *Conn) due() bool { return c.again && !c.ended }

func (c *Conn) resumeInput() {
	if c.held() || c.ended {
		return
	}
	c.updateInterest()
	c.postInput()
}

// postInput has left-over input handed over in the loop's next turn.
func (c *Conn) postInput() {
	if !c.again && (len(c.in) > 0 || c.filtered && c.wire.err != nil) {
		c.again = true
		c.loop.Post((*inputTask)(c))
	}
}

// inputTask hands left-over input to the handler again.
type inputTask Conn

func (t *inputTask) Run(*Loop) {
	c := (*Conn)(t)
	c.inputAgain()
	if c.filtered {
		c.wire.conclude()
	}
}

// inputAgain does what an inputTask was posted for, unless that has been done.
func (c *Conn) inputAgain() {
	if !c.again {
		return
	}
	c.again = false
	if c.nc != nil {
		c.updatePortable()
	}
	if !c.ended {
		c.throttleIfFlooded() // by what the turn before has put out
	}
	if c.held() || c.ended {
		return // resuming posts another one
	}
	if len(c.in) > 0 {
		in := c.in
		c.in = nil
		c.deliver(in, true, nil)
	}
}

// lastInput is called when the peer's stream has ended. It hands over what is
// still due and tells whether the end may be acted upon: not while the handler
// holds the connection with input left over, and not during a TLS handshake:
// what the peer has sent before may complete it.
func (c *Conn) lastInput() bool {
	if c.filtered && c.wire.hs != nil && !c.ended {
		c.wire.hs.last()
		return false
	}
	c.inputAgain()
	return !c.again && !c.held() && !c.keptOpen()
}

// keptOpen pauses the connection if its handler wants the end of the peer's stream to wait.
func (c *Conn) keptOpen() bool {
	k, ok := c.h.(EndKeeper)
	if c.ended || !ok || !k.OnPeerEnd(c) {
		return false
	}
	c.PauseRead()
	return true
}

// input takes bytes that have just been read.
func (c *Conn) input(data []byte) {
	if c.ended {
		return // lingering: the peer's last words do not matter
	}
	c.again = false
	if len(c.in) > 0 {
		c.in = append(c.in, data...)
		in := c.in
		c.in = nil
		c.deliver(in, true, nil)
		return
	}
	c.deliver(data, false, nil)
}

// inputJoined is input for data that begins with a copy of c.in.
func (c *Conn) inputJoined(data []byte) {
	if c.ended {
		return
	}
	c.again = false
	spare := c.in
	c.in = nil
	c.deliver(data, false, spare)
}

// deliver calls OnData and keeps what is left. owned tells that data belongs
// to the connection and may be kept as it is. spare, which may be nil, is
// memory for what is left otherwise.
func (c *Conn) deliver(data []byte, owned bool, spare []byte) {
	c.resumed = false
	n := c.h.OnData(c, data)
	if c.ended || n >= len(data) {
		return
	}
	rest := data[n:]
	switch {
	case !owned && len(rest) <= cap(spare) && cap(spare) <= 2*len(rest)+spareSize:
		c.in = append(spare[:0], rest...)
	case !owned:
		c.in = append(make([]byte, 0, len(rest)), rest...)
	case n > 0 && cap(data) > 2*len(rest):
		c.in = append(make([]byte, 0, len(rest)), rest...)
	default:
		c.in = rest
	}
	if c.resumed && !c.held() { // within OnData: it may have stopped half-way
		c.postInput()
	}
}

// Close ends the connection once what has been put out is written, waits a
// little for the peer's end so that nothing of it is lost, and frees it.
// OnClose(err) is called before Close returns, and no other method of the
// handler after it.
func (c *Conn) Close(err error) { c.end(err, true) }

// finish is Close without grace: output is dropped.
func (c *Conn) finish(err error) { c.end(err, false) }

func (c *Conn) end(err error, grace bool) {
	if c.ended {
		if !grace {
			c.release()
		}
		return
	}
	c.ended = true
	c.in = nil
	c.loop.wheel.disarm(&c.timer)
	c.h.OnClose(c, err)
	if !grace {
		c.release()
		return
	}
	c.setTimer(lingerTime)
	c.mu.Lock()
	c.state |= outFinish
	c.state &^= outRefused
	if c.filtered {
		c.wire.closingLocked(err)
	}
	dirty := c.state&outDirty != 0
	c.state |= outDirty
	c.mu.Unlock()
	c.updateInterest()
	if !dirty {
		c.loop.markDirty(c)
	}
}

// onLinger ends the wait for the peer's end.
func (c *Conn) onLinger() { c.release() }

// CloseFrom is Close for goroutines other than the connection's loop. It
// returns at once.
func (c *Conn) CloseFrom(err error) {
	c.loop.PostFunc(func() { c.Close(err) })
}
