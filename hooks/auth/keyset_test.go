package auth

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker"
)

func publicPEM(t *testing.T, public any) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// jwkOf writes a public key, or a secret, as a JSON Web Key with some other members.
func jwkOf(t *testing.T, k any, more ...string) string {
	t.Helper()
	b64 := base64.RawURLEncoding.EncodeToString
	m := map[string]any{}
	switch k := k.(type) {
	case *rsa.PublicKey:
		m["kty"], m["n"], m["e"] = "RSA", b64(k.N.Bytes()), b64(big.NewInt(int64(k.E)).Bytes())
	case *ecdsa.PublicKey:
		point, err := k.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		half := len(point) / 2
		m["kty"], m["crv"], m["x"], m["y"] = "EC", k.Params().Name, b64(point[1:half+1]), b64(point[half+1:])
	case ed25519.PublicKey:
		m["kty"], m["crv"], m["x"] = "OKP", "Ed25519", b64(k)
	case []byte:
		m["kty"], m["k"] = "oct", b64(k)
	}
	for i := 0; i < len(more); i += 2 {
		m[more[i]] = more[i+1]
	}
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func jwks(keys ...string) string { return `{"keys":[` + strings.Join(keys, ",") + `]}` }

func (s *signers) public(alg string) any {
	switch k := s.signer(alg).(type) {
	case *ecdsa.PrivateKey:
		return &k.PublicKey
	case ed25519.PrivateKey:
		return k.Public()
	case *rsa.PrivateKey:
		return &k.PublicKey
	}
	return s.hmac
}

func TestParseJWKS(t *testing.T) {
	s := testSigners()
	for _, alg := range algorithms {
		set, err := ParseJWKS([]byte(jwks(jwkOf(t, s.public(alg), "kid", "k1", "use", "sig", "x5t", "extra"), `{"kty":"future"}`)))
		if err != nil || set.Len() != 1 {
			t.Errorf("%s: got %v, %v, want a key", alg, set, err)
			continue
		}
		j := newJWT(t, JWTConfig{Keys: set})
		for kid, want := range map[string]bool{"k1": true, "": true, "k2": false} {
			token := sign(t, alg, good(), s.signer(alg))
			if kid != "" {
				token = sign(t, alg, good(), s.signer(alg), "kid", kid)
			}
			if d, _, err := ask(t, j, withPassword("u", token)); (d == broker.Allow) != want {
				t.Errorf("%s, kid %q: got %d, %v, want allowed %v", alg, kid, d, err, want)
			}
		}
	}
	// What is new in a set must not cost the keys that are known: RFC 7517 5.
	set, err := ParseJWKS([]byte(jwks(jwkOf(t, s.public("ES256"), "crv", "secp256k1", "alg", "ES256K"), jwkOf(t, s.public("EdDSA")))))
	if err != nil || set.Len() != 1 || set.keys[0].algs[0] != "EdDSA" {
		t.Errorf("a key on another curve beside one for us: got %+v, %v, want that one", set, err)
	}
	// A key that names its algorithm is for no other.
	set, err = ParseJWKS([]byte(jwks(jwkOf(t, &s.rsa.PublicKey, "alg", "PS256"))))
	if err != nil || !slices.Equal(set.keys[0].algs, []string{"PS256"}) {
		t.Errorf("got %+v, %v, want PS256 alone", set, err)
	}
}

func TestBadJWKS(t *testing.T) {
	s := testSigners()
	ec, ed := s.public("ES256"), s.public("EdDSA")
	tiny, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, text, want string }{
		{"empty", "", "not the JSON"},
		{"a list", "[]", "not the JSON"},
		{"no keys", "{}", "no key to verify with"},
		{"none for us", jwks(jwkOf(t, ec, "use", "enc"), `{"kty":"OKP","crv":"X25519"}`, jwkOf(t, ed, "alg", "HS256")), "no key to verify with"},
		{"kty is a number", jwks(`{"kty":1}`), "not the JSON"},
		{"short RSA", jwks(jwkOf(t, &tiny.PublicKey)), "key 0: bad key: RSA must have 2048"},
		{"long RSA", jwks(`{"kty":"RSA","e":"AQAB","n":"` + strings.Repeat("_", 2000) + `"}`), "n or e of RSA"},
		{"e of 1", jwks(jwkOf(t, s.public("RS256"), "e", "AQ")), "e of RSA"},
		{"even e", jwks(jwkOf(t, s.public("RS256"), "e", "BA")), "e of RSA"},
		{"long e", jwks(jwkOf(t, s.public("RS256"), "e", "AQAAAAAB")), "n or e of RSA"},
		{"none on a curve for us", jwks(jwkOf(t, &p224.PublicKey)), "no key to verify with"},
		{"not on the curve", jwks(jwkOf(t, ec, "y", jwkField(jwkOf(t, ec), "x"))), "not on the curve"},
		{"short x", jwks(jwkOf(t, ec, "x", "AAAA")), "x or y of EC"},
		{"base64 of x", jwks(jwkOf(t, ec, "x", "geheim!")), "x or y of EC"},
		{"short Ed25519", jwks(jwkOf(t, ed, "x", "AAAA")), "x of Ed25519"},
		{"private", jwks(jwkOf(t, ec, "d", "geheim")), "it is private"},
		{"short secret", jwks(jwkOf(t, []byte("geheim"))), "32 bytes at least"},
		{"base64 of a secret", jwks(`{"kty":"oct","k":"geheim!"}`), "k is not base64url"},
		{"too many", jwks(slices.Repeat([]string{jwkOf(t, ed)}, maxKeys+1)...), "more than 64 keys"},
	} {
		set, err := ParseJWKS([]byte(tt.text))
		if set != nil || !errors.Is(err, ErrKey) || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: got %v, %v, want %q", tt.name, set, err, tt.want)
		}
	}
	if _, err := parseJWKS([]byte(jwks(jwkOf(t, s.hmac))), false); !errors.Is(err, ErrKey) {
		t.Errorf("got %v for a secret that everybody can fetch, want ErrKey", err)
	}
}

