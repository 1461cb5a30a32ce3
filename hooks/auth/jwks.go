package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
)

// jwk is a JSON Web Key, RFC 7517 and RFC 7518 6, RFC 8037 2.
type jwk struct {
	Type   string   `json:"kty"`
	Use    string   `json:"use"`
	Ops    []string `json:"key_ops"`
	Alg    string   `json:"alg"`
	ID     string   `json:"kid"`
	Curve  string   `json:"crv"`
	N      string   `json:"n"`
	E      string   `json:"e"`
	X      string   `json:"x"`
	Y      string   `json:"y"`
	Secret string   `json:"k"`
	D      string   `json:"d"`
}

// ParseJWKS reads a JSON Web Key Set, RFC 7517. Keys for encryption, of kinds and on curves that we don't know are left out, as the
// standard asks; one that is broken or private is an error, and so is a set without a key for us. Errors
// hold the place of a key, not what is in it.
func ParseJWKS(data []byte) (*KeySet, error) { return parseJWKS(data, true) }

// parseJWKS refuses secrets ("oct") if they are not wanted: where everybody can fetch them, everybody could make tokens.
func parseJWKS(data []byte, secrets bool) (*KeySet, error) {
	var doc struct {
		Keys []jwk `json:"keys"`
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		return nil, fmt.Errorf("%w: the key set is not the JSON of RFC 7517", ErrKey)
	}
	if len(doc.Keys) > maxKeys {
		return nil, fmt.Errorf("%w: more than %d keys", ErrKey, maxKeys)
	}
	s := new(KeySet)
	for i := range doc.Keys {
		j := &doc.Keys[i]
		if !j.verifies() {
			continue
		}
		k, err := j.key(secrets)
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", i, err)
		}
		if j.Alg != "" {
			k.algs = slices.DeleteFunc(k.algs, func(a string) bool { return a != j.Alg })
		}
		if len(k.algs) > 0 {
			s.keys = append(s.keys, k)
		}
	}
	if len(s.keys) == 0 {
		return nil, fmt.Errorf("%w: the key set has no key to verify with", ErrKey)
	}
	return s, nil
}

// verifies tells whether the key is for signatures, and of a kind that we know.
func (j *jwk) verifies() bool {
	return j.known() && (j.Use == "" || j.Use == "sig") && (len(j.Ops) == 0 || slices.Contains(j.Ops, "verify"))
}

// known tells whether the key is of a kind and on a curve that we know.
func (j *jwk) known() bool {
	switch j.Type {
	case "RSA", "oct":
		return true
	case "OKP":
		return j.Curve == "Ed25519"
	case "EC":
		return curves[j.Curve] != nil
	}
	return false
}

// curves are those of EC.
var curves = map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}

func (j *jwk) key(secrets bool) (key, error) {
	if j.Type == "oct" {
		if !secrets {
			return key{}, fmt.Errorf("%w: a secret, where others can read it", ErrKey)
		}
		secret, err := base64.RawURLEncoding.DecodeString(j.Secret)
		if err != nil {
			return key{}, fmt.Errorf("%w: k is not base64url", ErrKey)
		}
		s, err := NewSecret(secret)
		if err != nil {
			return key{}, err
		}
		k := s.keys[0]
		k.id = j.ID
		return k, nil
	}
	if j.D != "" {
		return key{}, fmt.Errorf("%w: it is private; give the public one", ErrKey)
	}
	public, err := j.public()
	if err != nil {
		return key{}, err
	}
	return publicKey(j.ID, public)
}

func (j *jwk) public() (crypto.PublicKey, error) {
	decode := base64.RawURLEncoding.DecodeString
	switch j.Type {
	case "RSA":
		n, err1 := decode(j.N)
		e, err2 := decode(j.E)
		if err1 != nil || err2 != nil || len(n) > maxRSA/8 || len(e) > 4 {
			return nil, fmt.Errorf("%w: n or e of RSA", ErrKey)
		}
		exponent := new(big.Int).SetBytes(e).Int64()
		if exponent < 3 || exponent > 1<<31-1 || exponent%2 == 0 {
			return nil, fmt.Errorf("%w: e of RSA", ErrKey)
		}
		return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(exponent)}, nil
	case "OKP":
		x, err := decode(j.X)
		if err != nil || len(x) != ed25519.PublicKeySize {
			return nil, fmt.Errorf("%w: x of Ed25519", ErrKey)
		}
		return ed25519.PublicKey(x), nil
	}
	curve := curves[j.Curve]
	size := (curve.Params().BitSize + 7) / 8
	x, err1 := decode(j.X)
	y, err2 := decode(j.Y)
	if err1 != nil || err2 != nil || len(x) != size || len(y) != size {
		return nil, fmt.Errorf("%w: x or y of EC", ErrKey)
	}
	public, err := ecdsa.ParseUncompressedPublicKey(curve, slices.Concat([]byte{4}, x, y))
	if err != nil {
		return nil, fmt.Errorf("%w: x and y are not on the curve", ErrKey)
	}
	return public, nil
}
