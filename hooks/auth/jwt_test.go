package auth

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// signers are private keys of each kind, made once: RSA takes its time.
type signers struct {
	rsa  *rsa.PrivateKey
	ec   map[string]*ecdsa.PrivateKey // by algorithm
	ed   ed25519.PrivateKey
	hmac []byte
}

var testSigners = sync.OnceValue(func() *signers {
	s := &signers{ec: make(map[string]*ecdsa.PrivateKey), hmac: []byte(strings.Repeat("shared secret.. ", 4))}
	var err1, err2 error
	s.rsa, err1 = rsa.GenerateKey(rand.Reader, 2048)
	_, s.ed, err2 = ed25519.GenerateKey(rand.Reader)
	if err := errors.Join(err1, err2); err != nil {
		panic(err)
	}
	for alg, curve := range map[string]elliptic.Curve{"ES256": elliptic.P256(), "ES384": elliptic.P384(), "ES512": elliptic.P521()} {
		if s.ec[alg], err1 = ecdsa.GenerateKey(curve, rand.Reader); err1 != nil {
			panic(err1)
		}
	}
	return s
})

// signer is the private key for an algorithm.
func (s *signers) signer(alg string) any {
	switch alg[:2] {
	case "HS":
		return s.hmac
	case "ES":
		return s.ec[alg]
	case "Ed":
		return s.ed
	}
	return s.rsa
}

// keySet has the public keys of all.
func (s *signers) keySet(t *testing.T) *KeySet {
	t.Helper()
	set, err := NewSecret(s.hmac)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []crypto.PublicKey{&s.rsa.PublicKey, s.ed.Public(), &s.ec["ES256"].PublicKey, &s.ec["ES384"].PublicKey, &s.ec["ES512"].PublicKey} {
		k, err := publicKey("", p)
		if err != nil {
			t.Fatal(err)
		}
		set.keys = append(set.keys, k)
	}
	return set
}

