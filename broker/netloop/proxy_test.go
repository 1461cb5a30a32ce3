package netloop

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
)

// proxyV2 returns a header of version 2.
func proxyV2(command, family byte, body string) string {
	return proxyV2Magic + string([]byte{command, family, byte(len(body) >> 8), byte(len(body))}) + body
}

const (
	v4Body = "\xC0\x00\x02\x07\xC6\x33\x64\x01\x01\x00\x07\x5B"
	v6Body = "\x20\x01\x0D\xB8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07" +
		"\x20\x01\x0D\xB8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x01\x00\x07\x5B"
)

var unixBody = "/run/a" + strings.Repeat("\x00", 102) + "/run/b" + strings.Repeat("\x00", 102)

var proxyHeaders = []struct{ name, header, remote string }{ // remote "" keeps the socket's; "-" refuses
	{"v1 IPv4", "PROXY TCP4 192.0.2.7 198.51.100.1 256 1883\r\n", "192.0.2.7:256"},
	{"v1 IPv6", "PROXY TCP6 2001:db8::7 2001:db8::1 256 1883\r\n", "[2001:db8::7]:256"},
	{"v1 unknown", "PROXY UNKNOWN\r\n", ""},
	{"v1 unknown with more", "PROXY UNKNOWN ffff::1 whatever 1 2\r\n", ""},
	{"v1 other family", "PROXY TCP4 2001:db8::7 2001:db8::1 256 1883\r\n", "-"},
	{"v1 bad port", "PROXY TCP4 192.0.2.7 198.51.100.1 65536 1883\r\n", "-"},
	{"v1 port with zero", "PROXY TCP4 192.0.2.7 198.51.100.1 0256 1883\r\n", "-"},
	{"v1 bad destination", "PROXY TCP4 192.0.2.7 198.51.100 256 1883\r\n", "-"},
	{"v1 fields missing", "PROXY TCP4 192.0.2.7\r\n", "-"},
	{"v1 zone", "PROXY TCP6 fe80::1%eth0 fe80::2 1 2\r\n", "-"},
	{"v1 UDP", "PROXY UDP4 192.0.2.7 198.51.100.1 256 1883\r\n", "-"},
	{"v1 too long", "PROXY UNKNOWN " + strings.Repeat("x", 100) + "\r\n", "-"},
	{"v2 IPv4", proxyV2(0x21, 0x11, v4Body), "192.0.2.7:256"},
	{"v2 IPv6", proxyV2(0x21, 0x21, v6Body), "[2001:db8::7]:256"},
	{"v2 unix", proxyV2(0x21, 0x31, unixBody), "/run/a"},
	{"v2 TLVs", proxyV2(0x21, 0x11, v4Body+"\x04\x00\x03abc"), "192.0.2.7:256"},
	{"v2 longest", proxyV2(0x21, 0x11, v4Body+strings.Repeat("x", maxProxyV2-proxyV2Fixed-12)), "192.0.2.7:256"},
	{"v2 LOCAL", proxyV2(0x20, 0x00, ""), ""},
	{"v2 LOCAL with addresses", proxyV2(0x20, 0x11, v4Body), ""},
	{"v2 unspecified", proxyV2(0x21, 0x00, "anything"), ""},
	{"v2 too long", proxyV2(0x21, 0x11, v4Body+strings.Repeat("x", maxProxyV2-proxyV2Fixed-11)), "-"},
	{"v2 addresses cut", proxyV2(0x21, 0x21, v4Body), "-"},
	{"v2 UDP", proxyV2(0x21, 0x12, v4Body), "-"},
	{"v2 version 1", proxyV2(0x11, 0x11, v4Body), "-"},
	{"v2 command 2", proxyV2(0x22, 0x11, v4Body), "-"},
	{"none", "\x10\x10\x00\x04MQTT", "-"},
	{"nearly", "PROXY\tTCP4", "-"},
}

// Each header, cut at each byte, before the data of each transport.
func TestProxy(t *testing.T) {
	eachTransport(t, func(t *testing.T, cfg Config, tr transport) {
		e := startEngine(t, cfg)
		opened := make(chan *Conn, 1)
		lc := ListenConfig{Proxy: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("127.0.0.0/8")}}
		tr.configure(&lc)
		lc.NewHandler = func(*Conn) Handler {
			p := newProbe(t)
			p.opened, p.onData = opened, echo
			return p
		}
		addr := listenWith(t, e, lc)
		for _, tt := range proxyHeaders {
			nc := dialTCP(t, addr)
			want := tt.remote
			if want == "-" {
				_, _ = nc.Write([]byte(tt.header))
				if n, err := nc.Read(make([]byte, 1)); n > 0 || err == nil {
					t.Errorf("%s: got an answer, want a closed connection", tt.name)
				}
				continue
			}
			if want == "" {
				want = nc.LocalAddr().String()
			}
			send(t, splitter{nc, 10}, []byte(tt.header))
			client := tr.wrap(t, nc)
			send(t, client, []byte("hello"))
			wantBytes(t, client, []byte("hello"))
			c := receive(t, opened, "OnOpen")
			onLoop(t, c, func() {
				if got := c.RemoteAddr(); got == nil || got.String() != want {
					t.Errorf("%s: RemoteAddr %v, want %s", tt.name, got, want)
				}
			})
		}
	})
}

