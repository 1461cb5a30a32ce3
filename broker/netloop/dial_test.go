package netloop

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/internal/memnet"
)

// dialConfig is what a listener of the transport with this name wants.
func dialConfig(name string, addr net.Addr) DialConfig {
	cfg := DialConfig{Network: addr.Network(), Address: addr.String()}
	if name == "tls" || name == "wss" {
		cfg.TLS = clientTLS()
	}
	if strings.HasPrefix(name, "ws") {
		cfg.WebSocket = &WebSocketRequest{Host: "server", Path: "/mqtt"}
	}
	return cfg
}

// What an engine dials, an engine understands, over each transport and in both directions, with control
// frames that come between and frames of every length.
func TestDialWith(t *testing.T) {
	for _, tr := range transports() {
		t.Run(tr.name, func(t *testing.T) {
			eachEngine(t, func(t *testing.T, cfg Config) {
				e := startEngine(t, cfg)
				addr := tr.listen(t, e, func(*Conn) Handler {
					p := newProbe(t)
					p.onData = echo
					return p
				})
				p := newProbe(t)
				want := pattern(300_000)
				done := make(chan struct{})
				var got []byte
				p.onData = func(_ *Conn, data []byte) int {
					if got = append(got, data...); len(got) == len(want) {
						close(done)
					}
					return len(data)
				}
				check(t, e.DialWith(nil, dialConfig(tr.name, addr), func(*Conn) Handler { return p }))
				c := p.conn()
				for i, n := 0, 1; i < len(want); i, n = i+n, min(3*n, len(want)-i-n) {
					onLoop(t, c, func() { c.Write(c.Loop(), want[i:i+n]) })
				}
				receive(t, done, "echo")
				if !bytes.Equal(got, want) {
					t.Error("got other bytes than were sent")
				}
				onLoop(t, c, func() { c.Close(nil) })
				wantClosed(t, p, nil)
			})
		})
	}
}

// A handler whose connection does not come about gets OnClose with the reason, and no OnOpen.
func TestDialWithFails(t *testing.T) {
	stranger := clientTLS()
	stranger.ServerName = "somebody else"
	tests := []struct {
		name, transport string
		change          func(*DialConfig)
		want            string
	}{
		{"a certificate for another", "tls", func(c *DialConfig) { c.TLS = stranger }, "not somebody else"},
		{"TLS from a server without", "ws", func(c *DialConfig) { c.TLS = clientTLS() }, "first record does not look like a TLS handshake"},
		{"another path", "ws", func(c *DialConfig) { c.WebSocket.Path = "/x" }, "404 Not Found"},
		{"no host", "wss", func(c *DialConfig) { c.WebSocket.Host = "" }, "400 Bad Request"},
	}
	eachEngine(t, func(t *testing.T, cfg Config) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				e := startEngine(t, cfg)
				at := slices.IndexFunc(transports(), func(tr transport) bool { return tr.name == tt.transport })
				addr := transports()[at].listen(t, e, func(*Conn) Handler { return newProbe(t) })
				dial := dialConfig(tt.transport, addr)
				tt.change(&dial)
				p := newProbe(t)
				check(t, e.DialWith(nil, dial, func(*Conn) Handler { return p }))
				if err := receive(t, p.closed, "OnClose"); err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("OnClose(%v), want %q", err, tt.want)
				}
				if len(p.opened) != 0 {
					t.Error("OnOpen has been called")
				}
			})
		}
	})
}

// A server that answers wrongly, or not at all, ends what was dialed. Frames that a server
// must not send do so later.
func TestDialWithBadServer(t *testing.T) {
	answer := "HTTP/1.1 101 Switching Protocols\r\nsec-websocket-accept: %s\r\n\r\n"
	tests := []struct {
		name, answer string // %s is what the key demands
		more         string // once the connection is open
		want         string
	}{
		{"the wrong accept", strings.ReplaceAll(answer, "%s", "%.0sxyz"), "", "not to this request"},
		{"another status", "HTTP/1.1 200 OK\r\n\r\n%.0s", "", `"HTTP/1.1 200 OK"`},
		{"no HTTP", "\x20\x02\x00\x00\r\n\r\n%.0s", "", "refused"},
		{"no end", strings.Repeat("x", maxUpgradeSize) + "%.0s", "", "too long"},
		{"the end", "%.0s", "", ErrPeerGone.Error()},
		{"a masked frame", answer, "\x82\x81\x00\x00\x00\x00x", "frame of a server is masked"},
		{"a text frame", answer, "\x81\x01x", "text frame"},
	}
	eachEngine(t, func(t *testing.T, cfg Config) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				nl, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				defer nl.Close()
				e := startEngine(t, cfg)
				p := newProbe(t)
				check(t, e.DialWith(nil, dialConfig("ws", nl.Addr()), func(*Conn) Handler { return p }))
				nc, err := nl.Accept()
				if err != nil {
					t.Fatal(err)
				}
				defer nc.Close()
				request := make([]byte, 4096)
				n, err := nc.Read(request)
				if err != nil {
					t.Fatal(err)
				}
				_, key, _ := strings.Cut(string(request[:n]), "Sec-WebSocket-Key: ")
				key, _, _ = strings.Cut(key, "\r\n")
				send(t, nc, fmt.Appendf(nil, tt.answer, acceptOf(key)))
				if tt.more == "" {
					check(t, nc.(*net.TCPConn).CloseWrite())
				} else {
					p.conn()
					send(t, nc, []byte(tt.more))
				}
				if err := receive(t, p.closed, "OnClose"); err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("OnClose(%v), want %q", err, tt.want)
				}
				_, _ = io.Copy(io.Discard, nc)
			})
		}
	})
}

// Shutdown does not wait for servers that say nothing.
func TestDialWithShutdown(t *testing.T) {
	for _, name := range []string{"tls", "ws"} {
		eachEngine(t, func(t *testing.T, cfg Config) {
			nl, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer nl.Close()
			e := startEngine(t, cfg)
			p := newProbe(t)
			check(t, e.DialWith(nil, dialConfig(name, nl.Addr()), func(*Conn) Handler { return p }))
			nc, err := nl.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			if _, err := nc.Read(make([]byte, 1)); err != nil { // it is waiting for the answer
				t.Fatal(err)
			}
			shutdown(t, e, nil)
			wantClosed(t, p, ErrShutdown)
		})
	}
}

// Nor does one that says nothing hold a connection for ever.
func TestDialWithTimeout(t *testing.T) {
	for _, name := range []string{"tls", "ws", "wss"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := startEngine(t, Config{Portable: true})
				ours, theirs := memnet.Pipe()
				defer theirs.Close()
				p := newProbe(t)
				began := time.Now()
				cfg := dialConfig(name, &net.TCPAddr{})
				check(t, e.Adopt(ours, cfg.first(func(*Conn) Handler { return p })))
				wantClosed(t, p, os.ErrDeadlineExceeded)
				if got := time.Since(began); got < openTimeout || got > openTimeout+2*wheelTick {
					t.Errorf("closed after %v, want %v", got, openTimeout)
				}
			})
		})
	}
}
