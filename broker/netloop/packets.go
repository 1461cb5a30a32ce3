package netloop

// A front whose peers take a WebSocket message for a packet has each packet made a
// frame of its own as it is put out. Elsewhere frames are made as late as
// possible, of all that one turn has put out.

// PacketFrames has, from now on, what is given between Begin and End leave as one
// binary message of the WebSocket, and no other. It does nothing without WebSocket.
// Only for use in OnOpen, before there is output.
func (c *Conn) PacketFrames() {
	if !c.IsWebSocket() {
		return
	}
	c.mu.Lock()
	c.wire.packets = true
	c.mu.Unlock()
}

// packets tells whether output is made frames as it is put out. It is called with c.mu held.
func (c *Conn) packets() bool { return c.filtered && c.wire.packets }

// IsWebSocket tells whether the peer speaks through a WebSocket. It may be called
// from anywhere from OnOpen on.
func (c *Conn) IsWebSocket() bool { return c.wire != nil && c.wire.ws != nil }

// IsTLS tells whether the peer speaks through TLS. It may be called from anywhere from OnOpen on.
func (c *Conn) IsTLS() bool { return c.wire != nil && c.wire.tls != nil }

// WriteText puts out a copy of b as one text message after PacketFrames, and is
// Write without. b must be UTF-8. by is as in End.
func (c *Conn) WriteText(by *Loop, b []byte) {
	if dst, ok := c.BeginControl(len(b)); ok {
		c.endText(by, dst, b)
	}
}

// OfferText is WriteText for what may be refused: it returns false, and puts out
// nothing, where Begin does.
func (c *Conn) OfferText(by *Loop, b []byte) bool {
	dst, ok := c.Begin(len(b))
	if ok {
		c.endText(by, dst, b)
	}
	return ok
}

// endText is End for a text message. It is called with c.mu held; it unlocks.
func (c *Conn) endText(by *Loop, dst, b []byte) {
	if c.packets() {
		c.endMessage(by, dst, opText, b)
		return
	}
	c.End(by, append(dst, b...))
}

// endMessage puts a frame of its own behind dst, after PacketFrames. It is called with c.mu held; it unlocks.
func (c *Conn) endMessage(by *Loop, dst []byte, op byte, payload []byte) {
	before, at := c.out.n, len(dst)
	dst = c.wire.ws.frame(append(dst, payload...), at, 0, op)
	c.out.n += len(dst) - at
	c.out.tail = dst
	c.unlockDirty(by, before)
}

// frame puts the header of a frame before b[at:], which is its payload but for
// ref bytes that follow elsewhere. Without payload there is no data frame.
func (ws *webSocket) frame(b []byte, at, ref int, op byte) []byte {
	n := len(b) - at
	if n+ref == 0 && op&opClose == 0 {
		return b
	}
	var room [maxFrameHeader]byte
	header := ws.frameHeader(room[:0], op, n+ref)
	b = append(b, header...) // makes room
	copy(b[at+len(header):], b[at:at+n])
	copy(b[at:], header)
	return b
}

// CloseWith is an error for Close that has a WebSocket closed with a status code
// of RFC 6455, 7.4.1, such as 1012 for a server that restarts. Otherwise it is
// err. Without it, the code is 1001 for ErrShutdown and else 1000.
func CloseWith(code uint16, err error) error { return &wsClose{code, err} }
