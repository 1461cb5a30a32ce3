// Package client is a small MIOP client, of versions 3, 5 and 6: it binds users, takes and acknowledges their messages,
// uploads, and keeps the connection alive. Tests and the command line use it.
//
// A Client has one connection and does not reconnect. One goroutine reads, one sends Ping while nothing comes, and one hands
// on messages; Close waits for all of them, and must be called in the end. Messages wait in a queue of Options.Queue and QueueBytes; while it is
// full nothing is read, so that TCP holds the server back, and answers wait behind them: somebody must take from Messages all the time.
//
// The protocol protects nothing; see packet. Connect with TLS where it matters.
package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-mqtt/holdfast/bridge/miop/packet"
)

// Errors of a Client.
var (
	// ErrClosed means that Close has been called.
	ErrClosed = errors.New("miop: client is closed")
	// ErrKicked means that the server has ended the connection with Kick.
	ErrKicked = errors.New("miop: kicked")
	// ErrSilent means that nothing came, not even after Ping.
	ErrSilent = errors.New("miop: server is silent")
	// ErrUpload means that the server has not accepted an upload.
	ErrUpload = errors.New("miop: upload refused")
)

// Refused is a bind that the server has refused for good.
type Refused struct{ Reason uint64 } // as packet.AnswerCredentials

// Error returns the reason.
func (r *Refused) Error() string {
	switch r.Reason {
	case packet.AnswerMalformed:
		return "miop: bind is malformed"
	case packet.AnswerCredentials:
		return "miop: credentials are refused"
	case packet.AnswerNotAllowed:
		return "miop: user may not bind"
	}
	return fmt.Sprintf("miop: bind refused, r:%d", r.Reason)
}

const (
	writeTimeout = 30 * time.Second
	pingTimeout  = 30 * time.Second // for anything to come after Ping
	readBuffer   = 16 << 10
)

// Options say how a Client behaves. The zero value is usable.
type Options struct {
	// Version of the frames. 0 is 5. Binds of 2 and 4 cannot be sent.
	Version packet.Version
	// Manual leaves messages unacknowledged until Ack; else they are acknowledged when they have been taken.
	Manual bool
	// Queue is how many messages wait to be taken, and QueueBytes how many bytes of them. 0 is 64, and 16 MiB.
	Queue, QueueBytes int
	// KeepAlive is how long nothing may come until Ping is sent. 0 is 300 s.
	KeepAlive time.Duration
	// Trace, if not nil, is called with each frame that is sent or received, by one goroutine at a time each way. It
	// must not keep it.
	Trace func(sent bool, f *packet.Frame)
}

// Message is what the server has sent for a bind.
type Message struct {
	AppID uint32 // of the bind; in version 3, too, unless the server writes short entries
	ID    uint64 // the same when the message comes again
	Ack   uint64 // what acknowledges it, with the others that have the same; 0 needs none
	Body  []byte // the receiver's
}

// Client is a connection. Its methods may be called from any goroutine.
type Client struct {
	// static
	o        Options
	conn     net.Conn
	messages chan Message
	queue    *queue
	done     chan struct{}
	closing  chan struct{} // closed by Close
	wait     sync.WaitGroup
	close    sync.Once

	writing sync.Mutex  // held while a frame is written
	full    atomic.Bool // a message waits for room in the queue, and so nothing is read

	// guarded by mu
	mu      sync.Mutex
	answers map[string]chan packet.Props // by what answerKey makes
	uploads uint64
	moveTo  string
	err     error // set before done is closed
}

// Dial connects to HOST:PORT, with TLS if conf is not nil. ctx ends the attempt, not the connection.
func Dial(ctx context.Context, address string, conf *tls.Config, o Options) (*Client, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	if conf != nil {
		if conf.ServerName == "" && !conf.InsecureSkipVerify {
			conf = conf.Clone()
			if conf.ServerName, _, err = net.SplitHostPort(address); err != nil {
				return nil, errors.Join(err, conn.Close())
			}
		}
		tc := tls.Client(conn, conf)
		if err := tc.HandshakeContext(ctx); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
		conn = tc
	}
	return New(conn, o), nil
}

// New makes a Client of conn, which is the Client's from then on.
func New(conn net.Conn, o Options) *Client {
	if o.Version == 0 {
		o.Version = 5
	}
	if o.Queue <= 0 {
		o.Queue = 64
	}
	if o.QueueBytes <= 0 {
		o.QueueBytes = 16 << 20
	}
	if o.KeepAlive <= 0 {
		o.KeepAlive = packet.DefaultKeepAlive * time.Second
	}
	c := &Client{
		o: o, conn: conn, messages: make(chan Message), queue: newQueue(o.Queue, o.QueueBytes),
		done: make(chan struct{}), closing: make(chan struct{}), answers: make(map[string]chan packet.Props),
	}
	heard := make(chan struct{}, 1)
	c.wait.Go(func() { c.read(heard) })
	c.wait.Go(func() { c.keepAlive(heard) })
	c.wait.Go(c.deliver)
	return c
}

