package netloop

import (
	"bytes"
	"net/netip"
	"sync"
	"testing"
)

// named is a NewHandler that greets with its name, then echoes.
func named(t testing.TB, name string) func(*Conn) Handler {
	return func(*Conn) Handler {
		p := newProbe(t)
		greeted := false
		p.onData = func(c *Conn, data []byte) int {
			if !greeted {
				greeted = true
				c.Write(c.Loop(), []byte(name+":"))
			}
			return echo(c, data)
		}
		return p
	}
}

// autoConfig tells MQTT, two protocols of its own, TLS and WebSocket apart.
func autoConfig(t testing.TB) ListenConfig {
	return ListenConfig{
		NewHandler: named(t, "mqtt"),
		TLS:        testServerTLS(),
		WebSocket:  &WebSocketConfig{},
		Requests: []Protocol{
			{Name: "asks", Match: func(b []byte) Match { return matchBytes(b, "GET /ask ") }, NewHandler: named(t, "asks")},
		},
		Sniff: []Protocol{
			{Name: "mqtt", Match: MatchMQTT},
			{Name: "long", Match: func(b []byte) Match { return matchBytes(b, "LONGER") }, NewHandler: named(t, "long")},
			{Name: "short", Match: func(b []byte) Match { return matchBytes(b, "LO") }, NewHandler: named(t, "short")},
			{Name: "greedy", Match: func(b []byte) Match { return min(matchBytes(b, "\xFF"), MatchMore) }},
		},
	}
}

// One port speaks everything, however the first bytes are cut.
func TestSniff(t *testing.T) {
	plain := transports()[0].wrap
	tests := []struct {
		name  string
		wrap  func(testing.TB, stream) stream
		first string
		want  string
	}{
		{"MQTT", plain, "\x10\x10\x00\x04MQTT", "mqtt:"},
		{"first of two", plain, "LONGER", "long:"},
		{"second of two", plain, "LOST", "short:"},
		{"request", plain, "GET /ask HTTP/1.1", "asks:"},
		{"request in TLS", transports()[1].wrap, "GET /ask HTTP/1.1", "asks:"},
		{"TLS", transports()[1].wrap, "\x10\x10\x00\x04MQTT", "mqtt:"},
		{"other in TLS", transports()[1].wrap, "LONGER", "long:"},
		{"WebSocket", transports()[2].wrap, "LONGER", "mqtt:"}, // not looked at any more
		{"WebSocket in TLS", transports()[3].wrap, "\x10\x10\x00\x04MQTT", "mqtt:"},
	}
	eachEngine(t, func(t *testing.T, cfg Config) {
		e := startEngine(t, cfg)
		addr := listenWith(t, e, autoConfig(t))
		for _, tt := range tests {
			for _, n := range []int{1, 2, 3, 1000} {
				client := tt.wrap(t, splitter{dialTCP(t, addr), n})
				send(t, client, []byte(tt.first))
				wantBytes(t, client, []byte(tt.want+tt.first))
				client.Close()
			}
		}
	})
}

// What nobody knows, outside TLS or within, is closed, after a bounded number of bytes.
func TestSniffUnknown(t *testing.T) {
	eachEngine(t, func(t *testing.T, cfg Config) {
		e := startEngine(t, cfg)
		lc := autoConfig(t)
		lc.NewHandler = noHandler(t)
		addr := listenWith(t, e, lc)
		for _, first := range []string{"\x00", "HELO", "\x16\x02", "LXNGER", "\xFF" + string(make([]byte, MaxSniff))} {
			for _, wrap := range []func(testing.TB, stream) stream{transports()[0].wrap, transports()[1].wrap} {
				client := wrap(t, dialTCP(t, addr))
				send(t, client, []byte(first))
				if n, err := client.Read(make([]byte, 1)); n > 0 || err == nil {
					t.Errorf("%q was answered", first)
				}
			}
		}
		client := transports()[1].dial(t, addr)
		send(t, client, clientHello(t)) // TLS within TLS
		if n, err := client.Read(make([]byte, 1)); n > 0 || err == nil {
			t.Error("TLS within TLS was answered")
		}
	})
}

// A listener may have requests alone, within TLS, and what is no such request is closed.
func TestRequestsAlone(t *testing.T) {
	eachEngine(t, func(t *testing.T, cfg Config) {
		e := startEngine(t, cfg)
		lc := ListenConfig{TLS: testServerTLS(), RequireTLS: true, Requests: autoConfig(t).Requests}
		addr := listenWith(t, e, lc)
		client := transports()[1].dial(t, addr)
		send(t, client, []byte("GET /ask HTTP/1.1"))
		wantBytes(t, client, []byte("asks:GET /ask HTTP/1.1"))
		for _, first := range []string{"GET /mqtt HTTP/1.1", "\x10"} {
			client := transports()[1].dial(t, addr)
			send(t, client, []byte(first))
			if n, err := client.Read(make([]byte, 1)); n > 0 || err == nil {
				t.Errorf("%q was answered", first)
			}
		}
	})
}

