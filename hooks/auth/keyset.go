package auth

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"

	"github.com/golang-jwt/jwt/v5"
)

// KeySource has keys to verify tokens with: a *KeySet, *KeyFile or *RemoteKeys.
type KeySource interface {
	// find returns the keys that a token may be signed with which says that it is signed by alg with the
	// key of that id, if any. An error wraps ErrUnavailable, or is the context's. It may block until ctx ends.
	find(ctx context.Context, alg, id string) ([]jwt.VerificationKey, error)
}

// Bounds of keys.
const (
	minSecret  = 32 // bytes, RFC 7518 3.2
	minRSA     = 2048
	maxRSA     = 8192 // bits; more would only cost time
	maxKeys    = 64
	maxKeysDoc = 256 << 10 // bytes of a PEM file or key set
)

// key is one key, and the algorithms that it may be used with. Which they are follows from what kind of key
// it is, never from a token: a public key is not taken for a secret.
type key struct {
	id     string // empty if it has none
	algs   []string
	verify jwt.VerificationKey
}

// KeySet is a set of keys. It does not change.
type KeySet struct{ keys []key }

var _ KeySource = (*KeySet)(nil)

// find returns the keys for alg with that id, or without any. A token without an id may be by any key.
func (s *KeySet) find(_ context.Context, alg, id string) ([]jwt.VerificationKey, error) {
	var found []jwt.VerificationKey
	for _, k := range s.keys {
		if (id == "" || k.id == "" || k.id == id) && slices.Contains(k.algs, alg) {
			found = append(found, k.verify)
		}
	}
	return found, nil
}

// Len returns the number of keys.
func (s *KeySet) Len() int { return len(s.keys) }

// NewSecret returns a secret as a key, for HS256, HS384 and HS512. It must have 32 bytes at least; whoever knows it can make tokens.
// The secret is copied.
func NewSecret(secret []byte) (*KeySet, error) {
	if len(secret) < minSecret {
		return nil, fmt.Errorf("%w: a secret must have %d bytes at least", ErrKey, minSecret)
	}
	return &KeySet{keys: []key{{algs: []string{"HS256", "HS384", "HS512"}, verify: slices.Clone(secret)}}}, nil
}

// ParsePEM reads public keys and certificates: RSA of 2048 bits and more for RS256 to PS512, P-256, P-384 and P-521
// for the ES of that size, Ed25519 for EdDSA. Certificates are keys only; who has signed them, and until when, does not matter.
func ParsePEM(data []byte) (*KeySet, error) {
	s := new(KeySet)
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		public, err := parseBlock(block)
		if err != nil {
			return nil, err
		}
		k, err := publicKey("", public)
		if err != nil {
			return nil, err
		}
		if s.keys = append(s.keys, k); len(s.keys) > maxKeys {
			return nil, fmt.Errorf("%w: more than %d keys", ErrKey, maxKeys)
		}
	}
	if len(s.keys) == 0 {
		return nil, fmt.Errorf("%w: no PEM block", ErrKey)
	}
	return s, nil
}

func parseBlock(block *pem.Block) (crypto.PublicKey, error) {
	var public crypto.PublicKey
	var err error
	switch block.Type {
	case "PUBLIC KEY":
		public, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		public, err = x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		var cert *x509.Certificate
		if cert, err = x509.ParseCertificate(block.Bytes); err == nil {
			public = cert.PublicKey
		}
	default:
		return nil, fmt.Errorf("%w: a PEM block is no PUBLIC KEY or CERTIFICATE", ErrKey)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s in PEM is broken", ErrKey, block.Type)
	}
	return public, nil
}

// publicKey returns a public key with all algorithms that fit.
func publicKey(id string, public crypto.PublicKey) (key, error) {
	k := key{id: id, verify: public}
	switch p := public.(type) {
	case *rsa.PublicKey:
		if bits := p.N.BitLen(); bits < minRSA || bits > maxRSA {
			return k, fmt.Errorf("%w: RSA must have %d to %d bits", ErrKey, minRSA, maxRSA)
		}
		k.algs = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
	case *ecdsa.PublicKey:
		alg := map[int]string{256: "ES256", 384: "ES384", 521: "ES512"}[p.Params().BitSize]
		if alg == "" {
			return k, fmt.Errorf("%w: unknown curve", ErrKey)
		}
		k.algs = []string{alg}
	case ed25519.PublicKey:
		k.algs = []string{"EdDSA"}
	default:
		return k, fmt.Errorf("%w: neither RSA, ECDSA nor Ed25519", ErrKey)
	}
	return k, nil
}
