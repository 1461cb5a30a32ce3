//go:build system

package system

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// device issues a certificate whose Common Name is the user and whose DNS name is the Client Identifier.
func (a *authority) device(name, user, clientID string) {
	a.issue(&x509.Certificate{
		Subject: pkix.Name{CommonName: user}, DNSNames: []string{clientID}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, name, a)
}

const mutualRules = `default: deny
rules:
  - {permit: allow, topics: [devices/%c/#, users/%u/#]}
`

// Eclipse Paho's Go clients, every version of MQTT, with certificates: who they are comes from these, and rules hold for that.
func TestMutualTLS(t *testing.T) {
	dir, strangers := t.TempDir(), t.TempDir()
	a := newAuthority(t, dir)
	a.server("server", "server")
	a.device("device", "alice", "pump-1")
	newAuthority(t, strangers).device("device", "alice", "pump-1")
	file := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(file("acl.yaml"), []byte(mutualRules), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary(t), "serve", "--data", "memory", "--api", "127.0.0.1:0", "--listen", "mqtt://127.0.0.1:0",
		"--listen", "mqtts://127.0.0.1:0?client-cert=required", "--listen", "mqtts://127.0.0.1:0?client-cert=optional",
		"--tls-cert", file("server.pem"), "--tls-key", file("server.key"), "--tls-ca", file("ca.pem"))
	cmd.Env = append(os.Environ(), "HOLDFAST_AUTH_CERTIFICATE_USER=cn", "HOLDFAST_AUTH_CERTIFICATE_CLIENT_ID=san_dns",
		"HOLDFAST_AUTH_ACL_FILE="+file("acl.yaml"))
	n := startCommand(t, cmd)
	required, optional := n.ports()["mqtts"][0], n.ports()["mqtts"][1]
	command, _ := buildGo(t)
	trusting := []string{"PAHOGO_CA=" + file("ca.pem")}
	with := func(dir string) []string {
		return append(trusting, "PAHOGO_CERT="+filepath.Join(dir, "device.pem"), "PAHOGO_KEY="+filepath.Join(dir, "device.key"))
	}
	for level, version := range versions {
		t.Run(version, func(t *testing.T) {
			for _, port := range []string{required, optional} {
				p := startProgram(t, command, with(dir), port, level)
				p.do(t, "connect pump-1 1", "connected 0")
				p.do(t, "subscribe devices/pump-1/# 1", "subscribed 1")
				p.do(t, "subscribe users/alice/# 1", "subscribed 1")
				p.do(t, "publish devices/pump-1/up 1 0 hello", "published")
				p.expect(t, "devices/pump-1/up 1 0 hello")
				p.do(t, "publish users/alice/x 1 0 hello", "published")
				p.expect(t, "users/alice/x 1 0 hello")
				if level == 5 { // paho.golang takes the Reason Code for an error
					p.refused(t, "subscribe users/bob/# 1")
					continue
				}
				p.do(t, "subscribe users/bob/# 1", "subscribed 128")
				p.do(t, "disconnect", "disconnected")
				p.finish(t)
			}
			for name, tt := range map[string]struct {
				port     string
				env      []string
				clientID string
			}{
				"somebody else's Client Identifier":                  {required, with(dir), "pump-2"},
				"no certificate":                                     {required, trusting, "pump-1"},
				"no certificate where it is optional":                {optional, trusting, "pump-1"},
				"somebody else's certificate":                        {required, with(strangers), "pump-1"},
				"somebody else's certificate where it is optional":   {optional, with(strangers), "pump-1"},
				"a name that only a certificate proves, without TLS": {n.port, nil, "pump-1"},
			} {
				t.Run(name, func(t *testing.T) {
					startProgram(t, command, tt.env, tt.port, level).refused(t, fmt.Sprintf("connect %s 1", tt.clientID))
				})
			}
		})
	}
}

// refused gives a command that must end the program with an error.
func (p *program) refused(t testing.TB, command string) {
	t.Helper()
	if _, err := fmt.Fprintln(p.stdin, command); err != nil {
		t.Fatal(err)
	}
	code, stdout := p.wait()
	if rest := stdout[p.read:]; code != 1 || !strings.HasPrefix(rest, "error "+command+": ") {
		t.Errorf("%s: got exit code %d and %q, want 1 and an error", command, code, rest)
	}
}