// jwkField returns a member of a JSON Web Key.
func jwkField(text, name string) string {
	m := map[string]string{}
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		panic(err)
	}
	return m[name]
}

func TestParsePEM(t *testing.T) {
	s := testSigners()
	cert := certificate(t, x509.Certificate{Subject: pkix.Name{CommonName: "x"}})
	all := slices.Concat(publicPEM(t, s.public("RS256")), []byte("text between\n"), publicPEM(t, s.public("ES384")), publicPEM(t, s.public("EdDSA")),
		pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&s.rsa.PublicKey)}),
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}))
	set, err := ParsePEM(all)
	if err != nil || set.Len() != 5 {
		t.Fatalf("got %v, %v, want 5 keys", set, err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(s.ed)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		data []byte
		want string
	}{
		{"empty", nil, "no PEM block"},
		{"text", []byte("geheim"), "no PEM block"},
		{"private", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), "no PUBLIC KEY or CERTIFICATE"},
		{"broken", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("geheim")}), "PUBLIC KEY in PEM is broken"},
		{"too many", bytes.Repeat(publicPEM(t, s.public("EdDSA")), maxKeys+1), "more than 64 keys"},
	} {
		set, err := ParsePEM(tt.data)
		if set != nil || !errors.Is(err, ErrKey) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, %v, want %q", tt.name, set, err, tt.want)
		}
	}
}

func TestKeyFiles(t *testing.T) {
	s := testSigners()
	pemText, set := string(publicPEM(t, s.public("ES256"))), jwks(jwkOf(t, s.public("EdDSA")))
	for _, tt := range []struct {
		name, text, alg string
		open            func(string) (*KeyFile, error)
		bad             bool
	}{
		{"PEM", pemText, "ES256", OpenKeyFile, false},
		{"a key set", "\n" + set, "EdDSA", OpenKeyFile, false},
		{"a secret", string(s.hmac) + "\n", "HS256", OpenSecretFile, false},
		{"a secret for keys", string(s.hmac), "", OpenKeyFile, true},
		{"PEM for a secret", pemText, "", OpenSecretFile, true},
		{"a key set for a secret", set, "", OpenSecretFile, true},
		{"a short secret", "geheim", "", OpenSecretFile, true},
	} {
		f, err := tt.open(writeFile(t, "keys", tt.text))
		if tt.bad {
			if !errors.Is(err, ErrKey) || strings.Contains(err.Error(), "geheim") {
				t.Errorf("%s: got %v, want ErrKey", tt.name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		d, _, err := ask(t, newJWT(t, JWTConfig{Keys: f}), withPassword("u", sign(t, tt.alg, good(), s.signer(tt.alg))))
		if d != broker.Allow || err != nil {
			t.Errorf("%s: got %d, %v, want Allow", tt.name, d, err)
		}
	}
}

func TestKeyFileReload(t *testing.T) {
	s := testSigners()
	path := writeFile(t, "keys", string(publicPEM(t, s.public("ES256"))))
	f, err := OpenKeyFile(path)
	if err != nil {
		t.Fatal(err)
	}
	j := newJWT(t, JWTConfig{Keys: f})
	if err := os.WriteFile(path, []byte(jwks(jwkOf(t, s.public("ES384")))), 0o600); err != nil {
		t.Fatal(err)
	}
	if changed, err := f.Reload(); !changed || err != nil {
		t.Fatalf("got %v, %v, want the new keys", changed, err)
	}
	for alg, want := range map[string]broker.Decision{"ES256": broker.Deny, "ES384": broker.Allow} {
		if d, _, _ := ask(t, j, withPassword("u", sign(t, alg, good(), s.signer(alg)))); d != want {
			t.Errorf("%s: got %d, want %d", alg, d, want)
		}
	}
}

func FuzzJWKS(f *testing.F) {
	f.Add(`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"},{"kty":"EC","crv":"P-256","x":"","y":""}]}`)
	f.Add(`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"a"},{"kty":"oct","k":"AAAA"}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		set, err := ParseJWKS([]byte(text))
		if err != nil {
			if !errors.Is(err, ErrKey) {
				t.Errorf("got %v, want ErrKey", err)
			}
			return
		}
		for _, k := range set.keys {
			_, isSecret := k.verify.([]byte)
			for _, alg := range k.algs {
				if isSecret != strings.HasPrefix(alg, "HS") {
					t.Errorf("a %s is a key for %s", fmt.Sprintf("%T", k.verify), alg)
				}
			}
		}
	})
}
