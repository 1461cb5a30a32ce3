package auth

import (
	"context"
	"crypto/x509"
	"encoding/asn1"
	"fmt"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// CertificateField is a field of a client certificate.
type CertificateField string

// Fields. Each must be there exactly once if it is asked for.
const (
	FieldNone   CertificateField = ""   // nothing is taken from the certificate
	FieldCN     CertificateField = "cn" // Common Name of the subject
	FieldOU     CertificateField = "ou" // Organizational Unit of the subject
	FieldSANDNS CertificateField = "san_dns"
	FieldSANURI CertificateField = "san_uri"
	FieldEmail  CertificateField = "san_email"
)

// ClientCertificate knows clients that have shown a certificate, which TLS has verified, and takes from it who they are.
// The zero value lets in everybody with a certificate, by the names that they give.
type ClientCertificate struct {
	User     CertificateField // whose value is the User Name
	ClientID CertificateField // whose value is the Client Identifier
	App      CertificateField // whose value is the App
}

var _ broker.Authenticator = ClientCertificate{}

// Validate returns an error if a field is none of the constants.
func (c ClientCertificate) Validate() error {
	for _, f := range []CertificateField{c.User, c.ClientID, c.App} {
		switch f {
		case FieldNone, FieldCN, FieldOU, FieldSANDNS, FieldSANURI, FieldEmail:
		default:
			return fmt.Errorf("%q is none of cn, ou, san_dns, san_uri and san_email", f)
		}
	}
	return nil
}

// OnConnectAuthenticate returns Ignore for clients without a certificate. The error wraps ErrCertificate or ErrClientID. It does not block.
func (c ClientCertificate) OnConnectAuthenticate(_ context.Context, r *broker.ConnectRequest) (broker.Decision, *broker.Identity, error) {
	if r.Certificate == nil {
		return broker.Ignore, nil, nil
	}
	var id broker.Identity
	for _, t := range []struct {
		field CertificateField
		to    *string
	}{{c.User, &id.User}, {c.ClientID, &id.ClientID}, {c.App, &id.App}} {
		v, err := t.field.of(r.Certificate)
		if err != nil {
			return broker.Deny, nil, err
		}
		*t.to = v
	}
	if c.App != FieldNone && !validApp(id.App) {
		return broker.Deny, nil, fmt.Errorf("%w: %s is no name of an App", ErrCertificate, c.App)
	}
	if !ownClientID(r.ClientID, id.ClientID) {
		return broker.Deny, nil, ErrClientID
	}
	return broker.Allow, &id, nil
}

// commonName is the object identifier of id-at-commonName.
var commonName = asn1.ObjectIdentifier{2, 5, 4, 3}

// of returns the value of the field, which is not empty unless the field is FieldNone.
func (f CertificateField) of(cert *x509.Certificate) (string, error) {
	var values []string
	switch f {
	case FieldNone:
		return "", nil
	case FieldCN:
		for _, n := range cert.Subject.Names { // Subject.CommonName is the last of several
			if v, ok := n.Value.(string); ok && n.Type.Equal(commonName) {
				values = append(values, v)
			}
		}
	case FieldOU:
		values = cert.Subject.OrganizationalUnit
	case FieldSANDNS:
		values = cert.DNSNames
	case FieldSANURI:
		for _, u := range cert.URIs {
			values = append(values, u.String())
		}
	case FieldEmail:
		values = cert.EmailAddresses
	}
	if len(values) != 1 || values[0] == "" {
		return "", fmt.Errorf("%w: it has %d values of %s, not one", ErrCertificate, len(values), f)
	}
	if !validName(values[0]) {
		return "", fmt.Errorf("%w: %s is no name in MQTT", ErrCertificate, f)
	}
	return values[0], nil
}
