package client

import (
	"errors"
	"io"
	"net"

	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
)

// firstRead is the size of a stream's buffer until more has arrived.
const firstRead = 4 << 10

// stream cuts a connection's bytes into packets.
type stream struct {
	conn net.Conn
	text bool   // packets may be of the text form
	buf  []byte // what has arrived
	used int    // how much of it has been taken
}

// next waits for a packet. It is valid until the next call. The buffer grows with
// what arrives, at most to twice that.
func (s *stream) next() (packet.Frame, error) {
	for {
		f, n, err := s.cut(s.buf[s.used:])
		if err != nil || n > 0 {
			s.used += n
			return f, err
		}
		s.buf = append(s.buf[:0], s.buf[s.used:]...)
		s.used = 0
		if len(s.buf) == cap(s.buf) {
			s.buf = append(make([]byte, 0, max(firstRead, 2*len(s.buf))), s.buf...)
		}
		n, err = s.conn.Read(s.buf[len(s.buf):cap(s.buf)])
		s.buf = s.buf[:len(s.buf)+n]
		if n == 0 && err != nil {
			if errors.Is(err, io.EOF) && len(s.buf) > 0 {
				err = io.ErrUnexpectedEOF
			}
			return packet.Frame{}, err
		}
	}
}

// cut reads the first packet. As a length "wx" would be 2 GB.
func (s *stream) cut(b []byte) (packet.Frame, int, error) {
	if s.text {
		switch yes, more := packet.MatchText(b); {
		case yes:
			return packet.ReadText(b, packet.MaxBody)
		case more:
			return packet.Frame{}, 0, nil
		}
	}
	return packet.ReadAnswer(b, packet.MaxBody)
}
