package crash

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
)

// patience bounds each wait for the other side. It is long for a loaded machine; only a fault takes that long.
const patience = 30 * time.Second

// conn is one Network Connection.
type conn struct {
	// static
	net     net.Conn
	version packet.Version
	frames  chan packet.Frame // closed at the end of the connection
	quit    chan struct{}     // closed by close
	wg      sync.WaitGroup

	err error // why frames was closed; set before that
}

// dial opens a connection to a port of this machine.
func dial(ctx context.Context, address string, v packet.Version) (*conn, error) {
	nc, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	c := &conn{net: nc, version: v, frames: make(chan packet.Frame, 64), quit: make(chan struct{})}
	c.wg.Go(c.read)
	return c, nil
}

// read cuts what arrives into packets.
func (c *conn) read() {
	defer close(c.frames)
	var have []byte
	buf := make([]byte, 64<<10)
	for {
		n, err := c.net.Read(buf)
		have = append(have, buf[:n]...)
		for {
			f, size, err := packet.ReadFrame(have, packet.MaxPacketSize)
			if err != nil {
				c.err = err
				return
			}
			if size == 0 {
				break
			}
			select {
			case c.frames <- f:
			case <-c.quit:
				return
			}
			have = have[size:] // what it held belongs to the frame now
		}
		if err != nil {
			c.err = err
			return
		}
		if len(have) == 0 {
			have = nil
		}
	}
}

// errBroken means that the connection has ended, which is no fault of the server's packets.
var errBroken = errors.New("connection ended")

// write sends packets. Its errors are errBroken.
func (c *conn) write(b []byte) error {
	_ = c.net.SetWriteDeadline(time.Now().Add(patience)) // Write says the same
	if _, err := c.net.Write(b); err != nil {
		return fmt.Errorf("%w: %w", errBroken, err)
	}
	return nil
}

// close ends the connection; with reset, what the server has not read by then may be lost. It returns when nothing
// of c runs any more.
func (c *conn) close(reset bool) {
	if tcp, ok := c.net.(*net.TCPConn); ok && reset {
		_ = tcp.SetLinger(0) // then it is an ordinary end
	}
	close(c.quit)
	_ = c.net.Close()
	c.wg.Wait()
}

var errSilent = errors.New("the server does not answer")

// next waits for a packet.
func (c *conn) next(ctx context.Context) (packet.Frame, error) {
	t := time.NewTimer(patience)
	defer t.Stop()
	select {
	case f, ok := <-c.frames:
		if !ok {
			return f, fmt.Errorf("%w: %w", errBroken, c.err)
		}
		return f, nil
	case <-t.C:
		return packet.Frame{}, errSilent
	case <-ctx.Done():
		return packet.Frame{}, ctx.Err()
	}
}
