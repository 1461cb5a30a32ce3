package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
)

// tlsFromEnvironment returns nil when PAHOGO_CA names no file of certificates to verify the broker's with.
// PAHOGO_CERT and PAHOGO_KEY are files of the client's own certificate, if it has one.
func tlsFromEnvironment() (*tls.Config, error) {
	ca := os.Getenv("PAHOGO_CA")
	if ca == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(ca)
	if err != nil {
		return nil, err
	}
	cfg := &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "localhost"}
	if !cfg.RootCAs.AppendCertsFromPEM(pem) {
		return nil, errors.New("no certificate in " + ca)
	}
	if cert := os.Getenv("PAHOGO_CERT"); cert != "" {
		pair, err := tls.LoadX509KeyPair(cert, os.Getenv("PAHOGO_KEY"))
		if err != nil {
			return nil, err
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg, nil
}