// sign makes a token. Header fields are pairs of name and value.
func sign(t *testing.T, alg string, claims jwt.MapClaims, key any, header ...any) string {
	t.Helper()
	token := jwt.NewWithClaims(jwt.GetSigningMethod(alg), claims)
	for i := 0; i < len(header); i += 2 {
		token.Header[header[i].(string)] = header[i+1]
	}
	text, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// good are claims that are good for an hour, with some others.
func good(more ...any) jwt.MapClaims {
	c := jwt.MapClaims{"sub": "alice", "exp": time.Now().Add(time.Hour).Unix()}
	for i := 0; i < len(more); i += 2 {
		if name := more[i].(string); more[i+1] == nil {
			delete(c, name)
		} else {
			c[name] = more[i+1]
		}
	}
	return c
}

func newJWT(t *testing.T, cfg JWTConfig) *JWT {
	t.Helper()
	if cfg.Keys == nil {
		cfg.Keys = testSigners().keySet(t)
	}
	j, err := NewJWT(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func TestJWTAlgorithms(t *testing.T) {
	s := testSigners()
	j := newJWT(t, JWTConfig{})
	for _, alg := range algorithms {
		token := sign(t, alg, good(), s.signer(alg))
		d, id, err := ask(t, j, withPassword("any", token))
		if d != broker.Allow || err != nil || id.User != "alice" {
			t.Errorf("%s: got %d, %+v, %v, want alice", alg, d, id, err)
		}
		last := len(token) - 10
		forged := token[:last] + map[bool]string{true: "A", false: "B"}[token[last] != 'A'] + token[last+1:]
		if d, _, err := ask(t, j, withPassword("any", forged)); d != broker.Deny || !errors.Is(err, ErrToken) {
			t.Errorf("%s: got %d, %v for a forged signature, want Deny", alg, d, err)
		}
	}
	only := newJWT(t, JWTConfig{Algorithms: []string{"ES256", "RS256"}})
	for _, alg := range algorithms {
		d, _, _ := ask(t, only, withPassword("any", sign(t, alg, good(), s.signer(alg))))
		if want := alg == "ES256" || alg == "RS256"; (d == broker.Allow) != want {
			t.Errorf("%s: got %d, want allowed %v", alg, d, want)
		}
	}
}

// What everybody can read is not taken for a secret, whatever a token says it is signed with.
func TestJWTAlgorithmConfusion(t *testing.T) {
	s := testSigners()
	pemText := publicPEM(t, &s.rsa.PublicKey)
	set, err := ParsePEM(pemText)
	if err != nil {
		t.Fatal(err)
	}
	j := newJWT(t, JWTConfig{Keys: set})
	segment := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	claims := segment(`{"sub":"alice","exp":9999999999}`)
	for name, token := range map[string]string{
		"HMAC with the PEM":     sign(t, "HS256", good(), pemText),
		"HMAC with the modulus": sign(t, "HS256", good(), s.rsa.N.Bytes()),
		"none":                  segment(`{"alg":"none"}`) + "." + claims + ".",
		"None":                  segment(`{"alg":"None"}`) + "." + claims + ".",
		"no algorithm":          segment(`{"typ":"JWT"}`) + "." + claims + ".AAAA",
		"algorithm is a number": segment(`{"alg":1}`) + "." + claims + ".AAAA",
		"two algorithms":        segment(`{"ALG":"RS256","alg":"HS256"}`) + "." + claims + ".AAAA",
		"another curve":         sign(t, "ES256", good(), s.ec["ES256"]),
		"no signature":          segment(`{"alg":"RS256"}`) + "." + claims + ".",
		"crit":                  sign(t, "RS256", good(), s.rsa, "crit", []string{"b64"}, "b64", false),
		"kid is a number":       sign(t, "RS256", good(), s.rsa, "kid", 7),
	} {
		if d, id, err := ask(t, j, withPassword("any", token)); d != broker.Deny || id != nil || !errors.Is(err, ErrToken) {
			t.Errorf("%s: got %d, %+v, %v, want Deny", name, d, id, err)
		}
	}
	if d, _, err := ask(t, j, withPassword("any", sign(t, "RS256", good(), s.rsa))); d != broker.Allow || err != nil {
		t.Errorf("got %d, %v for a good one, want Allow", d, err)
	}
}

func TestJWTClaims(t *testing.T) {
	s := testSigners()
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		at := func(d time.Duration) int64 { return now.Add(d).Unix() }
		for _, tt := range []struct {
			name   string
			cfg    JWTConfig
			claims jwt.MapClaims
			want   broker.Decision
		}{
			{"good", JWTConfig{}, good(), broker.Allow},
			{"no exp", JWTConfig{}, good("exp", nil), broker.Deny},
			{"no exp, endless", JWTConfig{Endless: true}, good("exp", nil), broker.Allow},
			{"expired, endless", JWTConfig{Endless: true}, good("exp", at(-1)), broker.Deny},
			{"expires now", JWTConfig{}, good("exp", at(0)), broker.Deny},
			{"expires in a second", JWTConfig{}, good("exp", at(time.Second)), broker.Allow},
			{"expired within leeway", JWTConfig{Leeway: time.Minute}, good("exp", at(-59*time.Second)), broker.Allow},
			{"expired beyond leeway", JWTConfig{Leeway: time.Minute}, good("exp", at(-time.Minute)), broker.Deny},
			{"exp is text", JWTConfig{Endless: true}, good("exp", "9999999999"), broker.Deny},
			{"exp is enormous", JWTConfig{Endless: true}, good("exp", 1e300), broker.Deny},
			{"exp is negative", JWTConfig{Endless: true}, good("exp", -5), broker.Deny},
			{"exp is zero", JWTConfig{Endless: true}, good("exp", 0), broker.Deny},
			{"exp with a fraction", JWTConfig{}, good("exp", float64(at(1))+2.5), broker.Allow},
			{"not yet", JWTConfig{}, good("nbf", at(time.Second)), broker.Deny},
			{"not yet, within leeway", JWTConfig{Leeway: time.Second}, good("nbf", at(time.Second)), broker.Allow},
			{"nbf is now", JWTConfig{}, good("nbf", at(0)), broker.Allow},
			{"issued in the future", JWTConfig{}, good("iat", at(time.Minute)), broker.Deny},
			{"iat is text", JWTConfig{}, good("iat", "now"), broker.Deny},
			{"iss", JWTConfig{Issuer: "me"}, good("iss", "me"), broker.Allow},
			{"iss of another", JWTConfig{Issuer: "me"}, good("iss", "you"), broker.Deny},
			{"iss is a list", JWTConfig{Issuer: "me"}, good("iss", []string{"me"}), broker.Deny},
			{"no iss", JWTConfig{Issuer: "me"}, good(), broker.Deny},
			{"iss nobody asks for", JWTConfig{}, good("iss", 7), broker.Allow},
			{"aud", JWTConfig{Audience: []string{"a", "b"}}, good("aud", "b"), broker.Allow},
			{"aud is a list", JWTConfig{Audience: []string{"b"}}, good("aud", []string{"x", "b"}), broker.Allow},
			{"aud of another", JWTConfig{Audience: []string{"b"}}, good("aud", []string{"x", "bb"}), broker.Deny},
			{"aud is a number", JWTConfig{Audience: []string{"b"}}, good("aud", 3), broker.Deny},
			{"no aud", JWTConfig{Audience: []string{"b"}}, good(), broker.Deny},
			{"no sub", JWTConfig{}, good("sub", nil), broker.Deny},
			{"sub is empty", JWTConfig{}, good("sub", ""), broker.Deny},
			{"sub is no name", JWTConfig{}, good("sub", "a\x00b"), broker.Deny},
			{"the user's own claim", JWTConfig{UserClaim: "name"}, good("sub", nil, "name", "alice"), broker.Allow},
			{"its client id", JWTConfig{}, good("client_id", "c1"), broker.Allow},
			{"another client id", JWTConfig{}, good("client_id", "c2"), broker.Deny},
			{"client id is a number", JWTConfig{}, good("client_id", 1), broker.Deny},
			{"client id in another case", JWTConfig{}, good("Client_ID", "c2"), broker.Allow},
			{"client id required", JWTConfig{RequireClientID: true}, good(), broker.Deny},
			{"client id required and there", JWTConfig{RequireClientID: true}, good("client_id", "c1"), broker.Allow},
			{"app", JWTConfig{}, good("app", "meters"), broker.Allow},
			{"app is no name", JWTConfig{}, good("app", "a/b"), broker.Deny},
			{"acl nobody can use", JWTConfig{}, good("acl", map[string]any{}), broker.Deny},
		} {
			j := newJWT(t, tt.cfg)
			d, id, err := ask(t, j, withPassword("any", sign(t, "HS256", tt.claims, s.hmac)))
			if d != tt.want || (d == broker.Allow) != (err == nil) || d == broker.Allow && id.User != "alice" {
				t.Errorf("%s: got %d, %+v, %v, want %d", tt.name, d, id, err, tt.want)
			}
		}
	})
}

func TestJWTIdentity(t *testing.T) {
	s := testSigners()
	exp := time.Now().Add(time.Hour).Truncate(time.Second)
	claims := good("exp", exp.Unix(), "client_id", "pump", "app", "meters")
	j := newJWT(t, JWTConfig{InUser: true, Leeway: time.Minute})
	r := withPassword(sign(t, "HS512", claims, s.hmac), "ignored")
	r.ClientID = ""
	d, id, err := ask(t, j, r)
	want := broker.Identity{App: "meters", ClientID: "pump", User: "alice", Expires: exp.Add(time.Minute)}
	if d != broker.Allow || err != nil || !id.Expires.Equal(want.Expires) {
		t.Fatalf("got %d, %+v, %v, want %+v", d, id, err, want)
	}
	id.Expires = want.Expires
	if *id != want {
		t.Errorf("got %+v, want %+v", id, want)
	}
	j = newJWT(t, JWTConfig{Endless: true})
	if _, id, err := ask(t, j, withPassword("u", sign(t, "HS256", jwt.MapClaims{"sub": "a"}, s.hmac))); err != nil || !id.Expires.IsZero() {
		t.Errorf("got %+v, %v, want one that never expires", id, err)
	}
}

// granted is Permissions that remember what they were made of.
type granted struct{ publish, subscribe []string }

func (granted) Check(*broker.Access) broker.Decision { return broker.Ignore }

func testGrant(publish, subscribe []string) (broker.Permissions, error) {
	if slices.Contains(publish, "bad") {
		return nil, errors.New("bad filter: bad")
	}
	return granted{publish, subscribe}, nil
}

func TestJWTPermissions(t *testing.T) {
	s := testSigners()
	j := newJWT(t, JWTConfig{Grant: testGrant})
	list := func(items ...any) []any { return append([]any{}, items...) }
	for _, tt := range []struct {
		name string
		acl  any
		want broker.Permissions
	}{
		{"both", map[string]any{"publish": list("a", "b/#"), "subscribe": list("c")}, granted{[]string{"a", "b/#"}, []string{"c"}}},
		{"one", map[string]any{"subscribe": list("c")}, granted{nil, []string{"c"}}},
		{"empty list", map[string]any{"publish": list()}, granted{[]string{}, nil}},
		{"nothing", map[string]any{}, granted{}},
		{"a list of numbers", map[string]any{"publish": list(1)}, nil},
		{"null", map[string]any{"publish": nil}, nil},
		{"text", map[string]any{"publish": "a"}, nil},
		{"more than we know", map[string]any{"publish": list("a"), "deny": list("b")}, nil},
		{"no object", list("a"), nil},
		{"too many", map[string]any{"publish": slices.Repeat(list("a"), maxFilters+1)}, nil},
		{"no filter", map[string]any{"publish": list("bad")}, nil},
	} {
		d, id, err := ask(t, j, withPassword("any", sign(t, "HS256", good("acl", tt.acl), s.hmac)))
		if tt.want == nil {
			if d != broker.Deny || !errors.Is(err, ErrToken) || strings.Contains(err.Error(), "bad filter") {
				t.Errorf("%s: got %d, %v, want Deny", tt.name, d, err)
			}
			continue
		}
		if d != broker.Allow || err != nil || !reflect.DeepEqual(id.Permissions, tt.want) {
			t.Errorf("%s: got %d, %+v, %v, want %+v", tt.name, d, id, err, tt.want)
		}
	}
}

func TestJWTIgnoresWhatIsNoToken(t *testing.T) {
	j := newJWT(t, JWTConfig{})
	long := sign(t, "HS256", good("pad", strings.Repeat("x", maxToken)), testSigners().hmac)
	for password, want := range map[string]broker.Decision{
		"": broker.Ignore, "hunter2": broker.Ignore, "a.b": broker.Ignore, "a.b.c": broker.Ignore, "...": broker.Ignore, "e30.e30.e30.e30": broker.Ignore,
		"e30.e30.": broker.Deny, "e30.!.": broker.Deny, "eyJ.e30.x": broker.Deny, long: broker.Deny,
	} {
		d, id, err := ask(t, j, withPassword("u", password))
		if d != want || id != nil || want == broker.Ignore && err != nil {
			t.Errorf("%.20q: got %d, %v, want %d", password, d, err, want)
		}
	}
}

func TestNewJWTErrors(t *testing.T) {
	keys := testSigners().keySet(t)
	for _, tt := range []struct {
		cfg  JWTConfig
		want string
	}{
		{JWTConfig{}, "tokens need keys"},
		{JWTConfig{Keys: keys, Algorithms: []string{"none"}}, `"none" is none of`},
		{JWTConfig{Keys: keys, Algorithms: []string{"RS256", "hs256"}}, `"hs256" is none of`},
		{JWTConfig{Keys: keys, Leeway: -1}, "leeway must not be negative"},
	} {
		if _, err := NewJWT(tt.cfg); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v, want %q", err, tt.want)
		}
	}
}

