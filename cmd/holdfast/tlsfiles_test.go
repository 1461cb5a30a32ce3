package main

import (
	"bytes"
	"crypto/tls"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/cmd/holdfast/config"
)

// Files that could not be read when they had changed are read later, though they look the same: it may not have been their fault.
func TestTLSFilesAreTriedAgain(t *testing.T) {
	cert, key := newCertificate(t)
	var log buffer
	f := &tlsFiles{cert: cert, key: key, log: slog.New(slog.NewTextHandler(&log, nil))}
	if _, err := f.config(config.ClientCertNone); err != nil {
		t.Fatal(err)
	}
	old := f.configs[""].Certificates[0].Certificate[0]
	newCert, newKey := newCertificate(t)
	good := [2][]byte{contentOf(t, newCert), contentOf(t, newKey)}
	modified := time.Now().Add(time.Hour)
	replace := func(certificate, private []byte) {
		t.Helper()
		for path, data := range map[string][]byte{cert: certificate, key: private} {
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(path, modified, modified); err != nil {
				t.Fatal(err)
			}
		}
	}
	current := func() []byte {
		t.Helper()
		f.checked = time.Time{} // it is time to look again
		c, err := f.current(config.ClientCertNone)
		if err != nil {
			t.Fatal(err)
		}
		return c.Certificates[0].Certificate[0]
	}
	replace(bytes.Repeat([]byte("x"), len(good[0])), good[1])
	for range 2 {
		if !bytes.Equal(current(), old) {
			t.Error("got another certificate from files that are none")
		}
	}
	if n := strings.Count(log.String(), "tls_files_unreadable"); n != 1 {
		t.Errorf("got it logged %d times, want once: %s", n, log.String())
	}
	replace(good[0], good[1])
	if bytes.Equal(current(), old) {
		t.Error("got the old certificate, want the new one")
	}
}

// The configuration of a listener itself tells whether certificates are asked for, since netloop bounds handshakes by that.
func TestTLSFilesTellOfClientCert(t *testing.T) {
	cert, key := newCertificate(t)
	f := &tlsFiles{cert: cert, key: key, ca: cert, log: slog.New(slog.DiscardHandler)}
	for want, auth := range map[config.ClientCert]tls.ClientAuthType{
		config.ClientCertNone:     tls.NoClientCert,
		config.ClientCertOptional: tls.VerifyClientCertIfGiven,
		config.ClientCertRequired: tls.RequireAndVerifyClientCert,
	} {
		conf, err := f.config(want)
		if err != nil {
			t.Fatal(err)
		}
		if conf.ClientAuth != auth {
			t.Errorf("client-cert %q: got %v, want %v", want, conf.ClientAuth, auth)
		}
	}
}

// A certificate that clients do not take is told of, when it is read and when it expires while the node runs: once.
func TestTLSFilesExpire(t *testing.T) {
	for _, tt := range []struct {
		end  time.Time
		late time.Duration // when it is looked at again
		want int
	}{
		{time.Now().Add(-time.Hour), 0, 1},
		{time.Now().Add(time.Hour), 0, 0},
		{time.Now().Add(time.Hour), 2 * time.Hour, 1},
	} {
		cert, key := newCertificateUntil(t, tt.end)
		var log buffer
		f := &tlsFiles{cert: cert, key: key, log: slog.New(slog.NewTextHandler(&log, nil))}
		if _, err := f.config(config.ClientCertNone); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			f.warnOfAge(time.Now().Add(tt.late))
		}
		if n := strings.Count(log.String(), "tls_certificate_expired"); n != tt.want {
			t.Errorf("until %v, %v later: got it logged %d times, want %d: %s", tt.end, tt.late, n, tt.want, log.String())
		}
	}
}

func contentOf(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
