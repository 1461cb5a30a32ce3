package dispatch

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker/netloop"
	"github.com/holdfast-mqtt/holdfast/internal/memnet"
)

// limit bounds every wait on real sockets: it makes a hang a failure and takes part in no measurement.
const limit = 20 * time.Second

// testServer is a Server on a listener: over memnet if it is portable, which may run in a synctest bubble, else on loopback.
type testServer struct {
	*Server
	t      testing.TB
	engine *netloop.Engine
	dial   func() net.Conn
}

func start(t testing.TB, portable bool, cfg Config) *testServer {
	t.Helper()
	srv, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	e, err := netloop.New(netloop.Config{Loops: 1, Portable: portable})
	if err != nil {
		t.Fatal(err)
	}
	s := &testServer{Server: srv, t: t, engine: e}
	var ln net.Listener
	if portable {
		m := memnet.Listen("dispatcher")
		ln = m
		s.dial = func() net.Conn {
			nc, err := m.Dial(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			return nc
		}
	} else {
		if ln, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		s.dial = func() net.Conn {
			nc, err := net.Dial("tcp", ln.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			return nc
		}
	}
	lc := netloop.ListenConfig{Requests: []netloop.Protocol{{Name: "dispatch", Match: MatchHTTP, NewHandler: srv.NewHandler}}}
	if _, err := e.ListenWith(ln, lc); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.shutdown)
	return s
}

func (s *testServer) shutdown() {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if err := s.engine.Shutdown(ctx); err != nil {
		s.t.Errorf("shutdown: %v", err)
	}
}

// send sends a request in pieces of so many bytes, and returns all that comes until the connection's end.
func (s *testServer) send(request string, size int) string {
	s.t.Helper()
	nc := s.dial()
	defer nc.Close()
	for rest := request; rest != ""; rest = rest[min(size, len(rest)):] {
		_, _ = io.WriteString(nc, rest[:min(size, len(rest))]) // the answer may have come already
	}
	got, _ := io.ReadAll(nc)
	return string(got)
}

// ask sends GET for a target.
func (s *testServer) ask(target string) string {
	s.t.Helper()
	return s.send("GET "+target+" HTTP/1.1\r\nHost: x\r\n\r\n", 1<<20)
}

// body is that of a response.
func body(response string) string {
	_, b, _ := strings.Cut(response, "\r\n\r\n")
	return b
}

// eachEngine runs f in a bubble over memory and on real sockets.
func eachEngine(t *testing.T, f func(t *testing.T, portable bool)) {
	t.Run("portable", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { f(t, true) })
	})
	t.Run("native", func(t *testing.T) { f(t, false) })
}

// one is a configuration with an address.
func one() Config { return Config{Addresses: []Address{{Host: "192.0.2.1", Port: 443, Weight: 1}}} }
