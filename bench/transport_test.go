package bench

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

// relay is one half of a connection through the layers of a listener to a broker that has none.
// Both are on one loop.
type relay struct{ other *netloop.Conn }

func (r *relay) OnOpen(c *netloop.Conn) {}
func (r *relay) OnData(c *netloop.Conn, data []byte) int {
	if r.other == nil {
		return 0
	}
	r.other.Write(c.Loop(), data)
	return len(data)
}
func (*relay) OnWritable(*netloop.Conn)     {}
func (*relay) OnTimer(*netloop.Conn)        {}
func (r *relay) OnShutdown(c *netloop.Conn) { c.Close(nil) }
func (r *relay) OnClose(_ *netloop.Conn, err error) {
	if r.other != nil {
		r.other.Close(err)
	}
}

// uplink is the half at the broker.
type uplink struct {
	relay
	front *netloop.Conn
}

func (u *uplink) OnOpen(c *netloop.Conn) {
	u.other = u.front
	u.front.Handler().(*relay).other = c
	u.front.Again()
}

// startRelay puts layers before the broker at address, and returns the relay's own.
func startRelay(t *testing.T, address string, cfg netloop.ListenConfig) string {
	t.Helper()
	e, err := netloop.New(netloop.Config{Loops: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), closeTime)
		defer cancel()
		if err := e.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
	cfg.NewHandler = func(c *netloop.Conn) netloop.Handler {
		err := e.Dial(c.Loop(), "tcp", address, func(*netloop.Conn) netloop.Handler { return &uplink{front: c} })
		if err != nil {
			t.Errorf("dial the broker: %v", err)
		}
		return &relay{}
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.ListenWith(ln, cfg); err != nil {
		t.Fatal(err)
	}
	return ln.Addr().String()
}

// certificate makes one for the loopback address, and a file that has it.
func certificate(t *testing.T) (cert tls.Certificate, file string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file
}

// Every mode runs over every transport.
func TestTransports(t *testing.T) {
	cert, file := certificate(t)
	server := &tls.Config{Certificates: []tls.Certificate{cert}}
	ws := &netloop.WebSocketConfig{}
	broker := strings.TrimPrefix(startPeer(t), "mqtt://")
	urls := []string{
		"mqtts://" + startRelay(t, broker, netloop.ListenConfig{TLS: server}),
		"ws://" + startRelay(t, broker, netloop.ListenConfig{WebSocket: ws}) + "/mqtt",
		"wss://" + startRelay(t, broker, netloop.ListenConfig{TLS: server, WebSocket: ws}) + "/mqtt?x=y",
	}
	for _, url := range urls {
		for _, m := range Modes() {
			t.Run(url[:strings.Index(url, ":")]+"/"+string(m), func(t *testing.T) {
				o := small(m, url)
				o.CAFile = file
				if m == Sleepers {
					o.Messages = 1
				}
				checkRun(t, o)
			})
		}
	}
	o := small(Conn, urls[0])
	if _, err := Run(t.Context(), o, nil); err == nil || !strings.Contains(err.Error(), "certificate signed by unknown authority") {
		t.Errorf("got %v, want the system to trust nobody's own certificate", err)
	}
	o.Insecure = true
	checkRun(t, o)
}

func TestCAFile(t *testing.T) {
	o := small(Conn, "mqtts://127.0.0.1:1")
	o.CAFile = filepath.Join(t.TempDir(), "none")
	if _, err := Run(t.Context(), o, nil); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("got %v, want the file to be missed", err)
	}
	if err := os.WriteFile(o.CAFile, []byte("no PEM"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), o, nil); err == nil || !strings.Contains(err.Error(), "there is none in") {
		t.Errorf("got %v, want a certificate to be missed", err)
	}
}
