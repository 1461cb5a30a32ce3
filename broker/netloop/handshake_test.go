package netloop

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/internal/memnet"
)

// clientHello returns the bytes with which a client begins.
func clientHello(t testing.TB) []byte {
	t.Helper()
	return helloOf(t, clientTLS())
}

// helloOf returns those of a client with cfg.
func helloOf(t testing.TB, cfg *tls.Config) []byte {
	t.Helper()
	client, server := memnet.Pipe()
	done := make(chan struct{})
	go func() {
		_ = tls.Client(client, cfg).Handshake() // fails: nobody answers
		close(done)
	}()
	header := make([]byte, 5)
	if _, err := io.ReadFull(server, header); err != nil {
		t.Fatal(err)
	}
	body := make([]byte, int(header[3])<<8|int(header[4]))
	if _, err := io.ReadFull(server, body); err != nil {
		t.Fatal(err)
	}
	server.Close()
	<-done
	client.Close()
	return append(header, body...)
}

// stall begins a handshake and does not go on with it. It waits until the server has answered.
func stall(t testing.TB, addr net.Addr, hello []byte) net.Conn {
	t.Helper()
	nc := dialTCP(t, addr)
	send(t, nc, hello)
	wantBytes(t, nc, []byte{recordHandshake})
	return nc
}

// tlsEcho starts an engine that echoes over TLS.
func tlsEcho(t testing.TB, cfg Config) (*Engine, net.Addr) {
	e := startEngine(t, cfg)
	return e, transports()[1].listen(t, e, func(*Conn) Handler {
		p := newProbe(t)
		p.onData = echo
		return p
	})
}

// tryTLS does a handshake and an echo.
func tryTLS(t testing.TB, addr net.Addr) error {
	t.Helper()
	return tlsEchoOver(t, dialTCP(t, addr))
}

// tlsEchoOver does so over nc.
func tlsEchoOver(t testing.TB, nc net.Conn) error {
	t.Helper()
	client := tls.Client(nc, clientTLS())
	defer client.Close()
	if err := client.Handshake(); err != nil {
		return err
	}
	send(t, client, []byte("hello"))
	wantBytes(t, client, []byte("hello"))
	return nil
}

// Handshakes that wait for their peer hold up neither others, though there is
// but one worker, nor connections that are established.
func TestStalledHandshakes(t *testing.T) {
	eachEngine(t, func(t *testing.T, cfg Config) {
		cfg.HandshakeWorkers = 1
		e, addr := tlsEcho(t, cfg)
		established := transports()[1].dial(t, addr)
		hello := clientHello(t)
		const stalled = 50
		for range stalled {
			stall(t, addr, hello)
			send(t, established, []byte("ping"))
			wantBytes(t, established, []byte("ping"))
		}
		if err := tryTLS(t, addr); err != nil {
			t.Errorf("handshake beside stalled ones: %v", err)
		}
		if st := e.Stats(); st.Handshakes != 2 || st.HandshakesFailed+st.HandshakesRefused != 0 || st.Open < 1+stalled {
			t.Errorf("stats %+v, want 2 handshakes and %d connections at least", st, 1+stalled)
		}
		established.Close()
		shutdown(t, e, nil)
		if st := e.Stats(); st.HandshakesFailed != stalled {
			t.Errorf("%d handshakes failed, want %d", st.HandshakesFailed, stalled)
		}
		if hs := e.handshakes; hs.places.taken != 0 || len(hs.places.byAddr) != 0 || len(hs.places.order) != 0 || len(hs.slots) != 1 {
			t.Errorf("%d under way, of %d addresses, %d of 1 slots free after Shutdown", hs.places.taken, len(hs.places.byAddr), len(hs.slots))
		}
	})
}

