package floods

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
)

// line is a connection that is written to byte by byte. When the broker has closed it, it connects again.
type line struct {
	// static
	open   func() (net.Conn, error)
	write  func(c net.Conn, b byte) error
	begin  []byte // what is written first
	repeat []byte // and what for ever after

	// guarded by mu
	mu   sync.Mutex
	conn net.Conn // nil while there is none
	at   int      // bytes written
}

// byteOfMany writes the next byte of one line.
func (f *Flood) byteOfMany(n int64) error { return f.lines[n%int64(len(f.lines))].next() }

func (l *line) next() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn == nil {
		c, err := l.open()
		if err != nil {
			return err
		}
		l.conn, l.at = c, 0
	}
	_ = l.conn.SetDeadline(time.Now().Add(patience)) // writing tells of a connection that is closed
	if err := l.write(l.conn, l.byteAt(l.at)); err != nil {
		l.closeLocked()
		return err
	}
	l.at++
	return nil
}

func (l *line) byteAt(i int) byte {
	if i < len(l.begin) {
		return l.begin[i]
	}
	return l.repeat[(i-len(l.begin))%len(l.repeat)]
}

func (l *line) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closeLocked()
}

func (l *line) closeLocked() {
	if l.conn == nil {
		return
	}
	if c, ok := l.conn.(*tls.Conn); ok {
		reset(c.NetConn())
	}
	reset(l.conn)
	l.conn = nil
}

// prepareLines makes as many lines as the kind holds, connected if they have anything to do before the first byte.
func (f *Flood) prepareLines(make func(i int) *line, connect bool) error {
	for i := range f.spec.held {
		l := make(i)
		f.lines = append(f.lines, l)
		if !connect {
			continue
		}
		var err error
		if l.conn, err = l.open(); err != nil {
			return err
		}
	}
	return nil
}

// mqttLine says what a client says that publishes at QoS 0 without end.
func mqttLine(i int) *line {
	begin := packet.AppendConnect(nil, &packet.Connect{Version: packet.V311, ClientID: "flood-" + strconv.Itoa(i), CleanStart: true})
	repeat := packet.AppendPublish(nil, packet.V311, &packet.PublishOut{Topic: "flood", Payload: make([]byte, 64)})
	return &line{begin: begin, repeat: repeat}
}

// prepareTLS connects lines over which each write is a record.
func (f *Flood) prepareTLS() error {
	return f.prepareLines(func(i int) *line {
		l := mqttLine(i)
		l.open = func() (net.Conn, error) {
			c, err := f.dial()
			if err != nil {
				return nil, err
			}
			t := tls.Client(c, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"mqtt"}})
			if err := t.Handshake(); err != nil {
				reset(c)
				return nil, err
			}
			return t, nil
		}
		l.write = writeByte
		return l
	}, true)
}

func writeByte(c net.Conn, b byte) error {
	_, err := c.Write([]byte{b})
	return err
}

const upgradeRequest = "GET /mqtt HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"

// prepareWS connects lines over which each byte is a frame.
func (f *Flood) prepareWS() error {
	return f.prepareLines(func(i int) *line {
		l := mqttLine(i)
		l.open = func() (net.Conn, error) {
			c, err := f.say([]byte(upgradeRequest))
			if err != nil {
				return nil, err
			}
			r, err := http.ReadResponse(bufio.NewReader(io.LimitReader(c, 4<<10)), nil)
			if err != nil {
				reset(c)
				return nil, err
			}
			r.Body.Close()
			if r.StatusCode != http.StatusSwitchingProtocols {
				reset(c)
				return nil, fmt.Errorf("upgrade: %s", r.Status)
			}
			return c, nil
		}
		l.write = func(c net.Conn, b byte) error {
			key := [4]byte{byte(rand.Uint32())}
			_, err := c.Write([]byte{0x82, 0x81, key[0], key[1], key[2], key[3], b ^ key[0]})
			return err
		}
		return l
	}, true)
}

// prepareUpgrade makes lines whose requests never end.
func (f *Flood) prepareUpgrade() error {
	return f.prepareLines(func(int) *line {
		return &line{
			open: f.dial, write: writeByte,
			begin: []byte("GET /mqtt HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"), repeat: []byte("X-More: and more\r\n"),
		}
	}, false)
}
