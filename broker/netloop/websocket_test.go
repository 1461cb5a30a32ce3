package netloop

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// rawWS asks for a WebSocket over tr, and returns the stream on which frames travel.
func rawWS(t *testing.T, cfg Config, p *probe) *wsStream {
	t.Helper()
	_, client := transports()[2].connect(t, cfg, p)
	return client.(*wsStream)
}

// readFrame reads a server's frame.
func readFrame(t *testing.T, ws *wsStream) (op byte, payload []byte) {
	t.Helper()
	op, n, err := readFrameHeader(ws.in)
	if err != nil {
		t.Fatalf("read a frame: %v", err)
	}
	payload = make([]byte, n)
	if _, err := io.ReadFull(ws.in, payload); err != nil {
		t.Fatal(err)
	}
	return op, payload
}

// wantClose reads a Close frame and the end of the stream.
func wantClose(t *testing.T, ws *wsStream, code uint16) {
	t.Helper()
	want := binary.BigEndian.AppendUint16(nil, code)
	if code == closeNoStatus {
		want = nil
	}
	if op, payload := readFrame(t, ws); op != opClose || !bytes.Equal(payload, want) {
		t.Errorf("opcode %#x with %x, want a Close frame with %x", op, payload, want)
	}
	wantEOF(t, ws.in)
}

func TestWebSocketViolations(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	f := func(first byte, payload string) string { return string(frame(r, first, []byte(payload))) }
	tests := []struct {
		name, bytes string
		code        uint16
		seen        string // what the handler has got
	}{
		{"unmasked", "\x82\x01x", closeProtocol, ""},
		{"text, v5 [MQTT-6.0.0-1], v3.1.1 [MQTT-6.0.0-1]", f(0x81, "x"), closeUnsupported, ""},
		{"reserved bit 1", f(0xC2, "x"), closeProtocol, ""},
		{"reserved bit 2", f(0xA2, "x"), closeProtocol, ""},
		{"reserved bit 3", f(0x92, "x"), closeProtocol, ""},
		{"unknown data opcode", f(0x83, "x"), closeProtocol, ""},
		{"unknown control opcode", f(0x8B, "x"), closeProtocol, ""},
		{"continuation of nothing", f(0x80, "x"), closeProtocol, ""},
		{"continuation of a finished message", f(0x82, "x") + f(0x80, "y"), closeProtocol, "x"},
		{"message within a message", f(0x02, "x") + f(0x82, "y"), closeProtocol, "x"},
		{"text within a message", f(0x02, "x") + f(0x81, "y"), closeUnsupported, "x"},
		{"fragmented Ping", f(0x09, "x"), closeProtocol, ""},
		{"long Ping", f(0x89, string(make([]byte, 126))), closeProtocol, ""},
		{"16 bit length of 125", "\x82\xFE\x00\x7D\x00\x00\x00\x00", closeProtocol, ""},
		{"64 bit length of 65535", "\x82\xFF\x00\x00\x00\x00\x00\x00\xFF\xFF\x00\x00\x00\x00", closeProtocol, ""},
		{"64 bit length, negative", "\x82\xFF\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", closeProtocol, ""},
		{"Close with half a code", f(0x88, "\x03"), closeProtocol, ""},
		{"Close with a code that is never sent", f(0x88, "\x03\xED"), closeProtocol, ""},
		{"Close with code 0", f(0x88, "\x00\x00"), closeProtocol, ""},
		{"Close with code 5000", f(0x88, "\x13\x88"), closeProtocol, ""},
		{"Close with a reason that is not UTF-8", f(0x88, "\x03\xE8\xFF"), closeInvalidData, ""},
		{"data before", f(0x82, "data") + f(0x81, "x"), closeUnsupported, "data"},
	}
	eachEngine(t, func(t *testing.T, cfg Config) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				p := newProbe(t)
				var seen []byte
				p.onData = func(_ *Conn, data []byte) int { seen = append(seen, data...); return len(data) }
				ws := rawWS(t, cfg, p)
				send(t, ws.stream, []byte(tt.bytes))
				wantClosed(t, p, ErrWebSocket)
				if string(seen) != tt.seen {
					t.Errorf("handler got %q, want %q", seen, tt.seen)
				}
				wantClose(t, ws, tt.code)
			})
		}
	})
}