// Beyond the queue, and beyond the share of an address, connections are closed.
// A silent connection takes no place.
func TestHandshakeQueue(t *testing.T) {
	for name, limits := range map[string]Config{
		"queue":   {HandshakeQueue: 3, HandshakesPerAddr: 100},
		"address": {HandshakeQueue: 100, HandshakesPerAddr: 3},
	} {
		t.Run(name, func(t *testing.T) {
			eachEngine(t, func(t *testing.T, cfg Config) {
				cfg.HandshakeQueue, cfg.HandshakesPerAddr = limits.HandshakeQueue, limits.HandshakesPerAddr
				e, addr := tlsEcho(t, cfg)
				hello := clientHello(t)
				for i := range 20 {
					send(t, dialTCP(t, addr), hello[:i*20])
				}
				stall(t, addr, hello)
				stall(t, addr, hello)
				last := stall(t, addr, hello)
				if err := tryTLS(t, addr); err == nil {
					t.Error("a handshake beyond the limit")
				}
				if got := e.Stats().HandshakesRefused; got != 1 {
					t.Errorf("%d refused, want 1", got)
				}
				last.Close()
				for e.Stats().HandshakesFailed == 0 {
					onLoops(t, e) // until its end has been noticed
				}
				if err := tryTLS(t, addr); err != nil {
					t.Errorf("handshake when there is a place again: %v", err)
				}
			})
		})
	}
}

// onLoops waits for a turn of every loop.
func onLoops(t testing.TB, e *Engine) {
	t.Helper()
	for _, l := range e.Loops() {
		l.sync()
	}
}

// Whatever a connection still owes its entrance, it has ten seconds for all of it.
func TestOpenDeadline(t *testing.T) {
	hello := clientHello(t)
	all := func(cfg *ListenConfig) {
		cfg.TLS, cfg.WebSocket = testServerTLS(), &WebSocketConfig{}
		cfg.Sniff = []Protocol{{Name: "mqtt", Match: func(b []byte) Match { return matchBytes(b, "\x10\x11") }}}
	}
	for name, tt := range map[string]struct {
		configure func(*ListenConfig)
		sent      string
	}{
		"silent":        {all, ""},
		"sniffing":      {all, "\x10"},
		"half a hello":  {all, string(hello[:len(hello)/2])},
		"handshake":     {all, string(hello)},
		"half a header": {all, "GET /mqtt HTTP/1.1\r\nHost: "},
		"TLS":           {func(cfg *ListenConfig) { cfg.TLS = testServerTLS() }, ""},
		"WebSocket":     {func(cfg *ListenConfig) { cfg.WebSocket = &WebSocketConfig{} }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := startEngine(t, Config{Portable: true})
				nl := memnet.Listen("broker")
				lc := ListenConfig{NewHandler: noHandler(t)}
				tt.configure(&lc)
				if _, err := e.ListenWith(nl, lc); err != nil {
					t.Fatal(err)
				}
				client, err := nl.Dial(context.Background())
				if err != nil {
					t.Fatal(err)
				}
				defer client.Close()
				began := time.Now()
				send(t, client, []byte(tt.sent))
				if _, err := io.Copy(io.Discard, client); err != nil {
					t.Error(err)
				}
				if got := time.Since(began); got < openTimeout || got > openTimeout+2*wheelTick {
					t.Errorf("closed after %v, want %v", got, openTimeout)
				}
				if got := e.Stats().Unopened; got != 1 {
					t.Errorf("%d unopened, want 1", got)
				}
			})
		})
	}
}

// A client that is ahead of its own handshake is read no further than the
// bound, and loses nothing.
func TestAheadOfHandshake(t *testing.T) {
	eachEngine(t, func(t *testing.T, cfg Config) {
		cfg.HandshakeWorkers, cfg.Loops = 1, 1
		e := startEngine(t, cfg)
		held, release := make(chan struct{}), make(chan struct{})
		var once sync.Once
		lc := ListenConfig{TLS: testServerTLS().Clone()}
		lc.TLS.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			if hello.Conn.RemoteAddr() == nil || hello.Conn.LocalAddr() == nil {
				t.Error("the connection has no addresses")
			}
			if hello.ServerName == "slow" {
				once.Do(func() { close(held) })
				<-release
			}
			return nil, nil
		}
		p := newProbe(t)
		const total = 1 << 20
		got := make(chan []byte, 1)
		var all []byte
		p.onData = func(_ *Conn, data []byte) int {
			if all = append(all, data...); len(all) == total {
				got <- all
			}
			return len(data)
		}
		lc.NewHandler = func(*Conn) Handler { return p }
		addr := listenWith(t, e, lc)

		ready, sent := make(chan struct{}), make(chan error, 1)
		client := tls.Client(&afterFirst{dialTCP(t, addr), ready}, clientTLS())
		go func() {
			_, err := client.Write(pattern(total))
			sent <- err
		}()
		<-ready // the client has all it needs, and waits in Read
		slow := clientTLS()
		slow.ServerName = "slow"
		other := tls.Client(dialTCP(t, addr), slow)
		failed := make(chan error, 1)
		go func() { failed <- other.Handshake() }()
		<-held // the only worker is at it
		ready <- struct{}{}
		for ahead := false; !ahead; {
			ahead = e.aheadForTest()
		}
		close(release)
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
		if b := receive(t, got, "data"); string(b) != string(pattern(total)) {
			t.Error("other bytes arrived than were sent")
		}
		if err := <-failed; err == nil {
			t.Error("a certificate for another name was accepted")
		}
	})
}

