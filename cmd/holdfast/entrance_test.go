package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"maps"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/holdfast-mqtt/holdfast/cmd/holdfast/config"
)

// newCertificate writes a certificate that vouches for itself, and its key.
func newCertificate(t *testing.T) (cert, key string) {
	t.Helper()
	return newCertificateUntil(t, time.Now().Add(time.Hour))
}

// newCertificateUntil is newCertificate with the time at which it expires.
func newCertificateUntil(t *testing.T, end time.Time) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	about := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "pump"}, NotAfter: end, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, about, about, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// A listener that finds out what is spoken, and requires certificates, lets nobody in without: not without TLS either.
func TestCertificateRequired(t *testing.T) {
	cert, key := newCertificate(t)
	own, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	for url, open := range map[string]bool{
		"auto://127.0.0.1:0?client-cert=required": false,
		"auto://127.0.0.1:0?client-cert=optional": true,
		"auto://127.0.0.1:0":                      true,
	} {
		c := config.Default()
		c.TLS = config.TLS{Cert: cert, Key: key, CA: cert}
		address := startNodeWith(t, c, url)[0]
		withTLS := func(certificates ...tls.Certificate) func() (net.Conn, error) {
			return func() (net.Conn, error) {
				return tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, Certificates: certificates})
			}
		}
		for name, tt := range map[string]struct {
			dial func() (net.Conn, error)
			want bool
		}{
			"without TLS":         {func() (net.Conn, error) { return net.Dial("tcp", address) }, open},
			"without certificate": {withTLS(), open},
			"with certificate":    {withTLS(own), true},
		} {
			if got := letsIn(t, tt.dial); got != tt.want {
				t.Errorf("%s %s: got let in %t, want %t", url, name, got, tt.want)
			}
		}
	}
}

// letsIn tells whether CONNECT is answered with CONNACK.
func letsIn(t *testing.T, dial func() (net.Conn, error)) bool {
	t.Helper()
	nc, err := dial()
	if err != nil {
		return false
	}
	defer nc.Close()
	if err := nc.SetDeadline(time.Now().Add(limit)); err != nil {
		t.Fatal(err)
	}
	if _, err := nc.Write([]byte("\x10\x0d\x00\x04MQTT\x04\x02\x00\x00\x00\x01a")); err != nil {
		return false
	}
	var b [4]byte
	n, _ := nc.Read(b[:])
	return n > 0 && b[0] == 0x20
}

// TestListenerConnections has the metrics show connections by listener, of all fronts.
func TestListenerConnections(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	urls := []string{"mqtt://127.0.0.1:0", "ws://127.0.0.1:0/mqtt", "miop://127.0.0.1:0?app=a", "ximp://127.0.0.1:0?app=a&max-connections=10"}
	addresses := startNodeIn(t, config.Default(), registry, urls...)
	want := make(map[string]float64)
	for i, address := range addresses {
		scheme, rest, _ := strings.Cut(urls[i], "://")
		_, path, _ := strings.Cut(rest, "/")
		if path != "" {
			path = "/" + path
		}
		want[scheme+"://"+address+path] = float64(i)
		for range i {
			nc, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
		}
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	got := listenerConnections(t, registry)
	for end := time.Now().Add(limit); time.Now().Before(end) && !maps.Equal(got, want); <-tick.C {
		got = listenerConnections(t, registry)
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func listenerConnections(t *testing.T, from prometheus.Gatherer) map[string]float64 {
	t.Helper()
	families, err := from.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]float64)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "holdfast_listener_connections" {
				got[m.GetLabel()[0].GetValue()] = m.GetGauge().GetValue()
			}
		}
	}
	return got
}

// startNodeWith starts a room in memory with these settings and listeners, and returns their addresses.
func startNodeWith(t *testing.T, c *config.Config, urls ...string) []string {
	t.Helper()
	return startNodeIn(t, c, prometheus.NewPedanticRegistry(), urls...)
}

// startNodeIn is startNodeWith with metrics.
func startNodeIn(t *testing.T, c *config.Config, metrics prometheus.Registerer, urls ...string) []string {
	t.Helper()
	_, addresses := startRoomIn(t, c, metrics, urls...)
	return addresses
}

// startRoomIn is startNodeIn, and returns the room too.
func startRoomIn(t *testing.T, c *config.Config, metrics prometheus.Registerer, urls ...string) (*mqttRoom, []string) {
	t.Helper()
	c.Data, c.Listen = config.InMemory, urls
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	wanted, err := c.Listeners()
	if err != nil {
		t.Fatal(err)
	}
	listeners, err := listenAll(t.Context(), wanted)
	if err != nil {
		t.Fatal(err)
	}
	r, err := startRoom(c, listeners, slog.New(slog.DiscardHandler), metrics)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Shutdown(context.Background()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
	})
	var addresses []string
	for _, ln := range listeners {
		addresses = append(addresses, ln.Addr().String())
	}
	return r.(*mqttRoom), addresses
}
