package packet

import (
	"crypto/rsa"
	"errors"
	"math/big"
	"strings"
	"testing"
)

// testKey is the invented key of the vector with a secret bind, and its props.
func testKey(t testing.TB) (*rsa.PrivateKey, Props, string) {
	t.Helper()
	for _, v := range vectors(t) {
		if v.RSA == nil {
			continue
		}
		number := func(s string) *big.Int {
			n, ok := new(big.Int).SetString(s, 16)
			if !ok {
				t.Fatalf("got %q, want a number", s)
			}
			return n
		}
		n, d := number(v.RSA.N), number(v.RSA.D)
		p, q := factors(n, d, v.RSA.E)
		key := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: n, E: v.RSA.E}, D: d, Primes: []*big.Int{p, q}}
		key.Precompute()
		if err := key.Validate(); err != nil {
			t.Fatal(err)
		}
		return key, Props(strings.Join(v.Props, "\n")), v.User
	}
	t.Fatal("there is no vector with a key")
	return nil, nil, ""
}

// factors returns those of n: e*d-1 is a multiple of p-1 and of q-1, so that a square root of 1 which is neither
// 1 nor -1 turns up among the powers of a few small numbers.
func factors(n, d *big.Int, e int) (p, q *big.Int) {
	one := big.NewInt(1)
	k := new(big.Int).Sub(new(big.Int).Mul(d, big.NewInt(int64(e))), one)
	odd, twos := new(big.Int).Set(k), 0
	for odd.Bit(0) == 0 {
		odd.Rsh(odd, 1)
		twos++
	}
	for g := int64(2); ; g++ {
		x := new(big.Int).Exp(big.NewInt(g), odd, n)
		for range twos {
			next := new(big.Int).Exp(x, big.NewInt(2), n)
			if next.Cmp(one) == 0 && x.Cmp(one) != 0 && new(big.Int).Add(x, one).Cmp(n) != 0 {
				p = new(big.Int).GCD(nil, nil, new(big.Int).Sub(x, one), n)
				return p, new(big.Int).Div(n, p)
			}
			x = next
		}
	}
}

func TestOpenBind(t *testing.T) {
	key, p, user := testKey(t)
	b, err := OpenBind(key, p)
	if err != nil || string(AppendUser(nil, string(b.User), b.AppID)) != user || b.TS != 1700000000123 || b.KeepAlive != 300 {
		t.Errorf("got %+v, %v, want user %s", b, err, user)
	}
	for _, row := range []struct {
		name     string
		old, new string
	}{
		{"other time", "ts:1700000000123", "ts:1700000000124"},
		{"other keep alive", "t:300", "t:301"},
		{"other uuid", "n:6f", "n:7f"},
		{"other key", "r:cfsj", "r:Cfsj"},
		{"key not base64", "r:cfsj", "r:****"},
		{"key too long", "r:cfsj", "r:cfsjcfsj"},
		{"key too large", "r:cfsj", "r:////"},
		{"other text", "s:oIv1", "s:pIv1"},
		{"text cut", "s:oIv1gqyt", "s:"},
		{"no text", "\ns:", "\nS:"},
		{"no key", "\nr:", "\nR:"},
	} {
		changed := strings.Replace(string(p), row.old, row.new, 1)
		if changed == string(p) {
			t.Fatalf("%s: %q is not there", row.name, row.old)
		}
		if b, err := OpenBind(key, Props(changed)); !errors.Is(err, FaultSecret) {
			t.Errorf("%s: got %+v, %v, want %v", row.name, b, err, FaultSecret)
		}
	}
}

func TestOpenBindTakesLineBreaks(t *testing.T) {
	key, p, _ := testKey(t)
	for _, broken := range []string{
		strings.Replace(string(p), "r:cfsj", "r:cf\rsj", 1),
		strings.Replace(string(p), "r:cfsj", "r:cf\nsj", 1),
		strings.Replace(string(p), "r:cfsj", "r:\r\ncf\r\nsj", 1),
		strings.Replace(string(p), "s:oIv1", "s:oI\nv1", 1),
		"r:wrong\n" + string(p) + "\n",
	} {
		if _, err := OpenBind(key, Props(broken)); err != nil {
			t.Errorf("%q: got %v, want line breaks ignored", broken, err)
		}
	}
}

func TestSealBind(t *testing.T) {
	key, _, _ := testKey(t)
	for _, user := range []string{"", "bob", "1234567", "a&sign=b", strings.Repeat("x", 1000)} {
		in := BindRequest{User: []byte(user), AppID: 9, KeepAlive: 60, TS: 1700000000000}
		p, err := SealBind(&key.PublicKey, &in, "0a1b2c3d-0000-4000-8000-000000000000")
		if err != nil {
			t.Fatal(err)
		}
		out, err := OpenBind(key, p)
		if err != nil || string(out.User) != user || out.AppID != 9 || out.KeepAlive != 60 || out.TS != in.TS {
			t.Errorf("%q: got %+v, %v, want the same", user, out, err)
		}
	}
}