// Packets need not end where frames do, several of them may be in one, and a Ping may come in between:
// v5 [MQTT-6.0.0-2], v3.1.1 [MQTT-6.0.0-2].
func TestWebSocketStream(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	f := func(first byte, payload string) []byte { return frame(r, first, []byte(payload)) }
	eachEngine(t, func(t *testing.T, cfg Config) {
		p := newProbe(t)
		var seen []string
		p.onData = func(_ *Conn, data []byte) int { // packets of three bytes
			n := len(data) / 3 * 3
			for i := 0; i < n; i += 3 {
				seen = append(seen, string(data[i:i+3]))
			}
			return n
		}
		ws := rawWS(t, cfg, p)
		for _, b := range [][]byte{
			f(0x82, "a"), f(0x82, "aabbb"), f(0x02, "c"), f(0x89, "ping"), f(0x00, "c"), f(0x80, "cd"), f(0x82, "d"), f(0x82, "d"),
			f(0x88, "\x03\xE8"),
		} {
			send(t, ws.stream, b)
		}
		wantClosed(t, p, ErrPeerGone)
		if got := strings.Join(seen, " "); got != "aaa bbb ccc ddd" {
			t.Errorf("handler got %q, want four packets", got)
		}
	})
}

// The peer's Close is answered with its code, after what is on its way.
func TestWebSocketClose(t *testing.T) {
	eachEngine(t, func(t *testing.T, cfg Config) {
		for _, tt := range []struct {
			payload string
			code    uint16
		}{
			{"", closeNoStatus},
			{"\x03\xE8", 1000},
			{"\x03\xE9bye", 1001},
			{"\x0B\xB8", 3000},
			{"\x13\x87\xC3\xA9", 4999},
		} {
			p := newProbe(t)
			p.onData = echo
			ws := rawWS(t, cfg, p)
			b := frame(ws.r, 0x82, []byte("last"))
			b = append(b, frame(ws.r, 0x88, []byte(tt.payload))...)
			send(t, ws.stream, append(b, frame(ws.r, 0x82, []byte("too late"))...))
			if op, got := readFrame(t, ws); op != opBinary || string(got) != "last" {
				t.Errorf("opcode %#x with %q, want the echo", op, got)
			}
			wantClosed(t, p, ErrPeerGone)
			wantClose(t, ws, tt.code)
		}
	})
}

// Pings are answered with their payload, also within a message, and Pongs are not.
func TestWebSocketPing(t *testing.T) {
	eachEngine(t, func(t *testing.T, cfg Config) {
		p := newProbe(t)
		p.onData = echo
		ws := rawWS(t, cfg, p)
		long := string(make([]byte, maxControlPayload))
		for _, ping := range []string{"", "x", long} {
			send(t, ws.stream, frame(ws.r, 0x8A, []byte("unasked")))
			send(t, ws.stream, frame(ws.r, 0x02, nil)) // a message that has begun
			send(t, ws.stream, frame(ws.r, 0x89, []byte(ping)))
			if op, got := readFrame(t, ws); op != opPong || string(got) != ping {
				t.Errorf("opcode %#x with %q, want a Pong with %q", op, got, ping)
			}
			send(t, ws.stream, frame(ws.r, 0x80, []byte("rest")))
			if op, got := readFrame(t, ws); op != opBinary || string(got) != "rest" {
				t.Errorf("opcode %#x with %q, want the echo", op, got)
			}
		}
	})
}

// Pings without number, of a peer that reads nothing, cost one Pong.
func TestWebSocketPingFlood(t *testing.T) {
	eachEngine(t, func(t *testing.T, cfg Config) {
		p := newProbe(t)
		seen := make(chan struct{}, 1)
		p.onData = func(_ *Conn, data []byte) int { seen <- struct{}{}; return len(data) }
		c, client := transports()[2].connectUnix(t, cfg, p)
		ws := client.(*wsStream)
		onLoop(t, c, func() { c.Write(c.Loop(), make([]byte, 600<<10)) })
		for i := range 20_000 {
			send(t, ws.stream, frame(ws.r, 0x89, binary.BigEndian.AppendUint32(nil, uint32(i))))
		}
		send(t, ws.stream, frame(ws.r, 0x82, []byte("x")))
		receive(t, seen, "data behind the Pings")
		if got := c.Waiting(); got > 600<<10+200 {
			t.Errorf("%d bytes wait", got)
		}
		total := 0
		for last := false; !last; {
			switch op, b := readFrame(t, ws); op {
			case opBinary:
				total += len(b)
			case opPong:
				last = binary.BigEndian.Uint32(b) == 19_999
			}
		}
		if total < 600<<10 {
			wantBytes(t, ws, make([]byte, 600<<10-total))
		}
	})
}