// Messages has what the server sends for the binds. It is closed when the connection is over and all that came is taken, and by Close.
func (c *Client) Messages() <-chan Message { return c.messages }

// Done is closed when the connection is over.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err is why the connection is over; nil while it is not.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// MoveTo is where the server has asked the client to go, empty if it has not.
func (c *Client) MoveTo() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.moveTo
}

// Close ends the connection, without Unbind, and waits for the Client's goroutines. What has not been taken is not acknowledged, and comes again.
func (c *Client) Close() {
	c.end(ErrClosed)
	c.close.Do(func() { close(c.closing) })
	c.wait.Wait()
}

// end closes the connection. The first reason counts.
func (c *Client) end(err error) {
	c.mu.Lock()
	first := c.err == nil
	if first {
		c.err = err
	}
	c.mu.Unlock()
	if first {
		close(c.done)
		_ = c.conn.Close() // nothing depends on it
	}
}

// Bind binds a user and waits for the answer: *Refused if it is refused.
func (c *Client) Bind(ctx context.Context, b packet.BindRequest) error {
	return c.bind(ctx, packet.Bind, packet.BindAck, b)
}

// Rebind is Bind for one that has just lost its connection.
func (c *Client) Rebind(ctx context.Context, b packet.BindRequest) error {
	return c.bind(ctx, packet.Rebind, packet.RebindAck, b)
}

func (c *Client) bind(ctx context.Context, op, answer packet.Opcode, b packet.BindRequest) error {
	p, err := c.call(ctx, packet.Frame{Opcode: op, Props: b.Props()}, answerKey(answer, uint64(b.AppID)))
	if err != nil {
		return err
	}
	if r, _ := p.Uint("r"); r != packet.AnswerOK {
		return &Refused{r}
	}
	return nil
}

// Unbind ends a bind and waits for the answer.
func (c *Client) Unbind(ctx context.Context, user string, appID uint32) error {
	props := packet.Props(nil).With("u", string(packet.AppendUser(nil, user, appID)))
	p, err := c.call(ctx, packet.Frame{Opcode: packet.Unbind, Props: props}, answerKey(packet.UnbindAck, uint64(appID)))
	if err != nil {
		return err
	}
	if r, _ := p.Uint("r"); r != packet.AnswerOK {
		return &Refused{r}
	}
	return nil
}

// Ack acknowledges what has come with that number.
func (c *Client) Ack(ack uint64) error {
	return c.send(packet.Frame{Opcode: packet.MsgAck, Props: packet.Props(nil).WithUint("ack", ack)})
}

// Upload has bodies published for a user that is bound, and waits until they are accepted.
func (c *Client) Upload(ctx context.Context, user string, appID uint32, bodies ...[]byte) error {
	c.mu.Lock()
	c.uploads++
	ack := c.uploads
	c.mu.Unlock()
	f := packet.Frame{Opcode: packet.UploadData}
	f.Props = packet.Props(nil).With("u", string(packet.AppendUser(nil, user, appID))).WithUint("ack", ack)
	for _, b := range bodies {
		f.Data = packet.AppendUpload(f.Data, b)
	}
	p, err := c.call(ctx, f, answerKey(packet.UploadDataAck, ack))
	if err != nil {
		return err
	}
	if r, _ := p.Uint("r"); r != packet.AnswerOK {
		return ErrUpload
	}
	return nil
}

// answerKey names what an answer is known by.
func answerKey(op packet.Opcode, id uint64) string {
	return op.String() + " " + strconv.FormatUint(id, 10)
}

// call sends f and waits for the props of the answer.
func (c *Client) call(ctx context.Context, f packet.Frame, key string) (packet.Props, error) {
	answer := make(chan packet.Props, 1)
	c.mu.Lock()
	c.answers[key] = answer
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.answers[key] == answer {
			delete(c.answers, key)
		}
	}()
	if err := c.send(f); err != nil {
		return nil, err
	}
	select {
	case p := <-answer:
		return p, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-c.done:
	}
	select { // the server may have answered and closed
	case p := <-answer:
		return p, nil
	default:
		return nil, c.Err()
	}
}

// send writes a frame. It may block until the server reads, at most writeTimeout.
func (c *Client) send(f packet.Frame) error {
	f.Version = c.o.Version
	b := packet.AppendFrame(nil, &f)
	c.writing.Lock()
	defer c.writing.Unlock()
	if err := c.Err(); err != nil {
		return err
	}
	if c.o.Trace != nil {
		c.o.Trace(true, &f)
	}
	err := c.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	if err == nil {
		_, err = c.conn.Write(b)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) { // a part of it may have been written, and nothing can follow that
		c.end(fmt.Errorf("write %v: %w", f.Opcode, err))
	}
	return err // that the connection is over for other reasons is seen by who reads
}
