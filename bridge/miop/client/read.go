package client

import (
	"bytes"
	"fmt"
	"time"

	"github.com/holdfast-mqtt/holdfast/bridge/miop/packet"
)

// read hands on what comes until the connection is over. heard gets a signal each time.
func (c *Client) read(heard chan<- struct{}) {
	defer c.queue.end()
	buf := make([]byte, 0, readBuffer)
	for {
		if len(buf) == cap(buf) { // a frame is longer, and has come so far
			buf = append(buf, make([]byte, len(buf))...)[:len(buf)]
		}
		n, err := c.conn.Read(buf[len(buf):cap(buf)])
		if n > 0 {
			select {
			case heard <- struct{}{}:
			default:
			}
			buf = buf[:len(buf)+n]
			used, fault := c.take(buf)
			buf = buf[:copy(buf, buf[used:])]
			if fault != nil {
				err = fault
			}
		}
		if err != nil {
			c.end(err)
			return
		}
	}
}

// take deals with the whole frames in b.
func (c *Client) take(b []byte) (used int, err error) {
	for {
		f, n, err := packet.ReadFrame(b[used:])
		if err != nil || n == 0 {
			return used, err
		}
		used += n
		if c.o.Trace != nil {
			c.o.Trace(false, &f)
		}
		if err := c.handle(&f); err != nil {
			return used, err
		}
	}
}

func (c *Client) handle(f *packet.Frame) error {
	switch kind := f.Kind(); kind {
	case packet.Ping:
		return c.send(packet.Frame{Opcode: packet.Pong})
	case packet.Msg:
		return c.onMsg(f)
	case packet.BindAck, packet.UnbindAck, packet.RebindAck:
		c.answer(kind, "id", f.Props)
	case packet.UploadDataAck:
		c.answer(kind, "ack", f.Props)
	case packet.Kick:
		r, _ := f.Props.Get("r")
		return fmt.Errorf("%w, r:%s", ErrKicked, r)
	case packet.Migrate:
		addr, _ := f.Props.Get("addr")
		c.mu.Lock()
		c.moveTo = string(addr)
		c.mu.Unlock()
	}
	return nil
}

// answer gives an answer to who waits for it.
func (c *Client) answer(kind packet.Opcode, prop string, p packet.Props) {
	id, _ := p.Uint(prop)
	c.mu.Lock()
	defer c.mu.Unlock()
	if ch := c.answers[answerKey(kind, id)]; ch != nil {
		delete(c.answers, answerKey(kind, id))
		ch <- bytes.Clone(p) // it has room for one
	}
}

// onMsg hands on the entries of a Msg. They are acknowledged when all have been taken.
func (c *Client) onMsg(f *packet.Frame) error {
	ack, _ := f.Props.Uint("ack")
	if len(f.Data) == 0 && ack != 0 && !c.o.Manual { // nothing is to be taken
		return c.Ack(ack)
	}
	for data := f.Data; len(data) > 0; {
		e, rest, err := packet.NextEntry(data, packet.Long)
		if err != nil {
			return err
		}
		data = rest
		m := Message{AppID: e.AppID, ID: e.ID, Ack: ack, Body: bytes.Clone(e.Body)}
		if err := c.hand(queued{m, ack != 0 && len(rest) == 0}); err != nil {
			return err
		}
	}
	return nil
}

// keepAlive sends Ping while nothing comes, and ends the connection if nothing comes then either, unless it is for want of
// room in the queue that nothing is heard.
func (c *Client) keepAlive(heard <-chan struct{}) {
	timer := time.NewTimer(c.o.KeepAlive)
	defer timer.Stop()
	asked := false
	for {
		select {
		case <-c.done:
			return
		case <-heard:
			asked = false
			timer.Reset(c.o.KeepAlive)
		case <-timer.C:
			if asked && !c.full.Load() {
				c.end(ErrSilent)
				return
			}
			asked = true
			timer.Reset(pingTimeout)
			if err := c.send(packet.Frame{Opcode: packet.Ping}); err != nil {
				c.end(err)
				return
			}
		}
	}
}
