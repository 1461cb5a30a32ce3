package netloop

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/holdfast-mqtt/holdfast/internal/memnet"
)

// An idle connection is a Conn and a place in the table, and nothing else.
func TestConnSize(t *testing.T) {
	if got, limit := unsafe.Sizeof(Conn{}), uintptr(144); got > limit {
		t.Errorf("a Conn takes %d bytes, want at most %d", got, limit)
	}
}

func TestDial(t *testing.T) {
	eachEngine(t, func(t *testing.T, cfg Config) {
		for _, network := range []string{"tcp", "unix"} {
			t.Run(network, func(t *testing.T) {
				e := startEngine(t, cfg)
				address := "127.0.0.1:0"
				if network == "unix" {
					address = filepath.Join(t.TempDir(), "s")
				}
				nl, err := net.Listen(network, address)
				if err != nil {
					t.Fatal(err)
				}
				server := newProbe(t)
				server.onData = echo
				if _, err := e.Listen(nl, func(*Conn) Handler { return server }, nil); err != nil {
					t.Fatal(err)
				}
				p := newProbe(t)
				back := make(chan string, 1)
				p.onOpen = func(c *Conn) { c.Write(c.Loop(), []byte("hello")) }
				p.onData = func(c *Conn, data []byte) int {
					if len(data) < 5 {
						return 0
					}
					back <- string(data)
					c.Close(io.EOF)
					return len(data)
				}
				if err := e.Dial(e.Loops()[1], network, nl.Addr().String(), func(*Conn) Handler { return p }); err != nil {
					t.Fatal(err)
				}
				if c := p.conn(); c.Loop() != e.Loops()[1] {
					t.Error("the connection is on another loop")
				}
				if got := receive(t, back, "echo"); got != "hello" {
					t.Errorf("echo %q, want hello", got)
				}
				wantClosed(t, p, io.EOF)
				wantClosed(t, server, ErrPeerGone)
			})
		}
	})
}

// OnClose alone tells that there is no connection.
func TestDialRefused(t *testing.T) {
	eachEngine(t, func(t *testing.T, cfg Config) {
		e := startEngine(t, cfg)
		nl, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		nl.Close()
		for network, tc := range map[string]struct {
			address string
			want    error
		}{
			"tcp":  {nl.Addr().String(), syscall.ECONNREFUSED},
			"unix": {filepath.Join(t.TempDir(), "missing"), syscall.ENOENT},
		} {
			p := newProbe(t)
			if err := e.Dial(nil, network, tc.address, func(*Conn) Handler { return p }); err != nil {
				t.Fatalf("%s: %v", network, err)
			}
			if err := receive(t, p.closed, "OnClose"); !errors.Is(err, tc.want) {
				t.Errorf("%s: OnClose(%v), want %v", network, err, tc.want)
			}
		}
		if err := e.Dial(nil, "udp", "127.0.0.1:1", nil); !errors.Is(err, ErrUnsupported) {
			t.Errorf("udp: %v, want ErrUnsupported", err)
		}
	})
}

func TestAdopt(t *testing.T) {
	eachEngine(t, func(t *testing.T, cfg Config) {
		e, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		nl, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer nl.Close()
		client := dialTCP(t, nl.Addr())
		server, err := nl.Accept()
		if err != nil {
			t.Fatal(err)
		}
		p := newProbe(t)
		p.onData = echo
		if err := e.Adopt(server, func(*Conn) Handler { return p }); err != nil {
			t.Fatal(err)
		}
		send(t, client, []byte("hello"))
		wantBytes(t, client, []byte("hello"))
		client.Close()

		mine, peer := memnet.Pipe()
		defer peer.Close()
		if !cfg.Portable && haveEpoll {
			wrapped := struct{ *net.TCPConn }{client}
			for _, nc := range []net.Conn{mine, wrapped} {
				if err := e.Adopt(nc, nil); !errors.Is(err, ErrUnsupported) {
					t.Errorf("Adopt(%T): %v, want ErrUnsupported", nc, err)
				}
			}
		}
		shutdown(t, e, nil)
		if err := e.Adopt(mine, nil); !errors.Is(err, ErrShutdown) {
			t.Errorf("Adopt after Shutdown: %v, want ErrShutdown", err)
		}
		if _, err := mine.Write([]byte("x")); err != nil {
			t.Errorf("a refused connection is not the caller's: %v", err)
		}
		mine.Close()
		if err := e.Dial(nil, "tcp", nl.Addr().String(), nil); !errors.Is(err, ErrShutdown) {
			t.Errorf("Dial after Shutdown: %v, want ErrShutdown", err)
		}
		if _, err := e.Listen(nl, nil, nil); !errors.Is(err, ErrShutdown) {
			t.Errorf("Listen after Shutdown: %v, want ErrShutdown", err)
		}
		shutdown(t, e, nil) // again: nothing
	})
}

