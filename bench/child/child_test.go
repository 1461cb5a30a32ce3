package child

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestBrokerThatDies(t *testing.T) {
	p := &Process{ended: make(chan struct{}), Dir: t.TempDir()}
	err := p.run(func(string) ([]string, error) { return []string{"/bin/sh", "-c", "echo last words; exit 3"}, nil })
	if err != nil {
		t.Fatal(err)
	}
	<-p.ended
	if err := p.Stop(); err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "last words") {
		t.Errorf("got %v, want exit status and last words", err)
	}
	if _, err := os.Stat(p.Dir); !os.IsNotExist(err) {
		t.Errorf("got %v for its directory, want it to be gone", err)
	}
}

func TestCertify(t *testing.T) {
	dir := t.TempDir()
	if err := Certify(dir); err != nil {
		t.Fatal(err)
	}
	c, err := tls.LoadX509KeyPair(filepath.Join(dir, CertFile), filepath.Join(dir, KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Leaf.VerifyHostname("127.0.0.1"); err != nil {
		t.Error(err)
	}
	if err := Certify(filepath.Join(dir, "none")); err == nil {
		t.Error("got no error without the directory")
	}
}
