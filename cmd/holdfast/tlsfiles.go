package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/holdfast-mqtt/holdfast/cmd/holdfast/config"
)

// tlsFilesEvery is how often the files are looked at, whether they have changed.
const tlsFilesEvery = 5 * time.Second

// tlsFiles are certificate, key and client CA in files, which may be replaced while the node runs. What
// cannot be read leaves what was there before in force, and is logged.
type tlsFiles struct {
	cert, key, ca string // static
	log           *slog.Logger

	mu      sync.Mutex
	checked time.Time
	seen    [3]fileState                      // what was read last looked like
	failed  string                            // why it could not be read again, when that was tried last; empty if it could
	leaf    *x509.Certificate                 // of what was read last
	told    bool                              // that its dates are wrong
	configs map[config.ClientCert]*tls.Config // of what was read last
}

// fileState tells one content of a file from another.
type fileState struct {
	modified time.Time
	size     int64
}

// config returns the configuration of a listener. It fails if the files are no good now.
func (f *tlsFiles) config(want config.ClientCert) (*tls.Config, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.configs == nil {
		if err := f.read(); err != nil {
			return nil, err
		}
	}
	now, err := f.of(want)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		ClientAuth:         now.ClientAuth, // for netloop: how long handshakes may be
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return f.current(want) },
	}, nil
}

// current is called for each handshake.
func (f *tlsFiles) current(want config.ClientCert) (*tls.Config, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := time.Now(); now.Sub(f.checked) >= tlsFilesEvery {
		f.checked = now
		if f.states() != f.seen {
			f.readAgain()
		}
		f.warnOfAge(now)
	}
	return f.of(want)
}

// readAgain takes in files that have changed. What fails is tried again, though nothing may change about the files: there may
// have been no descriptor left to open them with. It is logged when it is something else than before.
func (f *tlsFiles) readAgain() {
	err := f.read()
	if err == nil {
		f.failed = ""
		f.log.Info("tls files read again", "cert", f.cert)
		return
	}
	if text := err.Error(); text != f.failed {
		f.failed = text
		f.log.Error("tls_files_unreadable", "error", err)
	}
}

// states is what the files look like now. A missing one has none.
func (f *tlsFiles) states() (states [3]fileState) {
	for i, path := range [...]string{f.cert, f.key, f.ca} {
		if info, err := os.Stat(path); err == nil {
			states[i] = fileState{info.ModTime(), info.Size()}
		}
	}
	return states
}

// read takes in the files.
func (f *tlsFiles) read() error {
	seen := f.states() // before: what changes meanwhile is read once more
	pair, err := tls.LoadX509KeyPair(f.cert, f.key)
	if err != nil {
		return fmt.Errorf("tls.cert %s, tls.key %s: %w", f.cert, f.key, err)
	}
	base := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}
	if f.ca != "" {
		pem, err := os.ReadFile(f.ca)
		if err != nil {
			return fmt.Errorf("tls.ca: %w", err)
		}
		base.ClientCAs = x509.NewCertPool()
		if !base.ClientCAs.AppendCertsFromPEM(pem) {
			return fmt.Errorf("tls.ca %s: holds no certificate in PEM", f.ca)
		}
	}
	f.checked, f.seen = time.Now(), seen
	f.leaf, f.told = pair.Leaf, false
	f.warnOfAge(f.checked)
	f.configs = map[config.ClientCert]*tls.Config{"": base}
	return nil
}

// warnOfAge tells once of a certificate that clients do not take because of its dates.
func (f *tlsFiles) warnOfAge(now time.Time) {
	log := f.log.With("cert", f.cert, "not_before", f.leaf.NotBefore, "not_after", f.leaf.NotAfter)
	early, late := now.Before(f.leaf.NotBefore), now.After(f.leaf.NotAfter)
	switch {
	case f.told:
	case early:
		log.Error("tls_certificate_not_valid_yet")
	case late:
		log.Error("tls_certificate_expired")
	}
	f.told = early || late
}

var errNoCA = errors.New("certificates of clients are asked for, and tls.ca is not set")

// of returns the configuration of listeners that want that of clients. The same one is given out
// until the files change, because it has the keys of session tickets.
func (f *tlsFiles) of(want config.ClientCert) (*tls.Config, error) {
	if conf := f.configs[want]; conf != nil {
		return conf, nil
	}
	conf := f.configs[""].Clone()
	switch want {
	case config.ClientCertOptional:
		conf.ClientAuth = tls.VerifyClientCertIfGiven
	case config.ClientCertRequired:
		conf.ClientAuth = tls.RequireAndVerifyClientCert
	}
	if conf.ClientAuth != tls.NoClientCert && conf.ClientCAs == nil {
		return nil, errNoCA
	}
	f.configs[want] = conf
	return conf, nil
}
