package auth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net/url"
	"strings"
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker"
)

func certificate(t *testing.T, template x509.Certificate) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(1)
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestClientCertificate(t *testing.T) {
	pump := certificate(t, x509.Certificate{
		Subject:        pkix.Name{CommonName: "pump-1", OrganizationalUnit: []string{"meters"}},
		DNSNames:       []string{"pump-1.example"},
		EmailAddresses: []string{"pump@example", "spare@example"},
		URIs:           []*url.URL{{Scheme: "spiffe", Host: "example", Path: "/pump-1"}},
	})
	twoNames := certificate(t, x509.Certificate{Subject: pkix.Name{
		ExtraNames: []pkix.AttributeTypeAndValue{{Type: commonName, Value: "admin"}, {Type: commonName, Value: "pump-1"}}}})
	odd := certificate(t, x509.Certificate{Subject: pkix.Name{CommonName: "a\x00b", OrganizationalUnit: []string{"a/b"}}})
	for _, tt := range []struct {
		name     string
		c        ClientCertificate
		cert     *x509.Certificate
		clientID string
		want     broker.Decision
		id       broker.Identity
		err      error
	}{
		{"no certificate", ClientCertificate{User: FieldCN}, nil, "", broker.Ignore, broker.Identity{}, nil},
		{"nothing is taken", ClientCertificate{}, pump, "c", broker.Allow, broker.Identity{}, nil},
		{"user", ClientCertificate{User: FieldCN}, pump, "c", broker.Allow, broker.Identity{User: "pump-1"}, nil},
		{"all", ClientCertificate{User: FieldSANURI, ClientID: FieldSANDNS, App: FieldOU}, pump, "", broker.Allow,
			broker.Identity{User: "spiffe://example/pump-1", ClientID: "pump-1.example", App: "meters"}, nil},
		{"its own client id", ClientCertificate{ClientID: FieldCN}, pump, "pump-1", broker.Allow, broker.Identity{ClientID: "pump-1"}, nil},
		{"another's client id", ClientCertificate{ClientID: FieldCN}, pump, "pump-2", broker.Deny, broker.Identity{}, ErrClientID},
		{"two of a field", ClientCertificate{User: FieldEmail}, pump, "", broker.Deny, broker.Identity{}, ErrCertificate},
		{"two Common Names", ClientCertificate{User: FieldCN}, twoNames, "", broker.Deny, broker.Identity{}, ErrCertificate},
		{"none of a field", ClientCertificate{User: FieldSANDNS}, odd, "", broker.Deny, broker.Identity{}, ErrCertificate},
		{"no name in MQTT", ClientCertificate{User: FieldCN}, odd, "", broker.Deny, broker.Identity{}, ErrCertificate},
		{"no name of an App", ClientCertificate{App: FieldOU}, odd, "", broker.Deny, broker.Identity{}, ErrCertificate},
	} {
		d, id, err := ask(t, tt.c, &broker.ConnectRequest{ClientID: tt.clientID, Certificate: tt.cert})
		if d != tt.want || !errors.Is(err, tt.err) || d == broker.Allow && *id != tt.id {
			t.Errorf("%s: got %d, %+v, %v, want %d, %+v, %v", tt.name, d, id, err, tt.want, tt.id, tt.err)
		}
	}
}

func TestClientCertificateValidate(t *testing.T) {
	if err := (ClientCertificate{User: FieldCN, ClientID: FieldSANURI, App: FieldOU}).Validate(); err != nil {
		t.Errorf("got %v", err)
	}
	if err := (ClientCertificate{App: "CN"}).Validate(); err == nil || !strings.Contains(err.Error(), `"CN" is none of`) {
		t.Errorf("got %v, want an error", err)
	}
}