// What one turn puts out is one frame; but a portable engine's writer that is
// still at it takes some of it early.
func TestWebSocketFramePerFlush(t *testing.T) {
	eachEngine(t, func(t *testing.T, cfg Config) {
		p := newProbe(t)
		c, client := transports()[2].connect(t, cfg, p)
		for _, size := range []int{1, 125, 126, 10_000} {
			want := pattern(size)
			onLoop(t, c, func() {
				for i := range want {
					c.Write(c.Loop(), want[i:i+1])
				}
			})
			op, got := readFrame(t, client.(*wsStream))
			for cfg.Portable && len(got) < size {
				_, more := readFrame(t, client.(*wsStream))
				got = append(got, more...)
			}
			if op != opBinary || !bytes.Equal(got, want) {
				t.Errorf("opcode %#x with %d bytes, want one frame with %d", op, len(got), size)
			}
		}
	})
}

// takeModel takes frames apart, slowly.
func takeModel(b []byte) (data []byte, pongs [][]byte, code uint16) {
	within := false
	for len(b) >= 2 {
		first, second := b[0], b[1]
		op, fin, n := first&0x0F, first&0x80 != 0, uint64(second&0x7F)
		switch {
		case first&0x70 != 0 || second&0x80 == 0:
			return data, pongs, closeProtocol
		case op == opText:
			return data, pongs, closeUnsupported
		case op > opPong || op > opBinary && op < opClose || op >= opClose && (!fin || n > 125) || (op == opBinary) == within && op <= opBinary:
			return data, pongs, closeProtocol
		}
		at := 2
		switch n {
		case 126:
			if len(b) < 8 {
				return data, pongs, 0
			}
			n, at = uint64(binary.BigEndian.Uint16(b[2:])), 4
			if n < 126 {
				return data, pongs, closeProtocol
			}
		case 127:
			if len(b) < 14 {
				return data, pongs, 0
			}
			n, at = binary.BigEndian.Uint64(b[2:]), 10
			if n < 1<<16 || n > 1<<63-1 {
				return data, pongs, closeProtocol
			}
		}
		if len(b) < at+4 {
			return data, pongs, 0
		}
		mask, rest := b[at:at+4], b[at+4:]
		whole := uint64(len(rest)) >= n
		var payload []byte
		for i, p := range rest[:min(n, uint64(len(rest)))] {
			payload = append(payload, p^mask[i&3])
		}
		if op < opClose {
			data = append(data, payload...)
			within = !fin
		}
		if !whole {
			return data, pongs, 0
		}
		switch op {
		case opPing:
			pongs = append(pongs, payload)
		case opClose:
			closing := new(wsClose)
			if !errors.As(closedByPeer(payload), &closing) {
				panic("no code")
			}
			return data, pongs, closing.code
		}
		b = rest[n:]
	}
	return data, pongs, 0
}

// FuzzFrames compares what comes of any bytes, cut at any places, with a model.
func FuzzFrames(f *testing.F) {
	r := rand.New(rand.NewPCG(1, 1))
	f.Add(append(frame(r, 0x02, []byte("hello")), append(frame(r, 0x89, []byte("ping")), frame(r, 0x80, make([]byte, 150))...)...), uint64(1))
	f.Add(append(frame(r, 0x82, make([]byte, 200)), frame(r, 0x88, []byte("\x03\xE8bye"))...), uint64(2))
	f.Add([]byte("\x82\xFF\x00\x00\x00\x00\x00\x01\x00\x00\x01\x02\x03\x04abc"), uint64(3))
	e, err := New(Config{Portable: true, Loops: 1})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { shutdown(f, e, nil) })
	f.Fuzz(func(t *testing.T, b []byte, seed uint64) {
		wantData, wantPongs, wantCode := takeModel(b)
		r := rand.New(rand.NewPCG(seed, 0))
		c := &Conn{loop: e.Loops()[0]}
		c.state = outDirty // so that nobody flushes it
		w := &wire{conn: c, ws: new(webSocket)}
		var data []byte
		var err error
		for rest := bytes.Clone(b); len(rest) > 0 && err == nil; {
			k := min(len(rest), 1+r.IntN(1<<r.IntN(12)))
			var n int
			n, err = w.ws.take(w, rest[:k])
			data = append(data, rest[:n]...)
			rest = rest[k:]
		}
		if !bytes.Equal(data, wantData) {
			t.Errorf("%d bytes of data, want %d", len(data), len(wantData))
		}
		if n := len(wantPongs); (w.pong != nil) != (n > 0) || n > 0 && !bytes.Equal(w.pong, wantPongs[n-1]) {
			t.Errorf("Pong %q, want the last of %q", w.pong, wantPongs)
		}
		var code uint16
		if closing := new(wsClose); errors.As(err, &closing) {
			code = closing.code
		}
		if code != wantCode {
			t.Errorf("closed with code %d (%v), want %d", code, err, wantCode)
		}
		if len(w.ws.control) > maxControlPayload {
			t.Errorf("%d bytes kept of a control frame", len(w.ws.control))
		}
	})
}
