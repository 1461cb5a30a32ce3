package auth

import (
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

func BenchmarkVerifyPassword(b *testing.B) {
	for _, a := range []Algorithm{Argon2id, Bcrypt} {
		b.Run(string(a), func(b *testing.B) {
			text, err := HashPassword(a, []byte("hunter2"))
			if err != nil {
				b.Fatal(err)
			}
			h, err := parseHash(text)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if !h.verify([]byte("hunter2")) {
					b.Fatal("got the right password refused")
				}
			}
		})
	}
}

func BenchmarkJWT(b *testing.B) {
	s := testSigners()
	for _, alg := range []string{"HS256", "RS256", "ES256", "EdDSA"} {
		b.Run(alg, func(b *testing.B) {
			secret, err := NewSecret(s.hmac)
			if err != nil {
				b.Fatal(err)
			}
			if alg != "HS256" {
				k, err := publicKey("", s.public(alg))
				if err != nil {
					b.Fatal(err)
				}
				secret = &KeySet{keys: []key{k}}
			}
			j, err := NewJWT(JWTConfig{Keys: secret, Endless: true})
			if err != nil {
				b.Fatal(err)
			}
			token, err := jwt.NewWithClaims(jwt.GetSigningMethod(alg), jwt.MapClaims{"sub": "alice"}).SignedString(s.signer(alg))
			if err != nil {
				b.Fatal(err)
			}
			r := withPassword("u", token)
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := j.OnConnectAuthenticate(b.Context(), r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
