package netloop

import (
	"bufio"
	"bytes"
	"io"
	"maps"
	mrand "math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// bareRequest asks for a WebSocket without subprotocol.
var bareRequest = strings.Replace(strings.Replace(upgradeRequest, "/mqtt", "/", 1), "Sec-WebSocket-Protocol: mqtt\r\n", "", 1)

// The fronts have such functions of their own.

// matchXIMP recognises XIMP: its first packet begins with the letters qh.
func matchXIMP(prefix []byte) Match { return matchBytes(prefix, "qh") }

// matchXIMPText recognises the text form of XIMP, which is spoken within WebSockets only.
func matchXIMPText(prefix []byte) Match { return matchBytes(prefix, "wx") }

// matchMIOP recognises MIOP 5 and 6: the version, and the opcode of a frame that
// a client may begin with: Ping, Bind, Rebind or Handshake.
func matchMIOP(prefix []byte) Match {
	m := max(matchBytes(prefix[:min(len(prefix), 3)], "\x00\x05\x00"), matchBytes(prefix[:min(len(prefix), 3)], "\x00\x06\x00"))
	if m != MatchYes {
		return m
	}
	if len(prefix) < 4 {
		return MatchMore
	}
	switch prefix[3] {
	case 0, 2, 10, 15:
		return MatchYes
	}
	return MatchNo
}

// maxOldProps bounds the length of the properties in matchOldMIOP.
const maxOldProps = 4096

// matchOldMIOP recognises MIOP 0 to 4, which have no opcode: the version, a
// length of properties that is not too large, and no data.
func matchOldMIOP(prefix []byte) Match {
	for i, b := range prefix[:min(len(prefix), 8)] {
		if i == 1 && b > 4 || i == 2 && b > maxOldProps>>8 || i == 3 && b != 0 && prefix[2] == maxOldProps>>8 ||
			(i == 0 || i > 3) && b != 0 {
			return MatchNo
		}
	}
	if len(prefix) < 8 {
		return MatchMore
	}
	return MatchYes
}

// nativeProtocols are those beside MQTT.
func nativeProtocols(t testing.TB) []Protocol {
	return []Protocol{
		{Name: "ximp", Match: matchXIMP, NewHandler: named(t, "ximp")},
		{Name: "miop", Match: matchMIOP, NewHandler: named(t, "miop")},
		{Name: "old", Match: matchOldMIOP, NewHandler: named(t, "old")},
	}
}

// nativeConfig speaks everything on one port.
func nativeConfig(t testing.TB) ListenConfig {
	mqtt := Protocol{Name: "mqtt", Match: MatchMQTT, NewHandler: named(t, "mqtt")}
	return ListenConfig{
		NewHandler: noHandler(t),
		TLS:        testServerTLS(),
		WebSocket:  &WebSocketConfig{},
		Sniff:      append([]Protocol{mqtt}, nativeProtocols(t)...),
		Bare: []Protocol{
			{Name: "ximp", Match: matchXIMP, NewHandler: named(t, "ximp"), Text: true},
			{Name: "text", Match: matchXIMPText, NewHandler: named(t, "text"), Text: true},
			mqtt,
		},
	}
}

// Each row of the table of first bytes, cut anywhere.
func TestSniffNative(t *testing.T) {
	tests := []struct {
		first string
		want  string // the handler; "" closes the connection
	}{
		{"\x10\x10\x00\x04MQTT", "mqtt"},
		{"qh\x10\x66", "ximp"},
		{"qx", ""},
		{"wxh128", ""}, // within WebSockets only
		{"\x00\x05\x00\x00", "miop"},
		{"\x00\x06\x00\x02\x00\x05", "miop"},
		{"\x00\x05\x00\x0A", "miop"},
		{"\x00\x06\x00\x0F", "miop"},
		{"\x00\x05\x00\x03", ""}, // Msg is the server's
		{"\x00\x05\x01\x02", ""},
		{"\x00\x07", ""},
		{"\x00\x02\x00\x08\x00\x00\x00\x00", "old"},
		{"\x00\x04\x10\x00\x00\x00\x00\x00", "old"},
		{"\x00\x04\x10\x01", ""},
		{"\x00\x04\x11", ""},
		{"\x00\x03\x00\x08\x00\x00\x00\x01", ""},
		{"\x00\x00\x00\x00\x01", ""},
		{"\x16\x03\x05", ""},
		{"<policy-file-request/>\x00", ""},
		{"PROXY TCP4 ", ""},
		{"PUT / HTTP/1.1\r\n", ""},
	}
	eachEngine(t, func(t *testing.T, cfg Config) {
		e := startEngine(t, cfg)
		lc := nativeConfig(t)
		addr := listenWith(t, e, lc)
		for _, tt := range tests {
			for _, n := range []int{1, 2, 3, 1000} {
				client := splitter{dialTCP(t, addr), n}
				_, _ = client.Write([]byte(tt.first)) // it may be refused early
				if tt.want != "" {
					wantBytes(t, client, []byte(tt.want+":"+tt.first))
				} else if got, err := client.Read(make([]byte, 1)); got > 0 || err == nil {
					t.Errorf("%q was answered", tt.first)
				}
				client.Close()
			}
		}
		if got := e.Stats().Unknown; got["7178"] < 1 || got["0007"] < 1 || got["3c"]+got["3c70"] != 4 {
			t.Errorf("unknown beginnings: got %v", got)
		}
	})
}

// Methods that ask for no WebSocket are refused at once.
func TestHTTPRefused(t *testing.T) {
	eachEngine(t, func(t *testing.T, cfg Config) {
		e := startEngine(t, cfg)
		addr := listenWith(t, e, nativeConfig(t))
		for _, tt := range []struct {
			request string
			status  int
		}{
			{"POST /get HTTP/1.1\r\n", 400},
			{"HEAD / HTTP/1.1\r\n", 400},
			{"OPTIONS * HTTP/1.1\r\n", 400},
			{"GET /get HTTP/1.1\r\nHost: x\r\n\r\n", 404},
			{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 426},
			{strings.Replace(upgradeRequest, "/mqtt", "/", 1), 404}, // MQTT has a path of its own
			{strings.Replace(bareRequest, "GET / ", "GET /mqtt ", 1), 400},
		} {
			nc := dialTCP(t, addr)
			send(t, nc, []byte(tt.request))
			resp, err := http.ReadResponse(bufio.NewReader(nc), &http.Request{Method: http.MethodGet})
			if err != nil {
				t.Fatalf("%q: %v", tt.request, err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if resp.StatusCode != tt.status {
				t.Errorf("%q: got status %d, want %d", tt.request, resp.StatusCode, tt.status)
			}
		}
	})
}

// bareClient asks for a WebSocket without subprotocol; frames travel on what it returns.
func bareClient(t testing.TB, nc stream) *wsStream {
	t.Helper()
	ws := &wsStream{stream: nc, t: t, in: bufio.NewReader(nc), r: mrand.New(mrand.NewPCG(1, 2))}
	resp, err := http.ReadResponse(ws.in, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols || resp.Header.Get("Sec-WebSocket-Protocol") != "" {
		t.Fatalf("upgrade answered %v, error %v", resp, err)
	}
	return ws
}

// A WebSocket without subprotocol speaks what its first message begins like, however that is cut into frames, and
// whether it comes with the request or later.
func TestBareWebSocket(t *testing.T) {
	r := mrand.New(mrand.NewPCG(1, 2))
	f := func(first byte, payload string) string { return string(frame(r, first, []byte(payload))) }
	tests := []struct {
		name, frames string
		want         string // what comes back
		code         uint16 // of the Close frame, if nothing comes back
	}{
		{"binary", f(0x82, "qh12"), "ximp:qh12", 0},
		{"fragments", f(0x02, "q") + f(0x89, "ping") + f(0x00, "") + f(0x80, "h12"), "ximp:qh12", 0},
		{"one byte a message", f(0x82, "q") + f(0x82, "h") + f(0x82, "1"), "ximp:qh1", 0},
		{"text", f(0x81, "wxh128"), "text:wxh128", 0},
		{"text, then binary", f(0x01, "w") + f(0x80, "x") + f(0x82, "!"), "text:wx!", 0},
		{"binary form in text", f(0x81, "qh"), "ximp:qh", 0},
		{"MQTT", f(0x82, "\x10\x10"), "mqtt:\x10\x10", 0},
		{"MQTT in text", f(0x81, "\x10\x10"), "", closeUnsupported},
		{"MIOP", f(0x82, "\x00\x05\x00\x02"), "", closeUnsupported},
		{"Close first", f(0x88, "\x03\xE8"), "", closeNormal},
	}
	eachEngine(t, func(t *testing.T, cfg Config) {
		e := startEngine(t, cfg)
		addr := listenWith(t, e, nativeConfig(t))
		for _, tt := range tests {
			for _, n := range []int{1, 5, 100_000} {
				nc := splitter{dialTCP(t, addr), n}
				_, _ = nc.Write([]byte(bareRequest + tt.frames))
				ws := bareClient(t, nc)
				switch {
				case tt.want != "":
					wantBytes(t, ws, []byte(tt.want))
				default:
					wantClose(t, ws, tt.code)
				}
				ws.Close()
			}
		}
	})
}

// Origins hold for bare WebSockets too, and not without being set.
func TestBareWebSocketOrigins(t *testing.T) {
	eachEngine(t, func(t *testing.T, cfg Config) {
		e := startEngine(t, cfg)
		for _, tt := range []struct {
			origins []string
			origin  string
			status  int
		}{
			{nil, "https://other.example", 101},
			{[]string{"https://example.org", "https://example.net"}, "https://EXAMPLE.net", 101},
			{[]string{"https://example.org"}, "https://example.org.evil.example", 403},
			{[]string{"https://example.org"}, "null", 403}, // a page of a file
			{[]string{"https://example.org"}, "", 101},     // a device
			{[]string{}, "https://example.org", 403},
		} {
			lc := nativeConfig(t)
			lc.Origins = tt.origins
			nc, request := dialTCP(t, listenWith(t, e, lc)), bareRequest
			if tt.origin != "" {
				request = strings.Replace(request, "Host:", "Origin: "+tt.origin+"\r\nHost:", 1)
			}
			send(t, nc, []byte(request))
			resp, err := http.ReadResponse(bufio.NewReader(nc), &http.Request{Method: http.MethodGet})
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != tt.status {
				t.Errorf("origins %q, page of %q: got status %d, want %d", tt.origins, tt.origin, resp.StatusCode, tt.status)
			}
			nc.Close()
		}
	})
}

// A listener may speak in bare WebSockets alone.
func TestBareWebSocketOnly(t *testing.T) {
	eachEngine(t, func(t *testing.T, cfg Config) {
		e := startEngine(t, cfg)
		addr := listenWith(t, e, ListenConfig{NewHandler: named(t, "ximp"), Bare: []Protocol{{Name: "ximp", Match: matchXIMP}}})
		nc := dialTCP(t, addr)
		send(t, nc, []byte(bareRequest))
		ws := bareClient(t, nc)
		send(t, ws, []byte("qh"))
		wantBytes(t, ws, []byte("ximp:qh"))
		other := dialTCP(t, addr)
		send(t, other, []byte(upgradeRequest))
		if resp, err := http.ReadResponse(bufio.NewReader(other), nil); err != nil || resp.StatusCode != http.StatusNotFound {
			t.Errorf("MQTT: got %v, error %v, want status 404", resp, err)
		}
	})
}

// Each packet is a message of its own, over TLS and without, with Pongs and the Close frame between them.
func TestPacketFrames(t *testing.T) {
	for i, scheme := range []string{"ws", "wss"} {
		eachEngine(t, func(t *testing.T, cfg Config) {
			e := startEngine(t, cfg)
			p := newProbe(t)
			p.onOpen = func(c *Conn) {
				if !c.IsWebSocket() || c.IsTLS() != (i == 1) {
					t.Errorf("WebSocket %v, TLS %v", c.IsWebSocket(), c.IsTLS())
				}
				c.PacketFrames()
			}
			addr := transports()[2+i].listen(t, e, func(*Conn) Handler { return p })
			tcfg := clientTLS()
			tcfg.NextProtos = nil
			d := websocket.Dialer{Subprotocols: []string{"mqtt"}, TLSClientConfig: tcfg, HandshakeTimeout: patience}
			client, resp, err := d.Dial(scheme+"://"+addr.String()+"/mqtt", nil)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			defer client.Close()
			check(t, client.SetReadDeadline(time.Now().Add(patience)))
			check(t, client.WriteControl(websocket.PingMessage, []byte("x"), time.Now().Add(patience)))
			pongs := 0
			client.SetPongHandler(func(string) error { pongs++; return nil })
			c := p.conn()
			sizes := []int{1, 4, 125, 126, chunkSize - 5, 65535, 65536, 500_000, 0, 7}
			onLoop(t, c, func() {
				for _, n := range sizes {
					c.Write(c.Loop(), pattern(n))
				}
				b, _ := c.BeginControl(3)
				c.EndRef(c.Loop(), append(b, "abc"...), pattern(10_000))
				c.WriteText(c.Loop(), []byte("text"))
				c.Close(CloseWith(1012, ErrPeerGone))
			})
			for _, n := range sizes {
				if n == 0 {
					continue // is no message
				}
				wantMessage(t, client, websocket.BinaryMessage, pattern(n))
			}
			wantMessage(t, client, websocket.BinaryMessage, append([]byte("abc"), pattern(10_000)...))
			wantMessage(t, client, websocket.TextMessage, []byte("text"))
			if _, _, err := client.ReadMessage(); !websocket.IsCloseError(err, 1012) {
				t.Errorf("got %v, want the code 1012", err)
			}
			if pongs > 1 {
				t.Errorf("got %d Pongs for a Ping", pongs)
			}
		})
	}
}

func wantMessage(t *testing.T, client *websocket.Conn, typ int, want []byte) {
	t.Helper()
	gotTyp, got, err := client.ReadMessage()
	if err != nil || gotTyp != typ || !bytes.Equal(got, want) {
		t.Fatalf("got %d bytes of type %d, error %v; want %d bytes of type %d", len(got), gotTyp, err, len(want), typ)
	}
}

// What a slow peer may miss is refused in text, too, once enough waits for it; afterwards there is room again.
func TestOfferText(t *testing.T) {
	eachEngine(t, func(t *testing.T, cfg Config) {
		cfg.HighWater, cfg.LowWater = 64<<10, 16<<10
		const total, size = 500, 10_000
		p := newProbe(t)
		sent, refused := 0, 0
		fill := func(c *Conn) {
			for ; sent < total; sent++ {
				if !c.OfferText(c.Loop(), pattern(size)) {
					refused++
					if got, most := c.Waiting(), cfg.HighWater+size+maxFrameHeader; got > most {
						t.Errorf("%d bytes wait, want at most %d", got, most)
					}
					return
				}
			}
		}
		p.onOpen = func(c *Conn) {
			c.PacketFrames()
			fill(c)
		}
		p.onWritable = fill
		c, client := transports()[2].connectUnix(t, cfg, p)
		for i := range total {
			if op, got := readFrame(t, client.(*wsStream)); op != opText || !bytes.Equal(got, pattern(size)) {
				t.Fatalf("message %d: got opcode %d with %d bytes", i, op, len(got))
			}
		}
		onLoop(t, c, func() {
			if refused == 0 {
				t.Error("nothing was refused")
			}
		})
	})
}

// Pongs between packets do not pile up for a peer that reads none.
func TestPacketFramesPongs(t *testing.T) {
	eachEngine(t, func(t *testing.T, cfg Config) {
		cfg.HighWater, cfg.ReadBuffer = 32<<10, 16<<10
		p := newProbe(t)
		p.onOpen = (*Conn).PacketFrames
		c, client := transports()[2].connectUnix(t, cfg, p)
		ws := client.(*wsStream)
		pings := bytes.Repeat(frame(ws.r, 0x89, make([]byte, maxControlPayload)), 40_000)
		wrote := make(chan error, 1)
		go func() { _, err := ws.stream.Write(pings); wrote <- err }()
		for throttled := false; !throttled; {
			onLoop(t, c, func() { throttled = c.throttle })
			if len(wrote) > 0 {
				t.Fatal("the peer could write all without reading")
			}
		}
		if got, limit := c.Waiting(), 2*cfg.HighWater+2*cfg.ReadBuffer; got > limit {
			t.Errorf("%d bytes wait, want at most %d", got, limit)
		}
		ws.Close()
		if err := <-wrote; err == nil {
			t.Error("the peer could write all")
		}
	})
}

// Pings in the middle of output are answered between its packets.
func TestPacketFramesPing(t *testing.T) {
	eachEngine(t, func(t *testing.T, cfg Config) {
		p := newProbe(t)
		p.onOpen = (*Conn).PacketFrames
		p.onData = echo
		c, client := transports()[2].connect(t, cfg, p)
		ws := client.(*wsStream)
		for _, ping := range []string{"", "x", string(make([]byte, maxControlPayload))} {
			send(t, ws.stream, frame(ws.r, 0x89, []byte(ping)))
			if op, got := readFrame(t, ws); op != opPong || string(got) != ping {
				t.Errorf("opcode %#x with %q, want a Pong with %q", op, got, ping)
			}
		}
		if c.IsTLS() {
			t.Error("TLS is claimed")
		}
	})
}

// Without WebSocket PacketFrames changes nothing.
func TestPacketFramesWithout(t *testing.T) {
	eachEngine(t, func(t *testing.T, cfg Config) {
		p := newProbe(t)
		p.onOpen = (*Conn).PacketFrames
		c, client := plainTransport.connect(t, cfg, p)
		onLoop(t, c, func() {
			c.Write(c.Loop(), []byte("plain "))
			c.WriteText(c.Loop(), []byte("text"))
		})
		wantBytes(t, client, []byte("plain text"))
		if c.IsWebSocket() || c.IsTLS() {
			t.Error("a WebSocket or TLS is claimed")
		}
	})
}

func TestUnknownCounts(t *testing.T) {
	var u unknownCounts
	for i := range 2 * maxUnknown {
		u.add([]byte{byte(i), 1, 2})
	}
	u.add([]byte{0, 1})
	got := u.counts()
	if got["0001"] != 2 || got[unknownOther] != maxUnknown || len(got) != maxUnknown+1 {
		t.Errorf("got %v", maps.Collect(maps.All(got)))
	}
}

// A listener may sniff within TLS only.
func TestRequireTLS(t *testing.T) {
	eachEngine(t, func(t *testing.T, cfg Config) {
		e := startEngine(t, cfg)
		lc := nativeConfig(t)
		lc.RequireTLS = true
		addr := listenWith(t, e, lc)
		send(t, dialTCP(t, addr), []byte("qh")) // waits for what TLS begins with, or is closed
		client := tlsClient(t, dialTCP(t, addr))
		send(t, client, []byte("qh"))
		wantBytes(t, client, []byte("ximp:qh"))
		plain := dialTCP(t, addr)
		send(t, plain, append([]byte("qh"), make([]byte, 100)...))
		if b, _ := io.ReadAll(plain); bytes.Contains(b, []byte("ximp:")) {
			t.Error("served without TLS")
		}
	})
}
