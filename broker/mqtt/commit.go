package mqtt

import (
	"sync/atomic"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

// committing finds out whether a Store has told a Commit before the call that began it
// has returned, as one without a disk does: then the client is answered at once.
type committing struct{ state atomic.Uint32 }

const (
	committingCalled = iota
	committingReturned
	committingTold
)

// late is called when the result is told. It returns true if the call has returned.
func (c *committing) late() bool { return c.state.Swap(committingTold) == committingReturned }

// early is called after the call. It returns true if the result has been told, which was no error.
func (c *committing) early() bool {
	return !c.state.CompareAndSwap(committingCalled, committingReturned)
}

// subscribing is a SUBSCRIBE or UNSUBSCRIBE that is answered when it is on disk. It is both
// the Store's Commit and the task that brings the result to the connection's loop.
type subscribing struct {
	committing
	c       *conn
	answer  packet.SubAck
	filters []string // of a SUBSCRIBE
	err     error
}

// Committed implements broker.Commit.
func (s *subscribing) Committed(err error) {
	if s.err = err; s.late() {
		s.c.nc.Loop().Post(s)
	}
}

// Run implements netloop.Task.
func (s *subscribing) Run(*netloop.Loop) {
	c := s.c
	if c.state != connected {
		return
	}
	if err := s.give(); err != nil {
		c.fail(err)
	}
}

// give answers. Subscriptions that could not be stored are not in force: the client would count on them
// after a restart.
func (s *subscribing) give() error {
	c := s.c
	if s.filters == nil {
		if s.err != nil {
			c.close(s.err, packet.UnspecifiedError) // it will say so again when it is back
			return nil
		}
		return c.putAnswer(packet.AppendUnsubAck(c.controlBuf(), c.version, &s.answer, c.maxPacket))
	}
	if s.err != nil {
		for i := range s.answer.Reasons {
			if s.answer.Reasons[i].Failed() {
				continue
			}
			s.answer.Reasons[i] = c.subscribeCode(broker.ErrQuotaExceeded)
		}
		_, _, _ = c.session.Unsubscribe(c.ls.scratch, c.epoch, s.filters, nil)
	}
	if err := c.putAnswer(packet.AppendSubAck(c.controlBuf(), c.version, &s.answer, c.maxPacket)); err != nil {
		return err
	}
	c.session.Retained(c.ls.scratch, c.epoch)
	return nil
}
