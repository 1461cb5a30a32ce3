package login

import (
	"crypto/x509"
	"net"
	"net/netip"
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

func TestAppOf(t *testing.T) {
	for _, tt := range []struct {
		name     string
		listener *Listener
		identity *broker.Identity
		want     string
	}{
		{"nothing is said", nil, nil, "otherwise"},
		{"the listener says nothing", &Listener{}, &broker.Identity{}, "otherwise"},
		{"the listener says", &Listener{App: "meters"}, &broker.Identity{User: "u"}, "meters"},
		{"authentication wins", &Listener{App: "meters"}, &broker.Identity{App: "cars"}, "cars"},
		{"authentication alone", nil, &broker.Identity{App: "cars"}, "cars"},
	} {
		if got := tt.listener.AppOf(tt.identity, "otherwise"); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

// visitor is a handler that hands its connection to a test.
type visitor struct{ open chan *netloop.Conn }

func (v visitor) OnOpen(c *netloop.Conn)                { v.open <- c }
func (visitor) OnData(_ *netloop.Conn, data []byte) int { return len(data) }
func (visitor) OnTimer(*netloop.Conn)                   {}
func (visitor) OnWritable(*netloop.Conn)                {}
func (visitor) OnShutdown(c *netloop.Conn)              { c.Close(nil) }
func (visitor) OnClose(*netloop.Conn, error)            {}
func (v visitor) handler(*netloop.Conn) netloop.Handler { return v }

func TestRequest(t *testing.T) {
	e, err := netloop.New(netloop.Config{Loops: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Shutdown(t.Context()) }()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	v := visitor{open: make(chan *netloop.Conn, 1)}
	if _, err := e.Listen(ln, v.handler, nil); err != nil {
		t.Fatal(err)
	}
	nc, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	c := <-v.open
	want := broker.ConnectRequest{
		App: broker.DefaultApp, Remote: netip.MustParseAddrPort(nc.LocalAddr().String()),
	}
	done := make(chan struct{})
	c.Loop().PostFunc(func() {
		defer close(done)
		var none *Listener
		got := none.Request(c)
		if got.App != want.App || got.Remote != want.Remote || got.Listener != "" {
			t.Errorf("got %+v, want %+v", got, want)
		}
		certificate := &x509.Certificate{}
		from := &Listener{App: "meters", URL: "mqtts://example.org:8883", Certificate: func(of *netloop.Conn) *x509.Certificate {
			if of != c {
				t.Error("asked for another's certificate")
			}
			return certificate
		}}
		if got := from.Request(c); got.App != "meters" || got.Listener != from.URL || got.Certificate != certificate {
			t.Errorf("got %+v, want what the listener says", got)
		}
	})
	<-done
}