// Errors of accept make the listener wait, longer each time, and go on.
func TestAcceptBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, err := New(Config{Portable: true, Loops: 1})
		if err != nil {
			t.Fatal(err)
		}
		ln := memnet.Listen("broker")
		var at []time.Duration
		from := time.Now()
		p := newProbe(t)
		fails := []error{syscall.EMFILE, syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.EMFILE}
		ln.FailAccepts(fails...)
		if _, err := e.Listen(ln, func(*Conn) Handler { return p }, func(error) { at = append(at, time.Since(from)) }); err != nil {
			t.Fatal(err)
		}
		client, err := ln.Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		<-p.opened
		pause, want := acceptPauseMin, time.Duration(0)
		if len(at) != len(fails) {
			t.Fatalf("onError %d times, want %d", len(at), len(fails))
		}
		for i := range at {
			if at[i] != want {
				t.Errorf("error %d after %v, want %v", i, at[i], want)
			}
			want += pause
			pause *= 2
		}
		if got := e.Stats(); got.AcceptErrors != uint64(len(fails)) || got.Accepted != 1 {
			t.Errorf("%d errors and %d accepted, want %d and 1", got.AcceptErrors, got.Accepted, len(fails))
		}
		client.Close()
		check(t, e.Shutdown(context.Background()))
	})
}

// Handlers that take leave let Shutdown end; so do peers that send nothing back.
func TestShutdownGraceful(t *testing.T) {
	eachEngine(t, func(t *testing.T, cfg Config) {
		e, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		var probes []*probe
		made := make(chan *probe, 20)
		addr := listen(t, e, func(*Conn) Handler {
			p := newProbe(t)
			p.onShutdown = func(c *Conn) {
				c.Write(c.Loop(), []byte("bye"))
				c.Close(io.EOF)
			}
			made <- p
			return p
		})
		var clients []net.Conn
		for range cap(made) {
			clients = append(clients, dialTCP(t, addr))
			p := receive(t, made, "connection")
			p.conn()
			probes = append(probes, p)
		}
		var wg sync.WaitGroup
		for _, c := range clients {
			wg.Go(func() {
				if b, err := io.ReadAll(c); err != nil || string(b) != "bye" {
					t.Errorf("read %q, %v; want bye", b, err)
				}
				c.Close()
			})
		}
		shutdown(t, e, nil)
		wg.Wait()
		for _, p := range probes {
			wantClosed(t, p, io.EOF)
		}
		if nc, err := net.Dial("tcp", addr.String()); err == nil {
			nc.Close()
			t.Error("the port is still listened on")
		}
	})
}

// Connections that do not take leave are closed when the context ends.
func TestShutdownStubborn(t *testing.T) {
	eachEngine(t, func(t *testing.T, cfg Config) {
		e, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		p := newProbe(t)
		asked := make(chan struct{})
		p.onShutdown = func(c *Conn) {
			c.PauseRead()
			c.Write(c.Loop(), make([]byte, 16<<20)) // and the peer does not read
			close(asked)
		}
		dialTCP(t, listen(t, e, func(*Conn) Handler { return p }))
		p.conn()
		ctx, cancel := context.WithCancelCause(context.Background())
		reason := errors.New("enough")
		go func() {
			<-asked
			cancel(reason)
		}()
		if err := e.Shutdown(ctx); !errors.Is(err, reason) {
			t.Errorf("Shutdown: %v, want %v", err, reason)
		}
		wantClosed(t, p, ErrShutdown)
		if n := e.Stats().Open; n != 0 {
			t.Errorf("%d connections open", n)
		}
		if e.Loops()[0].PostFunc(func() {}) {
			t.Error("Post after Shutdown returned true")
		}
	})
}