// FuzzSniff: more bytes never change a decision, and there is one by MaxSniff.
func FuzzSniff(f *testing.F) {
	for _, s := range []string{"\x10\x10", "LONGER", "LOST", "GET / HTTP/1.1", "GET /ask HTTP/1.1", "\x16\x03\x01", "\xFF\xFF", "qh", "\x00\x05\x00\x02", "\x00\x03\x10\x00\x00\x00\x00\x00"} {
		f.Add([]byte(s))
	}
	protocols := append([]Protocol{{Name: protocolTLS, Match: matchTLS}}, autoConfig(f).Requests...)
	protocols = append(protocols, Protocol{Name: protocolHTTP, Match: matchHTTP})
	protocols = append(protocols, autoConfig(f).Sniff...)
	protocols = append(protocols, nativeProtocols(f)...)
	f.Fuzz(func(t *testing.T, b []byte) {
		decided, by := MatchMore, -1
		for n := 1; n <= len(b); n++ {
			i, m := sniff(protocols, b[:n])
			if decided != MatchMore && (m != decided || i != by) {
				t.Fatalf("%q: protocol %d, %v; after %d bytes %d, %v", b, by, decided, n, i, m)
			}
			if m == MatchMore && n >= MaxSniff {
				t.Fatalf("undecided after %d bytes", n)
			}
			if m != MatchMore {
				decided, by = m, i
			}
		}
	})
}

// Admit is asked before any byte, and told of the end, once each; connections of
// a proxy are judged by whom it names.
func TestAdmit(t *testing.T) {
	eachTransport(t, func(t *testing.T, cfg Config, tr transport) {
		for _, proxied := range []bool{false, true} {
			e := startEngine(t, cfg)
			var mu sync.Mutex
			open, most, full := 0, 0, false
			asked := make(map[netip.Addr]int)
			lc := ListenConfig{NewHandler: named(t, tr.name)}
			lc.Admit = func(addr netip.Addr) (func(), bool) {
				mu.Lock()
				defer mu.Unlock()
				asked[addr]++
				if full = open >= 3; full {
					return nil, false
				}
				open++
				most = max(most, open)
				return func() {
					mu.Lock()
					defer mu.Unlock()
					open--
				}, true
			}
			from, header := netip.MustParseAddr("127.0.0.1"), []byte(nil)
			if proxied {
				lc.Proxy = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
				from, header = netip.MustParseAddr("192.0.2.7"), []byte(proxyHeaders[0].header)
			}
			tr.configure(&lc)
			addr := listenWith(t, e, lc)
			dial := func() stream {
				nc := dialTCP(t, addr)
				send(t, nc, header)
				client := tr.wrap(t, nc)
				send(t, client, []byte("x"))
				wantBytes(t, client, []byte(tr.name+":x"))
				return client
			}
			clients := []stream{dial(), dial(), dial()}
			nc := dialTCP(t, addr)
			_, _ = nc.Write(header)
			if n, err := nc.Read(make([]byte, 1)); n > 0 || err == nil {
				t.Error("a fourth connection is open")
			}
			clients[0].Close()
			for gone := false; !gone; {
				onLoops(t, e)
				mu.Lock()
				gone = open == 2
				mu.Unlock()
			}
			clients[0] = dial()
			for _, client := range clients {
				client.Close()
			}
			shutdown(t, e, nil)
			if open != 0 || most != 3 || len(asked) != 1 || asked[from] != 5 || e.Stats().NotAdmitted != 1 {
				t.Errorf("%d open, at most %d, asked %v, %d not admitted; want 0, 3, %v 5 times, 1",
					open, most, asked, e.Stats().NotAdmitted, from)
			}
		}
	})
}

func TestHelloComplete(t *testing.T) {
	hello := clientHello(t)
	cut := func(n int) (b []byte) { // the same message in records of n bytes
		for rest := hello[5:]; len(rest) > 0; rest = rest[min(n, len(rest)):] {
			k := min(n, len(rest))
			b = append(append(b, recordHandshake, 3, 1, byte(k>>8), byte(k)), rest[:k]...)
		}
		return b
	}
	for _, b := range [][]byte{hello, cut(100), cut(4)} {
		for i := range b {
			if helloComplete(b[:i]) {
				t.Fatalf("complete after %d of %d bytes", i, len(b))
			}
		}
		if !helloComplete(b) {
			t.Errorf("%d bytes are not complete", len(b))
		}
	}
	for _, b := range [][]byte{[]byte("G"), cut(1)[:4*6], bytes.Repeat([]byte{recordHandshake}, maxHelloSize), {recordHandshake, 3, 1, 0, 0}} {
		if !helloComplete(b) {
			t.Errorf("%d bytes beginning with %#x wait for more, want crypto/tls to judge", len(b), b[0])
		}
	}
}