// FuzzJWT has a single token that is good.
func FuzzJWT(f *testing.F) {
	secret := []byte(strings.Repeat("x", 32))
	set, err := NewSecret(secret)
	if err != nil {
		f.Fatal(err)
	}
	j, err := NewJWT(JWTConfig{Keys: set, Grant: testGrant, Endless: true})
	if err != nil {
		f.Fatal(err)
	}
	valid, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"sub": "a", "acl": map[string]any{}}).SignedString(secret)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(valid, `{"sub":"a","exp":1e99,"acl":{"publish":[]}}`)
	f.Add("e30.e30.e30", `{"aud":[1],"client_id":null}`)
	f.Fuzz(func(t *testing.T, token, claims string) {
		d, _, err := j.OnConnectAuthenticate(context.Background(), withPassword("u", token))
		if d == broker.Allow && token != valid {
			t.Errorf("%q got in", token)
		}
		if err != nil && !errors.Is(err, ErrToken) {
			t.Errorf("got %v, want ErrToken", err)
		}
		// Whatever a token with a good signature says does no harm.
		b64 := base64.RawURLEncoding.EncodeToString
		text := b64([]byte(`{"alg":"HS256"}`)) + "." + b64([]byte(claims))
		sig, err := jwt.SigningMethodHS256.Sign(text, secret)
		if err != nil {
			t.Fatal(err)
		}
		if d, id, _ := j.OnConnectAuthenticate(context.Background(), withPassword("u", text+"."+b64(sig))); d == broker.Allow && id.User == "" {
			t.Errorf("%q got in without a name", claims)
		}
	})
}