// A connection that opens after OnShutdown has gone round is told at once; one
// whose opening comes after the stop is closed and not forgotten.
func TestOpenedDuringShutdown(t *testing.T) {
	steps := map[string]func(l *Loop){
		"leaving": func(l *Loop) { l.PostFunc(l.leave) },
		"stopped": func(l *Loop) { l.stop() },
	}
	eachEngine(t, func(t *testing.T, cfg Config) {
		cfg.Loops = 1
		for name, step := range steps {
			t.Run(name, func(t *testing.T) {
				e, err := New(cfg)
				if err != nil {
					t.Fatal(err)
				}
				nl, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				defer nl.Close()
				client := dialTCP(t, nl.Addr())
				server, err := nl.Accept()
				if err != nil {
					t.Fatal(err)
				}
				held, release := make(chan struct{}), make(chan struct{})
				e.Loops()[0].PostFunc(func() { close(held); <-release })
				<-held
				step(e.Loops()[0])
				p := newProbe(t)
				if err := e.Adopt(server, func(*Conn) Handler { return p }); err != nil {
					t.Fatal(err)
				}
				close(release)
				wantClosed(t, p, ErrShutdown)
				wantEOF(t, client)
				client.Close()
				shutdown(t, e, nil)
			})
		}
	})
}

func TestManyConnections(t *testing.T) {
	eachEngine(t, func(t *testing.T, cfg Config) {
		const conns, at = 2000, 50
		e := startEngine(t, cfg)
		addr := listen(t, e, func(*Conn) Handler {
			p := newProbe(t)
			p.onData = echo
			return p
		})
		var wg sync.WaitGroup
		all := make(chan net.Conn, conns)
		for range at {
			wg.Go(func() {
				for range conns / at {
					nc, err := net.DialTimeout("tcp", addr.String(), patience)
					if err != nil {
						t.Error(err)
						return
					}
					check(t, nc.SetDeadline(time.Now().Add(patience)))
					all <- nc
				}
			})
		}
		wg.Wait()
		close(all)
		hello := []byte("hello")
		for nc := range all {
			wg.Go(func() {
				defer nc.Close()
				if _, err := nc.Write(hello); err != nil {
					t.Error(err)
				}
				if _, err := io.ReadFull(nc, make([]byte, len(hello))); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		shutdown(t, e, nil) // bytes are counted after the peer may have read them
		if got := e.Stats(); got.Accepted != conns || got.BytesIn != conns*5 || got.BytesOut != conns*5 {
			t.Errorf("%d accepted, %d bytes in, %d out; want %d and %d", got.Accepted, got.BytesIn, got.BytesOut, conns, conns*5)
		}
	})
}

// TestListenerOpen has listeners count their own connections, whatever lies between socket and handler, also after they have been
// closed; those that the engine has dialed are no listener's.
func TestListenerOpen(t *testing.T) {
	eachEngine(t, func(t *testing.T, cfg Config) {
		e := startEngine(t, cfg)
		var all []*Listener
		for _, lc := range []ListenConfig{
			{},
			{TLS: serverTLS("server")}, // whose handshake never begins here
			{WebSocket: &WebSocketConfig{Path: "/"}},
			{Admit: func(netip.Addr) (func(), bool) { return nil, true }},
			{Admit: func(netip.Addr) (func(), bool) { return nil, false }},
		} {
			nl, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			lc.NewHandler = func(*Conn) Handler { return newProbe(t) }
			ln, err := e.ListenWith(nl, lc)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, ln)
		}
		want := func(n ...int64) {
			t.Helper()
			eventually(t, fmt.Sprint("open connections of listeners: ", n), func() bool {
				for i, ln := range all {
					if ln.Open() != n[i] {
						return false
					}
				}
				return true
			})
		}
		want(0, 0, 0, 0, 0)
		var clients []net.Conn
		for i, ln := range all {
			for range i + 1 {
				nc, err := net.Dial("tcp", ln.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				defer nc.Close()
				clients = append(clients, nc)
			}
		}
		want(1, 2, 3, 4, 0)
		p := newProbe(t)
		check(t, e.Dial(e.Loops()[0], "tcp", all[0].Addr().String(), func(*Conn) Handler { return p }))
		want(2, 2, 3, 4, 0)
		if got := e.Stats().Open; got != 12 {
			t.Errorf("%d connections of the engine are open, want 12: the one that it has dialed has two ends", got)
		}
		all[3].Close()
		want(2, 2, 3, 4, 0)
		for _, nc := range clients[:6] {
			nc.Close()
		}
		want(1, 0, 0, 4, 0)
		shutdown(t, e, nil)
		for i, ln := range all {
			if got := ln.Open(); got != 0 {
				t.Errorf("listener %d: %d are open after Shutdown, want none", i, got)
			}
		}
	})
}
