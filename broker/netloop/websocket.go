package netloop

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"unicode/utf8"
)

// Opcodes and status codes of RFC 6455.
const (
	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xA

	closeNormal      = 1000
	closeGoingAway   = 1001
	closeProtocol    = 1002
	closeUnsupported = 1003
	closeNoStatus    = 1005 // never sent: stands for a Close frame without code
	closeInvalidData = 1007
)

// maxControlPayload is the most that a control frame may carry (RFC 6455, 5.5).
const maxControlPayload = 125

// maxFrameHeader is the size of the longest header of a frame, a client's.
const maxFrameHeader = 14

// ErrWebSocket wraps what is wrong with a peer's WebSocket frames.
var ErrWebSocket = errors.New("netloop: WebSocket protocol violation")

// wsClose ends a connection with a Close frame.
type wsClose struct {
	code uint16
	err  error
}

func (e *wsClose) Error() string { return e.err.Error() }
func (e *wsClose) Unwrap() error { return e.err }

func violation(code uint16, what string) error {
	return &wsClose{code, fmt.Errorf("%w: %s", ErrWebSocket, what)}
}

// webSocket takes a peer's frames apart: a client's, or the server's on a connection
// that we have made. Payloads are unmasked where they are
// and never kept, however long a frame claims to be; only of control frames, which
// are short, they are. MQTT packets need not match frames (v5 [MQTT-6.0.0-2]).
type webSocket struct {
	left    uint64 // payload bytes of the frame that are still to come
	control []byte // payload of a control frame so far
	mask    [4]byte
	head    [maxFrameHeader]byte
	have    uint8 // bytes of a header in head
	op      byte  // of the frame
	fin     bool  // it is its message's last one
	within  bool  // a message has begun and not ended
	inFrame bool  // the header is complete
	client  bool  // we are: what comes is not masked, what goes is

	takesText bool // text messages are taken like binary ones
	text      bool // there has been one
}

// take moves the application data in b to its beginning and returns how much
// that is. The error is what ends the connection: a *wsClose.
func (ws *webSocket) take(w *wire, b []byte) (n int, err error) {
	for in := b; ; {
		if !ws.inFrame {
			if len(in) == 0 {
				return n, nil
			}
			used, err := ws.header(in)
			if err != nil {
				return n, err
			}
			if in = in[used:]; !ws.inFrame {
				return n, nil
			}
		}
		k := int(min(ws.left, uint64(len(in))))
		if ws.op&opClose != 0 {
			at := len(ws.control)
			ws.control = append(ws.control, in[:k]...)
			ws.unmask(ws.control[at:], in[:k])
		} else {
			ws.unmask(b[n:n+k], in[:k])
			n += k
		}
		in = in[k:]
		if ws.left -= uint64(k); ws.left > 0 {
			return n, nil
		}
		if err := ws.frameEnd(w); err != nil {
			return n, err
		}
	}
}

// header takes header bytes from b and returns their number.
func (ws *webSocket) header(b []byte) (used int, err error) {
	maskSize := len(ws.mask)
	if ws.client {
		maskSize = 0
	}
	for ws.have < 2 || int(ws.have) < 2+lengthBytes(ws.head[1])+maskSize {
		if used == len(b) {
			return used, nil
		}
		ws.head[ws.have] = b[used]
		ws.have, used = ws.have+1, used+1
		if ws.have == 2 {
			if err := ws.checkHeader(); err != nil {
				return used, err
			}
		}
	}
	ext := lengthBytes(ws.head[1])
	switch ext {
	case 0:
		ws.left = uint64(ws.head[1] & 0x7F)
	case 2:
		ws.left = uint64(binary.BigEndian.Uint16(ws.head[2:]))
	case 8:
		ws.left = binary.BigEndian.Uint64(ws.head[2:])
	}
	if ext == 2 && ws.left < 126 || ext == 8 && (ws.left <= 0xFFFF || ws.left>>63 != 0) {
		return used, violation(closeProtocol, "length not in its shortest form or too large")
	}
	copy(ws.mask[:maskSize], ws.head[2+ext:])
	ws.have, ws.inFrame = 0, true
	return used, nil
}

// lengthBytes is how many bytes of length follow the second byte of a header.
func lengthBytes(second byte) int {
	switch second & 0x7F {
	case 126:
		return 2
	case 127:
		return 8
	}
	return 0
}

