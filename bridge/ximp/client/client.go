package client

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
)

const (
	writeTimeout = 64 * time.Second
	silence      = 10 * time.Second // beyond two heartbeats
	lastWords    = time.Second      // to read what came before writing failed
	maxOutput    = 64               // packets that wait to be written
)

// Client is a connection that has logged in. Its methods may be called from any
// goroutine.
type Client struct {
	// Static.
	o      Options
	login  *packet.LoginResponse
	stream *stream // the reading goroutine's
	queue  eventQueue
	key    packet.Key
	out    chan []byte
	events chan Event
	done   chan struct{}
	wait   sync.WaitGroup

	sn      atomic.Uint64
	dropped atomic.Uint64

	mu      sync.Mutex
	pending map[uint64]chan *packet.Message // by SN; with room for the answer
	refusal *packet.Error                   // the last one that closes
	err     error                           // set before done is closed
	ended   bool
}

// New logs in over conn, which is the Client's from then on, or closed. See Dial.
func New(ctx context.Context, conn net.Conn, o Options) (*Client, error) {
	if err := o.fill(); err != nil {
		conn.Close()
		return nil, err
	}
	c := &Client{
		o: o, stream: &stream{conn: conn, text: o.Text}, out: make(chan []byte, maxOutput), events: make(chan Event, o.Events),
		done: make(chan struct{}), pending: make(map[uint64]chan *packet.Message),
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	err := c.logIn()
	if !stop() || err != nil {
		conn.Close()
		return nil, cause(ctx, err)
	}
	c.wait.Go(c.read)
	c.wait.Go(c.write)
	return c, nil
}

// Session is the answer to the login. It must not be changed.
func (c *Client) Session() *packet.LoginResponse { return c.login }

// Events has what the server sends unasked. It is closed after the last one, when
// the connection is over.
func (c *Client) Events() <-chan Event { return c.events }

// Dropped is how many events there was no room for.
func (c *Client) Dropped() uint64 { return c.dropped.Load() }

// Done is closed when the connection is over.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err returns why the connection is over: a *packet.Error if the server gave one
// that closes, nil before Done is closed, ErrClosed after Close.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Close ends the connection and waits for the Client's goroutines.
func (c *Client) Close() {
	c.end(ErrClosed)
	c.wait.Wait()
}

// end closes the connection. The first reason counts.
func (c *Client) end(err error) {
	c.mu.Lock()
	if c.ended {
		c.mu.Unlock()
		return
	}
	c.ended = true
	c.err = err
	if c.refusal != nil && !errors.Is(err, ErrClosed) {
		c.err = c.refusal
	}
	c.mu.Unlock()
	close(c.done)
	c.stream.conn.Close()
}

// Call sends m, with a number of its own, and waits for the answer. A refusal is a
// *packet.Error. The answer is the caller's.
func (c *Client) Call(ctx context.Context, m *packet.Message) (*packet.Response, error) {
	answer := make(chan *packet.Message, 1)
	sent := *m
	sent.SN = c.sn.Add(1)
	c.mu.Lock()
	c.pending[sent.SN] = answer
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.pending, sent.SN)
		c.mu.Unlock()
	}()
	select {
	case c.out <- c.encode(&sent):
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-c.done:
		return nil, c.Err()
	}
	select {
	case a := <-answer:
		return checkAnswer(&sent, a)
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-c.done:
	}
	select { // the answer may have been the last that came
	case a := <-answer:
		return checkAnswer(&sent, a)
	default:
		return nil, c.Err()
	}
}

// checkAnswer returns the body of the answer to m.
func checkAnswer(m, answer *packet.Message) (*packet.Response, error) {
	r := answer.Response
	switch {
	case r == nil:
		return nil, ErrAnswer
	case r.Error != nil:
		return nil, r.Error
	case answer.ID != m.ID.Response():
		return nil, ErrAnswer
	}
	return r, nil
}

func (c *Client) encode(m *packet.Message) []byte {
	if c.o.Trace != nil {
		c.o.Trace(true, m)
	}
	if c.o.Text {
		return packet.AppendText(nil, m, c.key, false)
	}
	return packet.AppendPacket(nil, m, c.key)
}

// write sends what is in the queue, and heartbeats.
func (c *Client) write() {
	beat := time.NewTicker(c.o.Heartbeat)
	defer beat.Stop()
	for {
		var b []byte
		select {
		case b = <-c.out:
		case <-beat.C:
			b = packet.AppendHeartbeat(nil)
			if c.o.Text {
				b = packet.AppendTextHeartbeat(nil)
			}
		case <-c.done:
			return
		}
		err := c.stream.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
		if err == nil {
			_, err = c.stream.conn.Write(b)
		}
		if err != nil {
			select {
			case <-c.done:
			case <-time.After(lastWords): // what the server has sent before says more
				c.end(err)
			}
			return
		}
	}
}

// read hands on what comes until the connection is over.
func (c *Client) read() {
	defer close(c.events)
	for {
		// Fails only when the connection is over, as reading then does.
		_ = c.stream.conn.SetReadDeadline(time.Now().Add(2*c.o.Heartbeat + silence))
		f, err := c.stream.next()
		if err == nil && f.Magic {
			err = ErrMagic
		}
		if err == nil && !f.Heartbeat {
			err = c.take(f)
		}
		if err != nil {
			c.end(err)
			return
		}
	}
}

// take reads the message in f and gives it to who waits for it, or makes it an event.
func (c *Client) take(f packet.Frame) error {
	m, size, err := c.open(f, c.key)
	if err != nil {
		return err
	}
	if c.o.Trace != nil {
		c.o.Trace(false, m)
	}
	c.mu.Lock()
	waiting := c.pending[m.SN]
	if m.Notify != nil {
		waiting = nil // its number is the server's
	} else {
		delete(c.pending, m.SN)
	}
	if r := m.Response; r != nil && r.Error != nil && r.Error.Code.Closes() {
		c.refusal = r.Error
	}
	c.mu.Unlock()
	switch {
	case waiting != nil:
		waiting <- m // has room: it is taken out of pending with this
	case m.Notify != nil, m.Response != nil && m.Response.Error != nil:
		return c.offer(m, size)
	}
	// Else somebody has stopped to wait for it.
	return nil
}

// open decrypts f into bytes of its own and decodes it. size is what the message takes in memory, about.
func (c *Client) open(f packet.Frame, key packet.Key) (m *packet.Message, size int, err error) {
	plain, err := f.Open(nil, key)
	if err != nil {
		return nil, 0, err
	}
	m = new(packet.Message)
	elements, err := packet.DecodeCount(plain, m)
	if err != nil {
		return nil, 0, err
	}
	return m, len(plain) + elements*elementOverhead, nil
}
