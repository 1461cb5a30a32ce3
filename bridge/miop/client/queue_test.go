package client

import (
	"errors"
	"io"
	"testing"
	"testing/synctest"

	"github.com/holdfast-mqtt/holdfast/bridge/miop/packet"
)

// msg sends a Msg with one entry of so many bytes.
func (s *server) msg(id uint64, size int) {
	s.t.Helper()
	s.send(packet.Msg, packet.Props(nil).WithUint("ack", id),
		packet.AppendEntry(nil, packet.Long, &packet.Entry{ID: id, AppID: 9, Body: make([]byte, size)}))
}

// TestQueueBytes: a server that sends much to a client which takes nothing has it keep no more than was agreed, in bytes too.
func TestQueueBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size, messages, most = 100_000, 50, 250_000
		c, s := connect(t, Options{QueueBytes: most, Queue: messages})
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			for id := range uint64(messages) {
				s.msg(id+1, size)
			}
		}()
		synctest.Wait()
		c.queue.mu.Lock()
		if got := c.queue.bytes; got > most || got < most-size-messageOverhead {
			t.Errorf("%d bytes wait, want as much as fits into %d", got, most)
		}
		c.queue.mu.Unlock()
		for id := range uint64(messages) {
			if m := <-c.Messages(); m.ID != id+1 || len(m.Body) != size {
				t.Fatalf("got message %d of %d bytes, want message %d", m.ID, len(m.Body), id+1)
			}
			if ack, _ := s.expect(packet.MsgAck).Props.Uint("ack"); ack != id+1 {
				t.Fatalf("got ack:%d, want %d", ack, id+1)
			}
		}
		<-sent
		s.msg(messages+1, 2*most) // too large for the queue alone, but there is nothing else
		if m := <-c.Messages(); len(m.Body) != 2*most {
			t.Errorf("got %d bytes, want %d", len(m.Body), 2*most)
		}
	})
}

// TestNotTaken: a message is acknowledged when it is taken, not before, and can be taken after the connection's end; Close does not wait for that.
func TestNotTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := connect(t, Options{})
		s.msg(1, 10)
		s.msg(2, 10)
		s.send(packet.Ping, nil, nil)
		s.expect(packet.Pong)
		<-c.Messages()
		s.expect(packet.MsgAck)
		s.msg(3, 10)
		synctest.Wait()
		s.conn.Close()
		<-c.Done()
		if !errors.Is(c.Err(), io.EOF) {
			t.Errorf("got %v, want EOF", c.Err())
		}
		if m, ok := <-c.Messages(); !ok || m.ID != 2 {
			t.Errorf("got %+v, want message 2", m)
		}
		c.Close()
		if m, ok := <-c.Messages(); ok {
			t.Errorf("got %+v after Close, want the end", m)
		}
	})
}
