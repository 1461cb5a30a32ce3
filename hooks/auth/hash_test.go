package auth

import (
	"errors"
	"strings"
	"testing"
)

// The first two are vectors of the reference implementations of argon2 and crypt_blowfish.
const (
	argonVector  = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc" // password
	bcryptVector = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"                           // U*U
)

func TestVerify(t *testing.T) {
	for _, tt := range []struct {
		hash, password string
		want           bool
	}{
		{argonVector, "password", true},
		{argonVector, "Password", false},
		{argonVector, "password\x00", false},
		{argonVector, "", false},
		{bcryptVector, "U*U", true},
		{"$2y" + bcryptVector[3:], "U*U", true},
		{bcryptVector, "U*U*", false},
		{bcryptVector, "", false},
	} {
		h, err := parseHash(tt.hash)
		if err != nil {
			t.Errorf("%s: %v", tt.hash, err)
			continue
		}
		if got := h.verify([]byte(tt.password)); got != tt.want {
			t.Errorf("%s, %q: got %v, want %v", tt.hash, tt.password, got, tt.want)
		}
	}
}

func TestHashPassword(t *testing.T) {
	for _, a := range []Algorithm{Argon2id, Bcrypt} {
		for _, password := range []string{"", "\x00\xff"} {
			one, err1 := HashPassword(a, []byte(password))
			two, err2 := HashPassword(a, []byte(password))
			if err1 != nil || err2 != nil || one == two || strings.ContainsAny(one, ":\n ") {
				t.Errorf("%s: got %q, %q, %v, %v, want two that differ and fit into a line", a, one, two, err1, err2)
				continue
			}
			h, err := parseHash(one)
			if err != nil || !h.verify([]byte(password)) || h.verify([]byte(password+"x")) {
				t.Errorf("%s of %q: %v, or it does not tell passwords apart", a, password, err)
			}
		}
	}
	secret := strings.Repeat("geheim", 13)
	if _, err := HashPassword(Bcrypt, []byte(secret)); err == nil || strings.Contains(err.Error(), "geheim") {
		t.Errorf("got %v, want an error without the password", err)
	}
	if _, err := HashPassword("md5", nil); err == nil || !strings.Contains(err.Error(), `"md5" is neither`) {
		t.Errorf("got %v", err)
	}
}

// bcrypt itself takes whatever is behind 72 bytes for the same password.
func TestBcryptKnowsLongPasswordsApart(t *testing.T) {
	password := strings.Repeat("x", 72)
	text, err := HashPassword(Bcrypt, []byte(password))
	if err != nil {
		t.Fatal(err)
	}
	h, _ := parseHash(text)
	if !h.verify([]byte(password)) || h.verify([]byte(password+"y")) {
		t.Error("got a longer password accepted, or the right one refused")
	}
}

func TestBadHashes(t *testing.T) {
	for _, text := range []string{
		"", "password", "$argon2id$", "$argon2i$v=19$m=8,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		strings.Replace(argonVector, "v=19", "v=16", 1),
		strings.Replace(argonVector, "m=65536", "m=262145", 1),
		strings.Replace(argonVector, "m=65536", "m=99999999999999999999", 1),
		strings.Replace(argonVector, "m=65536", "m=7", 1),
		strings.Replace(argonVector, "m=65536", "m=-1", 1),
		strings.Replace(argonVector, "t=2", "t=0", 1),
		strings.Replace(argonVector, "t=2", "t=17", 1),
		strings.Replace(argonVector, "p=1", "p=0", 1),
		strings.Replace(argonVector, "p=1", "p=256", 1),
		strings.Replace(argonVector, "c29tZXNhbHQ", "c29tZQ", 1),
		strings.Replace(argonVector, "c29tZXNhbHQ", "c29tZXNhbHR", 1), // bits behind the last byte
		strings.Replace(argonVector, "c29tZXNhbHQ", "c29tZXNhbHQ=", 1),
		argonVector + "\n", argonVector + "$x", argonVector[:60],
		strings.Replace(bcryptVector, "$05$", "$17$", 1),
		strings.Replace(bcryptVector, "$05$", "$03$", 1),
		"$2x" + bcryptVector[3:], bcryptVector[:59], bcryptVector + "x", "$1$abc$def",
	} {
		h, err := parseHash(text)
		if h != nil || !errors.Is(err, ErrHash) {
			t.Errorf("%q: got %v, %v, want ErrHash", text, h, err)
		}
		if len(text) > 20 && err != nil && strings.Contains(err.Error(), text[20:]) {
			t.Errorf("%q: got %q, which repeats it", text, err)
		}
	}
}
