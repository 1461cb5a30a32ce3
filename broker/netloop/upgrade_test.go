package netloop

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

func TestUpgrade(t *testing.T) {
	edit := func(from, to string) string {
		if !strings.Contains(upgradeRequest, from) {
			t.Fatalf("the request has no %q", from)
		}
		return strings.Replace(upgradeRequest, from, to, 1)
	}
	line := func(s string) string { return edit("Host: server\r\n", "Host: server\r\n"+s+"\r\n") }
	tests := []struct {
		name, request string
		status        int
		protocol      string
	}{
		{"as it should be", upgradeRequest, 101, "mqtt"},
		{"query", edit("/mqtt ", "/mqtt?app=x "), 101, "mqtt"},
		{"lists", edit("Connection: Upgrade", "connection:keep-alive ,\tUPGRADE"), 101, "mqtt"},
		{"several subprotocols, v5 [MQTT-6.0.0-4], v3.1.1 [MQTT-6.0.0-4]", edit("Protocol: mqtt", "Protocol: chat, mqttv3.1, mqtt"), 101, "mqtt"},
		{"several subprotocol lines", line("Sec-WebSocket-Protocol: chat"), 101, "mqtt"},
		{"MQTT 3.1", edit("Protocol: mqtt", "Protocol: mqttv3.1"), 101, "mqttv3.1"},
		{"extension declined", line("Sec-WebSocket-Extensions: permessage-deflate"), 101, "mqtt"},
		{"known origin", line("Origin: https://Example.org"), 101, "mqtt"},
		{"no subprotocol, v5 [MQTT-6.0.0-3]", edit("Sec-WebSocket-Protocol: mqtt\r\n", ""), 400, ""},
		{"other subprotocol", edit("Protocol: mqtt", "Protocol: MQTT"), 400, ""},
		{"other origin", line("Origin: https://example.org.evil.example"), 403, ""},
		{"other path", edit("/mqtt ", "/mqtt/ "), 404, ""},
		{"POST", edit("GET", "POST"), 400, ""},
		{"get", edit("GET", "get"), 400, ""},
		{"HTTP/1.0", edit("HTTP/1.1", "HTTP/1.0"), 400, ""},
		{"absolute URL", edit("/mqtt ", "http://server/mqtt "), 400, ""},
		{"fourth word", edit("/mqtt ", "/mqtt x "), 400, ""},
		{"no Host", edit("Host: server\r\n", ""), 400, ""},
		{"two Hosts", line("Host: other"), 400, ""},
		{"plain request", edit("Upgrade: websocket\r\n", ""), 426, ""},
		{"not upgraded", edit("Connection: Upgrade", "Connection: close"), 426, ""},
		{"old version", edit("Version: 13", "Version: 8"), 426, ""},
		{"no key", edit("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""), 400, ""},
		{"short key", edit("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZQ=="), 400, ""},
		{"two keys", line("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="), 400, ""},
		{"body", line("Content-Length: 5"), 400, ""},
		{"chunks", line("Transfer-Encoding: chunked"), 400, ""},
		{"folded line", line("X-A: b\r\n c"), 400, ""},
		{"no colon", line("nonsense"), 400, ""},
		{"space before colon", line("X-A : b"), 400, ""},
		{"bare line feed", line("X-A: b\nX-B: c"), 400, ""},
		{"too long", line("X-A: " + strings.Repeat("a", maxUpgradeSize)), 431, ""},
		{"too many", line("A: b" + strings.Repeat("\r\nA: b", maxUpgradeHeaders)), 400, ""},
	}
	eachEngine(t, func(t *testing.T, cfg Config) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				e := startEngine(t, cfg)
				lc := ListenConfig{WebSocket: &WebSocketConfig{}, Origins: []string{"https://example.org"}}
				lc.NewHandler = func(*Conn) Handler { return newProbe(t) }
				if tt.status != 101 {
					lc.NewHandler = noHandler(t)
				}
				nc := dialTCP(t, listenWith(t, e, lc))
				send(t, nc, []byte(tt.request))
				resp, err := http.ReadResponse(bufio.NewReader(nc), &http.Request{Method: http.MethodGet})
				if err != nil {
					t.Fatal(err)
				}
				if resp.StatusCode != tt.status || resp.Header.Get("Sec-WebSocket-Protocol") != tt.protocol || resp.Header.Get("Sec-WebSocket-Extensions") != "" {
					t.Errorf("answered %d %v, want %d with subprotocol %q", resp.StatusCode, resp.Header, tt.status, tt.protocol)
				}
				if tt.status == 101 {
					return
				}
				if body, err := io.ReadAll(resp.Body); len(body) == 0 || err != nil {
					t.Errorf("body %q, error %v; want a reason", body, err)
				}
				wantEOF(t, nc)
				if got := resp.Header.Get("Sec-WebSocket-Version"); (got == "13") != (tt.status == http.StatusUpgradeRequired) {
					t.Errorf("Sec-WebSocket-Version %q with status %d", got, tt.status)
				}
			})
		}
	})
}

