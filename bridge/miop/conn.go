package miop

import (
	"errors"
	"sync"
	"time"

	"github.com/holdfast-mqtt/holdfast/bridge/miop/packet"
	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/login"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

// connState is the stage of a connection's life.
type connState uint8

const (
	awaitFrame connState = iota // nothing has come
	open                        // binds may come and go
	closed
)

// conn is one client's Network Connection.
type conn struct {
	// static
	nc   *netloop.Conn
	ls   *loopState
	from *login.Listener // nil is the default

	// owned by the loop
	state       connState
	full        bool   // the client reads all frames; see the package comment of packet
	shook       bool   // a Handshake has been answered
	tried       uint16 // binds that have come
	version     packet.Version
	unfinished  uint32          // bytes there were of a frame, not come in full, at heard
	opened      time.Duration   // loop time of the beginning
	heard       time.Duration   // loop time of the last sign of life
	binds       []*bind         // at most maxBinds
	joining     *joining        // the bind that is being decided; input waits
	question    *login.Question // about it; nil if nobody is asked
	slowedUntil time.Duration   // loop time until which nothing is read, for uploads that came too fast; 0 is not slowed
	uploads     int             // that wait for slow Sessions
	uploadBytes int             // of them together

	// guarded by mu, which is taken within a Session's lock and around the connection's output
	mu       sync.Mutex
	lastAck  uint64   // number of the last Msg that is to be acknowledged
	flights  []flight // Msgs that are not acknowledged, in the order of their numbers
	settling []flight // Msgs for which no acknowledgement will come; a settleTask is posted
}

// OnOpen implements netloop.Handler.
func (c *conn) OnOpen(nc *netloop.Conn) {
	c.opened = nc.Now()
	c.heard = c.opened
	c.armTimer()
}

// OnData implements netloop.Handler.
func (c *conn) OnData(nc *netloop.Conn, data []byte) (consumed int) {
	consumed = c.take(nc, data)
	c.noteLife(consumed, len(data)-consumed)
	return consumed
}

// take deals with the whole frames in data.
func (c *conn) take(nc *netloop.Conn, data []byte) (consumed int) {
	var share netloop.Share
	for {
		switch {
		case c.state == closed:
			return len(data)
		case c.joining != nil:
			if len(data)-consumed > maxWaiting {
				nc.PauseRead()
			}
			return consumed
		case nc.Paused():
			return consumed
		}
		f, n, err := packet.ReadFrame(data[consumed:])
		if err == nil && n == 0 && len(data)-consumed > maxUnbound && len(c.binds) == 0 {
			err = faultSize
		}
		if err != nil {
			c.fail(err)
			return len(data)
		}
		if n == 0 {
			return consumed
		}
		consumed += n
		kind := f.Kind()
		count(&c.ls.frames[kind])
		if err := c.handle(&f, kind); err != nil {
			c.fail(err)
			return len(data)
		}
		nc.Loop().FlushUrgent()
		if share.Used(nc) {
			nc.Again()
			return consumed
		}
	}
}

// handle deals with one frame. An error closes the connection.
func (c *conn) handle(f *packet.Frame, kind packet.Opcode) error {
	if err := c.admit(f, kind); err != nil {
		return err
	}
	switch kind {
	case packet.Ping:
		c.put(f.Version, packet.Pong, nil)
	case packet.Pong:
	case packet.Bind, packet.Rebind:
		return c.onBind(f, kind)
	case packet.MsgAck:
		c.onMsgAck(f)
	case packet.Unbind:
		c.onUnbind(f)
	case packet.UploadData:
		return c.onUpload(f)
	case packet.Handshake:
		c.onHandshake(f)
	default:
		return faultDirection
	}
	return nil
}

// admit checks that a frame of that version and kind may come now.
func (c *conn) admit(f *packet.Frame, kind packet.Opcode) error {
	switch {
	case c.state == awaitFrame:
		if !f.Version.HasOpcode() && !c.ls.srv.legacy {
			return faultLegacy
		}
		if !mayBegin(kind) {
			return faultOrder
		}
		c.state, c.version = open, f.Version
		c.armTimer()
	case c.version.HasOpcode() != f.Version.HasOpcode():
		return faultVersion
	}
	return nil
}

// onHandshake echoes the first one.
func (c *conn) onHandshake(f *packet.Frame) {
	c.wonder(uncertainHandshake)
	c.full = true
	if !c.shook {
		c.shook = true
		c.put(f.Version, packet.Handshake, f.Props)
	}
}

// put puts out a control frame, unless the client would lose the stream by it. Versions 0-4 have some of them without
// opcode, and no others.
func (c *conn) put(v packet.Version, op packet.Opcode, p packet.Props) {
	if op >= packet.Kick && (!c.full || !v.HasOpcode()) || op == packet.UnbindAck && !v.HasOpcode() {
		return
	}
	f := packet.Frame{Version: v, Opcode: op, Props: p}
	if dst, ok := c.nc.BeginControl(16 + len(p)); ok {
		c.nc.End(c.nc.Loop(), packet.AppendFrame(dst, &f))
	}
}

// OnWritable implements netloop.Handler.
func (c *conn) OnWritable(*netloop.Conn) {
	for _, b := range c.binds {
		b.session.Resume(c.ls.scratch, b.epoch)
	}
}

// OnShutdown implements netloop.Handler. Who has not taken leave will come back, here or elsewhere.
func (c *conn) OnShutdown(*netloop.Conn) {
	c.move()
	c.close(broker.ErrClosed)
}

// OnClose implements netloop.Handler.
func (c *conn) OnClose(_ *netloop.Conn, err error) {
	c.state = closed
	c.joining = nil
	c.question.Drop()
	c.detachAll(err)
}

// fail closes the connection because of what the client has sent, without an answer.
func (c *conn) fail(err error) {
	var cf packet.Fault
	var f fault
	switch {
	case errors.As(err, &cf):
		count(&c.ls.srv.stats.codecFaults[cf])
	case errors.As(err, &f):
		count(&c.ls.srv.stats.faults[f])
	}
	c.close(err)
}

// close ends the connection, and all of its binds without their having taken leave.
func (c *conn) close(err error) {
	if c.state != closed {
		c.nc.Close(err)
	}
}