// aheadForTest tells whether a connection is paused by its handshake.
func (e *Engine) aheadForTest() (ahead bool) {
	for _, l := range e.loops {
		done := make(chan struct{})
		l.PostFunc(func() {
			l.eachConn(func(c *Conn) { ahead = ahead || c.paused && c.wire != nil && c.wire.hs != nil })
			close(done)
		})
		<-done
	}
	return ahead
}

// afterFirst is a connection whose first Read reports to ready when it has
// something, and waits for an answer.
type afterFirst struct {
	*net.TCPConn
	ready chan struct{}
}

func (a *afterFirst) Read(b []byte) (int, error) {
	n, err := a.TCPConn.Read(b)
	if a.ready != nil {
		a.ready <- struct{}{}
		<-a.ready
		a.ready = nil
	}
	return n, err
}

// Sessions are resumed, also after the certificates have been replaced.
func TestResumption(t *testing.T) {
	eachEngine(t, func(t *testing.T, cfg Config) {
		e := startEngine(t, cfg)
		current := serverTLS("server")
		var mu sync.Mutex
		lc := ListenConfig{TLS: &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			mu.Lock()
			defer mu.Unlock()
			return current, nil
		}}}
		lc.NewHandler = func(*Conn) Handler {
			p := newProbe(t)
			p.onData = echo
			return p
		}
		addr := listenWith(t, e, lc)
		ccfg := clientTLS()
		ccfg.ClientSessionCache = tls.NewLRUClientSessionCache(1)
		for i, want := range []bool{false, true, true} {
			client := tls.Client(dialTCP(t, addr), ccfg)
			send(t, client, []byte("hello"))
			wantBytes(t, client, []byte("hello")) // the ticket came before
			if got := client.ConnectionState(); got.DidResume != want || got.NegotiatedProtocol != "mqtt" {
				t.Errorf("connection %d: resumed %v, ALPN %q; want %v, mqtt", i, got.DidResume, got.NegotiatedProtocol, want)
			}
			client.Close()
			mu.Lock()
			current = serverTLS("server")
			mu.Unlock()
		}
		ccfg.ClientSessionCache = nil
		client := tls.Client(dialTCP(t, addr), ccfg)
		check(t, client.Handshake())
		if got := client.ConnectionState().PeerCertificates[0].Raw; string(got) != string(current.Certificates[0].Certificate[0]) {
			t.Error("the certificate has not been replaced")
		}
	})
}

// Shutdown does not wait for handshakes.
func TestShutdownDuringHandshakes(t *testing.T) {
	eachEngine(t, func(t *testing.T, cfg Config) {
		e, addr := tlsEcho(t, cfg)
		hello := clientHello(t)
		var all []net.Conn
		for i := range 20 {
			if i%2 == 0 {
				all = append(all, stall(t, addr, hello))
				continue
			}
			nc := dialTCP(t, addr)
			send(t, nc, hello[:i])
			all = append(all, nc)
		}
		shutdown(t, e, nil)
		for _, nc := range all {
			if _, err := io.Copy(io.Discard, nc); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("a connection is still open")
			}
		}
	})
}

func TestSite(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.7":            "192.0.2.7",
		"2001:db8:1:2:3:4:5:6": "2001:db8:1:2::",
		"2001:db8:1:2:ff::1":   "2001:db8:1:2::",
		"fe80::1%eth0":         "fe80::",
		"2001:db8:1:3:ff::1":   "2001:db8:1:3::",
	} {
		if got := site(netip.MustParseAddr(addr)); got.String() != want {
			t.Errorf("site(%s) = %s, want %s", addr, got, want)
		}
	}
	if got := site(netip.Addr{}); got.IsValid() {
		t.Errorf("site of no address = %s", got)
	}
}
