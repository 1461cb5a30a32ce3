//go:build system

package system

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// authority makes certificates for a test.
type authority struct {
	t    testing.TB
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// newAuthority makes one. Its certificate is ca.pem in dir.
func newAuthority(t testing.TB, dir string) *authority {
	t.Helper()
	a := &authority{t: t, dir: dir}
	template := &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, Subject: pkix.Name{CommonName: "ca"}}
	a.cert, a.key = a.issue(template, "ca", nil)
	return a
}

// issue makes certificate and key, NAME.pem and NAME.key. parent nil has it sign itself.
func (a *authority) issue(c *x509.Certificate, name string, parent *authority) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	c.SerialNumber = big.NewInt(time.Now().UnixNano())
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	by, signer := c, key
	if parent != nil {
		by, signer = parent.cert, parent.key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, by, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	a.write(name+".pem", "CERTIFICATE", der)
	a.write(name+".key", "EC PRIVATE KEY", keyDER)
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, key
}

func (a *authority) write(name, kind string, der []byte) {
	a.t.Helper()
	// Replaced in one step, as an operator's tool does.
	path := filepath.Join(a.dir, name)
	if err := os.WriteFile(path+".new", pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		a.t.Fatal(err)
	}
}

// server issues a certificate for the loopback addresses.
func (a *authority) server(name, commonName string) {
	a.issue(&x509.Certificate{
		Subject: pkix.Name{CommonName: commonName}, DNSNames: []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, name, a)
}

// client issues a certificate for a client.
func (a *authority) client(name string) {
	a.issue(&x509.Certificate{Subject: pkix.Name{CommonName: name}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}, name, a)
}

// ports returns those of the listeners in the log, by scheme, in their order.
func (n *node) ports() map[string][]string {
	found := make(map[string][]string)
	for _, m := range regexp.MustCompile(`url=(mqtts|ws|wss|auto|ximps?|miops?)://127\.0\.0\.1:(\d+)`).FindAllStringSubmatch(n.text(), -1) {
		found[m[1]] = append(found[m[1]], m[2])
	}
	return found
}

// modulesPath is where mqtt.js is.
func modulesPath(t testing.TB) string {
	t.Helper()
	path, err := filepath.Abs(modules)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestTransports has Debian's clients and mqtt.js meet over every transport.
func TestTransports(t *testing.T) {
	dir := t.TempDir()
	a := newAuthority(t, dir)
	a.server("server", "first")
	a.client("device")
	file := func(name string) string { return filepath.Join(dir, name) }
	n := startNode(t, "--data", "memory",
		"--listen", "mqtts://127.0.0.1:0", "--listen", "mqtts://127.0.0.1:0?client-cert=required",
		"--listen", "ws://127.0.0.1:0", "--listen", "wss://127.0.0.1:0/path", "--listen", "auto://127.0.0.1:0",
		"--tls-cert", file("server.pem"), "--tls-key", file("server.key"), "--tls-ca", file("ca.pem"))
	ports := n.ports()
	tls, auto := ports["mqtts"], ports["auto"][0]
	pub := func(want int, args ...string) {
		t.Helper()
		code, out := n.run(t, "mosquitto_pub", append([]string{"-q", "1", "-r", "-t", "t", "-m", strings.Join(args, " ")}, args...)...)
		if (code == 0) != (want == 0) {
			t.Errorf("mosquitto_pub %v: got exit code %d, %s", args, code, out)
		}
	}
	sub := func(want string, args ...string) {
		t.Helper()
		if code, out := n.run(t, "mosquitto_sub", append([]string{"-t", "t", "-C", "1", "-W", "20"}, args...)...); code != 0 || out != want+"\n" {
			t.Errorf("mosquitto_sub %v: got exit code %d, %q, want %q", args, code, out, want)
		}
	}
	ca := []string{"--cafile", file("ca.pem")}
	overTLS := append([]string{"-p", tls[0]}, ca...)
	pub(0, overTLS...)
	sub(strings.Join(overTLS, " "), "-p", auto) // plain, over the listener that finds out
	plain := []string{"-p", auto}
	pub(0, plain...)
	sub("-p "+auto, append([]string{"-p", auto}, ca...)...) // and TLS over the same
	pub(1, append([]string{"-p", tls[1]}, ca...)...)        // without a certificate
	pub(0, append([]string{"-p", tls[1], "--cert", file("device.pem"), "--key", file("device.key")}, ca...)...)

	script := filepath.Join("testdata", "clients", "js", "transports.js")
	for _, url := range []string{
		"ws://127.0.0.1:" + ports["ws"][0] + "/mqtt", "wss://127.0.0.1:" + ports["wss"][0] + "/path",
		"ws://127.0.0.1:" + auto + "/mqtt", "wss://127.0.0.1:" + auto + "/mqtt",
	} {
		if code, out := n.run(t, "env", "NODE_PATH="+modulesPath(t), "node", script, url, file("ca.pem")); code != 0 || !strings.Contains(out, "received hello") {
			t.Errorf("mqtt.js over %s: got exit code %d, %s", url, code, out)
		}
	}
}