// From an address that is no proxy's, a header is not looked for.
func TestProxyUntrusted(t *testing.T) {
	eachEngine(t, func(t *testing.T, cfg Config) {
		e := startEngine(t, cfg)
		p := newProbe(t)
		p.onData = echo
		client := dialTCP(t, listenWith(t, e, ListenConfig{
			NewHandler: func(*Conn) Handler { return p },
			Proxy:      []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
		}))
		header := []byte(proxyHeaders[0].header)
		send(t, client, header)
		wantBytes(t, client, header)
		c := p.conn()
		onLoop(t, c, func() {
			if got, want := c.RemoteAddr().String(), client.LocalAddr().String(); got != want {
				t.Errorf("RemoteAddr %s, want %s", got, want)
			}
		})
	})
}

// A header that comes with the first bytes, and one before the handler's first word.
func TestProxyThenNothing(t *testing.T) {
	eachEngine(t, func(t *testing.T, cfg Config) {
		e := startEngine(t, cfg)
		addr := listenWith(t, e, ListenConfig{
			NewHandler: func(*Conn) Handler {
				p := newProbe(t)
				p.onOpen = func(c *Conn) { c.Write(c.Loop(), []byte(c.RemoteAddr().String()+"\n")) }
				p.onData = echo
				return p
			},
			Proxy: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")},
		})
		for _, data := range []string{"", "hello"} {
			client := dialTCP(t, addr)
			send(t, client, []byte(proxyHeaders[0].header+data))
			wantBytes(t, client, []byte("192.0.2.7:256\n"+data))
		}
	})
}

// FuzzProxy: whatever is accepted is bounded, decided by its own bytes alone,
// and names an address that has a version 1 header of its own.
func FuzzProxy(f *testing.F) {
	for _, h := range proxyHeaders {
		f.Add([]byte(h.header))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		remote, size, err := parseProxy(b)
		switch {
		case err != nil:
			if !errors.Is(err, ErrProxyHeader) || remote != nil || size != 0 {
				t.Errorf("%v, %d, error %v", remote, size, err)
			}
		case size == 0:
			if len(b) >= maxProxyV2 || remote != nil {
				t.Errorf("undecided after %d bytes", len(b))
			}
		default:
			if size > len(b) || size > maxProxyV2 || bytes.HasPrefix(b, []byte("P")) && size > maxProxyV1 {
				t.Errorf("%d bytes of %d taken", size, len(b))
			}
			if _, n, err := parseProxy(b[:size-1]); n != 0 || err != nil {
				t.Errorf("without its last byte: size %d, error %v", n, err)
			}
			again, n, err := parseProxy(b[:size])
			if err != nil || n != size || fmt.Sprint(again) != fmt.Sprint(remote) {
				t.Errorf("alone: %v, %d, error %v; want %v, %d", again, n, err, remote, size)
			}
			if a, ok := remote.(*net.TCPAddr); ok {
				family := map[bool]string{true: "TCP4", false: "TCP6"}[a.AddrPort().Addr().Is4()]
				v1 := fmt.Sprintf("PROXY %s %s %s %d 1\r\n", family, a.IP, a.IP, a.Port)
				if a.AddrPort().Addr().Is4In6() {
					return // net.IP prints it as IPv4
				}
				if back, _, err := parseProxy([]byte(v1)); err != nil || back.String() != a.String() {
					t.Errorf("%q: %v, error %v", v1, back, err)
				}
			}
		}
	})
}

// What connects to a Unix socket is a proxy if there are any at all, and its
// Admit is asked for whom the header names, or for nobody's address.
func TestProxyUnix(t *testing.T) {
	eachEngine(t, func(t *testing.T, cfg Config) {
		for header, want := range map[string]string{
			proxyHeaders[0].header:        "192.0.2.7",
			"PROXY UNKNOWN\r\n":           "invalid IP",
			proxyV2(0x21, 0x31, unixBody): "invalid IP",
		} {
			asked := make(chan netip.Addr, 1)
			tr := plainTransport
			tr.configure = func(cfg *ListenConfig) {
				cfg.Proxy = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
				cfg.Admit = func(addr netip.Addr) (func(), bool) { asked <- addr; return nil, true }
			}
			tr.wrap = func(t testing.TB, nc stream) stream { send(t, nc, []byte(header)); return nc }
			p := newProbe(t)
			p.onData = echo
			_, client := tr.connectUnix(t, cfg, p)
			send(t, client, []byte("hello"))
			wantBytes(t, client, []byte("hello"))
			if got := receive(t, asked, "call of Admit"); got.String() != want {
				t.Errorf("Admit(%v), want %s", got, want)
			}
		}
	})
}