// Another implementation's client gets along with us.
func TestWebSocketClient(t *testing.T) {
	eachEngine(t, func(t *testing.T, cfg Config) {
		for i, scheme := range []string{"ws", "wss"} {
			e := startEngine(t, cfg)
			p := newProbe(t)
			p.onData = echo
			addr := transports()[2+i].listen(t, e, func(*Conn) Handler { return p })
			tcfg := clientTLS()
			tcfg.NextProtos = nil
			d := websocket.Dialer{Subprotocols: []string{"mqtt"}, TLSClientConfig: tcfg, EnableCompression: true, HandshakeTimeout: patience}
			client, resp, err := d.Dial(scheme+"://"+addr.String()+"/mqtt", nil)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			check(t, client.SetReadDeadline(time.Now().Add(patience)))
			for _, size := range []int{0, 1, 125, 126, 65535, 65536, 1 << 20} {
				want := pattern(size)
				check(t, client.WriteMessage(websocket.BinaryMessage, want))
				check(t, client.WriteControl(websocket.PingMessage, []byte("x"), time.Now().Add(patience)))
				var got []byte
				for len(got) < size {
					typ, b, err := client.ReadMessage()
					if err != nil || typ != websocket.BinaryMessage {
						t.Fatalf("message of type %d, error %v", typ, err)
					}
					got = append(got, b...)
				}
				if !bytes.Equal(got, want) {
					t.Errorf("other %d bytes came back", size)
				}
			}
			done := make(chan struct{})
			go func() { shutdown(t, e, nil); close(done) }()
			_, _, err = client.ReadMessage()
			if closed := new(websocket.CloseError); !errors.As(err, &closed) || closed.Code != websocket.CloseGoingAway {
				t.Errorf("after Shutdown: %v, want code 1001", err)
			}
			client.Close()
			wantClosed(t, p, ErrShutdown)
			<-done
		}
	})
}

// FuzzUpgrade: what is granted is a request that package net/http understands
// in the same way, and no beginning of it is decided upon differently.
func FuzzUpgrade(f *testing.F) {
	f.Add([]byte(upgradeRequest))
	f.Add([]byte(strings.Replace(upgradeRequest, "Host", "Origin: x\r\nHost", 1) + "\x82\x80abcd"))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	f.Add([]byte(bareRequest))
	cfg := &ListenConfig{WebSocket: &WebSocketConfig{}, Bare: []Protocol{{Name: "x", Match: matchXIMP}}}
	f.Fuzz(func(t *testing.T, b []byte) {
		g, size, err := parseUpgrade(cfg, b)
		if err != nil {
			no := new(refusal)
			if !errors.As(err, &no) || !errors.Is(err, ErrUpgrade) {
				t.Fatalf("error %v is no refusal", err)
			}
			if _, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(no.answer())), nil); err != nil {
				t.Errorf("answer %q: %v", no.answer(), err)
			}
			return
		}
		if size == 0 {
			if len(b) >= maxUpgradeSize {
				t.Errorf("undecided after %d bytes", len(b))
			}
			return
		}
		if _, n, err := parseUpgrade(cfg, b[:size-1]); n != 0 || err != nil {
			t.Errorf("without its last byte: size %d, error %v", n, err)
		}
		req, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(b[:size])))
		if err != nil {
			t.Fatalf("granted %q, but: %v", b[:size], err)
		}
		path := "/mqtt"
		if g.bare {
			path = "/"
		}
		if req.URL.Path != path && req.URL.EscapedPath() != path || g.bare && len(req.Header["Sec-Websocket-Protocol"]) > 0 || !websocket.IsWebSocketUpgrade(req) || req.ContentLength > 0 {
			t.Errorf("granted %q", b[:size])
		}
		resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(g.answer)), req)
		if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
			t.Errorf("answer %q: %v", g.answer, err)
		}
	})
}