// checkHeader judges the first two bytes of a header.
func (ws *webSocket) checkHeader() error {
	first, second := ws.head[0], ws.head[1]
	ws.fin, ws.op = first&0x80 != 0, first&0x0F
	switch {
	case first&0x70 != 0:
		return violation(closeProtocol, "reserved bit set: no extension is in use")
	case second&0x80 == 0 && !ws.client:
		return violation(closeProtocol, "frame is not masked")
	case second&0x80 != 0 && ws.client:
		return violation(closeProtocol, "frame of a server is masked")
	}
	switch ws.op {
	case opText:
		if !ws.takesText { // v5 [MQTT-6.0.0-1]: MQTT travels in binary frames only.
			return violation(closeUnsupported, "text frame")
		}
		ws.text = true
		fallthrough
	case opBinary:
		if ws.within {
			return violation(closeProtocol, "message within a message")
		}
		ws.within = true
	case opContinuation:
		if !ws.within {
			return violation(closeProtocol, "continuation of nothing")
		}
	case opClose, opPing, opPong:
		if !ws.fin || second&0x7F > maxControlPayload {
			return violation(closeProtocol, "control frame fragmented or too long")
		}
	default:
		return violation(closeProtocol, "unknown opcode")
	}
	return nil
}

// frameEnd acts upon a complete frame.
func (ws *webSocket) frameEnd(w *wire) error {
	ws.inFrame = false
	if ws.op&opClose == 0 {
		ws.within = ws.within && !ws.fin
		return nil
	}
	payload := ws.control
	ws.control = nil
	switch ws.op {
	case opPing:
		w.setPong(payload)
	case opClose:
		return closedByPeer(payload)
	}
	return nil
}

// closedByPeer is the error for a Close frame: ErrPeerGone with the code to
// send back, if the frame is as it should be.
func closedByPeer(payload []byte) error {
	if len(payload) == 0 {
		return &wsClose{closeNoStatus, ErrPeerGone}
	}
	if len(payload) == 1 {
		return violation(closeProtocol, "half a status code")
	}
	code := binary.BigEndian.Uint16(payload)
	switch {
	case code >= 1000 && code <= 1003, code >= 1007 && code <= 1014, code >= 3000 && code <= 4999:
	default:
		return violation(closeProtocol, "status code that may not be sent")
	}
	if !utf8.Valid(payload[2:]) {
		return violation(closeInvalidData, "reason is not UTF-8")
	}
	return &wsClose{code, ErrPeerGone}
}

// setPong has a Pong sent, instead of one that still waits: only the last Ping
// needs an answer (RFC 6455, 5.5.3).
func (w *wire) setPong(payload []byte) {
	c := w.conn
	if w.packets {
		if dst, ok := c.BeginControl(len(payload)); ok {
			c.endMessage(c.loop, dst, opPong, payload)
		}
		return
	}
	if payload == nil {
		payload = []byte{}
	}
	c.mu.Lock()
	w.pong = payload
	c.mu.Unlock()
	w.flush()
}

// unmask writes src, unmasked, to dst, which begins before src or with it, or
// does not overlap it. It leaves mask as the frame's next bytes need it.
func (ws *webSocket) unmask(dst, src []byte) {
	one := uint64(binary.LittleEndian.Uint32(ws.mask[:]))
	word := one<<32 | one
	i := 0
	for ; i+8 <= len(src); i += 8 {
		binary.LittleEndian.PutUint64(dst[i:], binary.LittleEndian.Uint64(src[i:])^word)
	}
	for ; i < len(src); i++ {
		dst[i] = src[i] ^ ws.mask[i&3]
	}
	old := ws.mask
	for j := range ws.mask {
		ws.mask[j] = old[(j+len(src))&3]
	}
}

// frameHeader appends the header of a frame with n bytes of payload to dst. A client's has
// the key at its end, with which the payload is to be masked.
func (ws *webSocket) frameHeader(dst []byte, op byte, n int) []byte {
	at := len(dst) + 1
	dst = append(dst, 0x80|op)
	switch {
	case n < 126:
		dst = append(dst, byte(n))
	case n <= 0xFFFF:
		dst = binary.BigEndian.AppendUint16(append(dst, 126), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, 127), uint64(n))
	}
	if !ws.client {
		return dst
	}
	dst[at] |= 0x80
	return binary.LittleEndian.AppendUint32(dst, rand.Uint32())
}

// controlFrame appends a control frame to dst.
func (ws *webSocket) controlFrame(dst []byte, op byte, payload []byte) []byte {
	dst = ws.frameHeader(dst, op, len(payload))
	dst = append(dst, payload...)
	if ws.client {
		ws.maskLast(dst, len(payload))
	}
	return dst
}

// closeFrame appends a Close frame to dst.
func (ws *webSocket) closeFrame(dst []byte, code uint16) []byte {
	if code == closeNoStatus {
		return ws.controlFrame(dst, opClose, nil)
	}
	return ws.controlFrame(dst, opClose, binary.BigEndian.AppendUint16(nil, code))
}

// maskLast masks the last n bytes of b with the key in the four before them.
func (ws *webSocket) maskLast(b []byte, n int) {
	key := b[len(b)-n-4:][:4]
	masking := webSocket{mask: [4]byte(key)}
	masking.unmask(b[len(b)-n:], b[len(b)-n:])
}

// maskPool has buffers in which a client masks what is lent to it.
var maskPool = sync.Pool{New: func() any { b := make([]byte, 0, sealAhead+maxFrontSize); return &b }}
