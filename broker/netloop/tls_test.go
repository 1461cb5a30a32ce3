package netloop

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"
)

func TestTLSEcho(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			eachEngine(t, func(t *testing.T, cfg Config) {
				e := startEngine(t, cfg)
				p := newProbe(t)
				p.onData = echo
				lc := ListenConfig{NewHandler: func(*Conn) Handler { return p }, TLS: serverTLS("server")}
				lc.TLS.ClientAuth, lc.TLS.ClientCAs = tls.RequireAndVerifyClientCert, authority().pool()
				ccfg := clientTLS()
				ccfg.MaxVersion = version
				ccfg.Certificates = []tls.Certificate{newIssuer(authority(), "device").certificate()}
				client := tls.Client(dialTCP(t, listenWith(t, e, lc)), ccfg)
				send(t, client, []byte("hello"))
				wantBytes(t, client, []byte("hello"))
				if got := client.ConnectionState().NegotiatedProtocol; got != "mqtt" {
					t.Errorf("ALPN %q, want mqtt", got)
				}
				c := p.conn()
				onLoop(t, c, func() {
					cs, ok := c.ConnectionState()
					if !ok || cs.Version != version || len(cs.PeerCertificates) != 1 || cs.PeerCertificates[0].Subject.CommonName != "device" {
						t.Errorf("ConnectionState %v, version %#x, %d certificates", ok, cs.Version, len(cs.PeerCertificates))
					}
					if got, want := c.RemoteAddr().String(), client.LocalAddr().String(); got != want {
						t.Errorf("RemoteAddr %s, want %s", got, want)
					}
				})
				check(t, client.CloseWrite())
				wantEOF(t, client) // with close_notify: else it would be io.ErrUnexpectedEOF
				wantClosed(t, p, ErrPeerGone)
				if got := e.Stats().Handshakes; got != 1 {
					t.Errorf("%d handshakes, want 1", got)
				}
			})
		})
	}
}

// Handshakes, records and frames arrive in pieces of every size.
func TestSplitEverywhere(t *testing.T) {
	eachTransport(t, func(t *testing.T, cfg Config, tr transport) {
		for _, n := range []int{1, 2, 3, 5, 7, 100} {
			t.Run(fmt.Sprint(n), func(t *testing.T) {
				e := startEngine(t, cfg)
				p := newProbe(t)
				p.onData = echo
				addr := tr.listen(t, e, func(*Conn) Handler { return p })
				client := tr.wrap(t, splitter{dialTCP(t, addr), n})
				want := pattern(1000)
				send(t, client, want)
				wantBytes(t, client, want)
				check(t, client.CloseWrite())
				wantClosed(t, p, ErrPeerGone)
				wantEOF(t, client)
			})
		}
	})
}

// Close lets the peer have all, then the end in the transport's own words.
func TestServerCloses(t *testing.T) {
	eachTransport(t, func(t *testing.T, cfg Config, tr transport) {
		p := newProbe(t)
		want := pattern(3 << 20)
		p.onOpen = func(c *Conn) {
			c.Write(c.Loop(), want)
			c.Close(io.ErrClosedPipe)
		}
		_, client := tr.connect(t, cfg, p)
		wantBytes(t, client, want)
		wantEOF(t, client)
		wantClosed(t, p, io.ErrClosedPipe)
	})
}

// What clients of TLS below 1.2 or with another ALPN get is an alert.
func TestTLSRefused(t *testing.T) {
	for name, change := range map[string]func(*tls.Config){
		"version 1.1": func(cfg *tls.Config) { cfg.MinVersion, cfg.MaxVersion = tls.VersionTLS11, tls.VersionTLS11 },
		"ALPN":        func(cfg *tls.Config) { cfg.NextProtos = []string{"h2"} },
		"authority":   func(cfg *tls.Config) { cfg.RootCAs = nil },
	} {
		t.Run(name, func(t *testing.T) {
			eachEngine(t, func(t *testing.T, cfg Config) {
				e := startEngine(t, cfg)
				ended := make(chan struct{})
				lc := ListenConfig{NewHandler: noHandler(t), TLS: serverTLS("server"), Admit: func(netip.Addr) (func(), bool) {
					return func() { close(ended) }, true
				}}
				told := make(chan error, 1)
				lc.OnUnopened = func(_ *Conn, err error) { told <- err }
				lc.TLS.MinVersion = tls.VersionTLS10
				ccfg := clientTLS()
				change(ccfg)
				nc := dialTCP(t, listenWith(t, e, lc))
				err := tls.Client(nc, ccfg).Handshake()
				if remote := new(net.OpError); name != "authority" && !errors.As(err, &remote) {
					t.Errorf("handshake: %v, want an alert of the server", err)
				}
				if err == nil {
					t.Error("the handshake succeeded")
				}
				nc.Close()
				receive(t, ended, "end of the connection")
				if err := receive(t, told, "OnUnopened"); err == nil {
					t.Error("OnUnopened was told of no error")
				}
				shutdown(t, e, nil) // waits for the handshake
				if st := e.Stats(); st.HandshakesFailed != 1 || st.Unopened != 1 || st.Handshakes != 0 {
					t.Errorf("stats %+v", st)
				}
			})
		})
	}
}

// noHandler is for listeners whose connections are never opened.
func noHandler(t testing.TB) func(*Conn) Handler {
	return func(*Conn) Handler {
		t.Error("a handler was made")
		return newProbe(t)
	}
}
