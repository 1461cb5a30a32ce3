package client

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// webSocket is a connection inside WebSocket messages (RFC 6455): each Write is one
// message, and Read returns the content of messages with no regard to their bounds.
// Pings are answered while reading. What is written must be taken within writeTimeout.
type webSocket struct {
	net.Conn
	text bool // write text messages

	// Owned by who reads.
	in   *bufio.Reader
	left uint64 // of the frame at hand

	mu sync.Mutex // writes of messages and of pongs, which must not mix
}

const (
	opText, opBinary          = 0x1, 0x2
	opClose, opPing           = 0x8, 0x9
	opPong                    = 0xA
	finBit, maskBit           = 0x80, 0x80
	maxControl                = 125
	noStatus                  = 1005
	maxHTTPHeader             = 8 << 10
	webSocketGUID             = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
	len16, len64              = 126, 127
	reservedBits, opBits      = 0x70, 0x0F
	firstControl              = 0x8
	opContinuation       byte = 0
)

// openWebSocket asks for a WebSocket on the path /, without a subprotocol.
func openWebSocket(ctx context.Context, conn net.Conn, host string, text bool) (*webSocket, error) {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	var nonce [16]byte
	rand.Read(nonce[:]) // never fails
	key := base64.StdEncoding.EncodeToString(nonce[:])
	_, err := fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n\r\n", host, key)
	if err != nil {
		return nil, cause(ctx, err)
	}
	limited := &io.LimitedReader{R: conn, N: maxHTTPHeader}
	in := bufio.NewReader(limited)
	answer, err := http.ReadResponse(in, nil)
	if err != nil {
		return nil, cause(ctx, fmt.Errorf("%w: %w", ErrWebSocket, err))
	}
	answer.Body.Close()
	limited.N = math.MaxInt64
	sum := sha1.Sum([]byte(key + webSocketGUID))
	if answer.StatusCode != http.StatusSwitchingProtocols || !strings.EqualFold(answer.Header.Get("Upgrade"), "websocket") ||
		answer.Header.Get("Sec-WebSocket-Accept") != base64.StdEncoding.EncodeToString(sum[:]) {
		return nil, fmt.Errorf("%w: the answer is %q", ErrWebSocket, answer.Status)
	}
	return &webSocket{Conn: conn, text: text, in: in}, nil
}

// cause returns what ended ctx, or err.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// Read implements net.Conn.
func (w *webSocket) Read(b []byte) (int, error) {
	for w.left == 0 {
		if err := w.header(); err != nil {
			return 0, err
		}
	}
	n, err := w.in.Read(b[:min(uint64(len(b)), w.left)])
	w.left -= uint64(n)
	return n, err
}

// header reads the header of a data frame, and control frames before it.
func (w *webSocket) header() error {
	var h [8]byte
	if _, err := io.ReadFull(w.in, h[:2]); err != nil {
		return err
	}
	op, n := h[0]&opBits, uint64(h[1]&^maskBit)
	if h[0]&reservedBits != 0 || h[1]&maskBit != 0 {
		return fmt.Errorf("%w: a frame with reserved bits or a mask", ErrWebSocket)
	}
	if op >= firstControl {
		return w.control(op, n)
	}
	if op > opBinary {
		return fmt.Errorf("%w: a frame with opcode %d", ErrWebSocket, op)
	}
	switch n {
	case len16:
		if _, err := io.ReadFull(w.in, h[:2]); err != nil {
			return err
		}
		n = uint64(binary.BigEndian.Uint16(h[:]))
	case len64:
		if _, err := io.ReadFull(w.in, h[:]); err != nil {
			return err
		}
		n = binary.BigEndian.Uint64(h[:])
	}
	w.left = n
	return nil
}

func (w *webSocket) control(op byte, n uint64) error {
	if n > maxControl {
		return fmt.Errorf("%w: a control frame of more than 125 bytes", ErrWebSocket)
	}
	payload := make([]byte, n)
	if _, err := io.ReadFull(w.in, payload); err != nil {
		return err
	}
	switch op {
	case opPing:
		return w.write(opPong, payload)
	case opClose:
		code := uint16(noStatus)
		if n >= 2 {
			code = binary.BigEndian.Uint16(payload)
		}
		_ = w.write(opClose, payload) // the server may be gone
		return &CloseError{Code: code}
	}
	return nil
}

// Write implements net.Conn.
func (w *webSocket) Write(b []byte) (int, error) {
	op := byte(opBinary)
	if w.text {
		op = opText
	}
	if err := w.write(op, b); err != nil {
		return 0, err
	}
	return len(b), nil
}

func (w *webSocket) write(op byte, payload []byte) error {
	frame := []byte{finBit | op}
	switch n := len(payload); {
	case n < len16:
		frame = append(frame, maskBit|byte(n))
	case n <= math.MaxUint16:
		frame = binary.BigEndian.AppendUint16(append(frame, maskBit|len16), uint16(n))
	default:
		frame = binary.BigEndian.AppendUint64(append(frame, maskBit|len64), uint64(n))
	}
	var mask [4]byte
	rand.Read(mask[:])
	frame = append(frame, mask[:]...)
	for i, c := range payload {
		frame = append(frame, c^mask[i&3])
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	// A deadline that the last message had does not hold for this one.
	if err := w.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	_, err := w.Conn.Write(frame)
	return err
}
