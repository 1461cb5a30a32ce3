package dispatch

import (
	"crypto"
	"crypto/md5"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"strings"
	"testing"
)

// given are the data of the next n answers.
func given(t *testing.T, r *rotation, n int) (all []string) {
	t.Helper()
	for range n {
		var got reply
		if err := json.Unmarshal([]byte(body(r.next())), &got); err != nil {
			t.Fatal(err)
		}
		all = append(all, got.Data)
	}
	return all
}

// TestWeights: each address comes first as often as its weight says, evenly, and none twice in an answer.
func TestWeights(t *testing.T) {
	for _, tt := range []struct {
		weights []int
		answers int
		rounds  int
	}{
		{[]int{1}, 2, 1},
		{[]int{100}, 1, 1},
		{[]int{1, 1}, 1, 2},
		{[]int{50, 100}, 2, 3},
		{[]int{5, 1, 1}, 1, 7},
		{[]int{5, 1, 1}, 2, 7},
		{[]int{7, 3, 2, 1}, 16, 13},
		{[]int{99, 100, 98}, 2, 297},
	} {
		var as []Address
		for i, w := range tt.weights {
			as = append(as, Address{Host: fmt.Sprint("h", i), Weight: w})
		}
		r, err := newRotation(as, tt.answers, false, nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(r.answers) != tt.rounds {
			t.Errorf("%v: got %d answers, want %d", tt.weights, len(r.answers), tt.rounds)
		}
		first, sum := make(map[string]int), 0
		for _, w := range tt.weights {
			sum += w
		}
		for _, data := range given(t, r, sum) {
			hosts := strings.Split(data, ";")
			first[hosts[0]]++
			seen := make(map[string]bool)
			for _, h := range hosts {
				if seen[h] {
					t.Errorf("%v: got %s, want each address once", tt.weights, data)
				}
				seen[h] = true
			}
			if len(hosts) != min(tt.answers, len(as)) {
				t.Errorf("%v: got %s, want %d addresses", tt.weights, data, tt.answers)
			}
		}
		for i, w := range tt.weights {
			if got := first[fmt.Sprint("h", i)]; got != w {
				t.Errorf("%v, %d at a time: h%d is first %d times of %d, want %d", tt.weights, tt.answers, i, got, sum, w)
			}
		}
	}
}

// A list of any size has a bounded rotation.
func TestRotationIsBounded(t *testing.T) {
	var as []Address
	for i := range MaxAddresses {
		as = append(as, Address{Host: fmt.Sprint("h", i), Weight: 1 + i%MaxWeight})
	}
	r, err := newRotation(as, MaxAnswers, false, nil)
	if err != nil || len(r.answers) != maxRotation {
		t.Errorf("got %d answers, %v, want %d", len(r.answers), err, maxRotation)
	}
}

func TestNewFaults(t *testing.T) {
	small := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: big.NewInt(3233), E: 17}, D: big.NewInt(413), Primes: []*big.Int{big.NewInt(61), big.NewInt(53)}}
	for name, change := range map[string]func(*Config){
		"no addresses":              func(c *Config) { c.Addresses = nil },
		"users without addresses":   func(c *Config) { c.Users = []string{"u"} },
		"no host":                   func(c *Config) { c.Addresses[0].Host = "" },
		"no weight":                 func(c *Config) { c.Addresses[0].Weight = 0 },
		"too large a weight":        func(c *Config) { c.Addresses[0].Weight = MaxWeight + 1 },
		"too many":                  func(c *Config) { c.Addresses = make([]Address, MaxAddresses+1) },
		"user address without host": func(c *Config) { c.Users, c.UserAddresses = []string{"u"}, []Address{{Weight: 1}} },
		"too small a key":           func(c *Config) { c.SignKey = small },
	} {
		cfg := one()
		change(&cfg)
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
}

// verify checks the sign of an answer.
func verify(key *rsa.PublicKey, data, sign string) error {
	sum := md5.Sum([]byte(data))
	b, err := base64.StdEncoding.DecodeString(sign)
	if err != nil {
		return err
	}
	return rsa.VerifyPKCS1v15(key, crypto.Hash(0), sum[:], b)
}

func TestSigned(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{Addresses: []Address{{Host: "192.0.2.1", Port: 443, Weight: 1}, {Host: "192.0.2.2", Port: 80, Weight: 2}}, SignKey: key}
	srv, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for range 6 {
		var got reply
		if err := json.Unmarshal([]byte(body(srv.all[withPort].next())), &got); err != nil {
			t.Fatal(err)
		}
		if got.Sign == nil || verify(&key.PublicKey, got.Data, *got.Sign) != nil {
			t.Errorf("%s: got sign %v, want one of the key's", got.Data, got.Sign)
		}
		if verify(&key.PublicKey, got.Data+"0", *got.Sign) == nil {
			t.Errorf("%s: the sign fits other data", got.Data)
		}
	}
}

// TestGolden: an answer that was made by other software with a test key, whose sign is unique, is what ours would be.
func TestGolden(t *testing.T) {
	const data = "198.51.100.2:443;198.51.100.3:80"
	const sign = "cy+5xioQG0MPInTGmuIKbxu0KmXLiNGUVdc8oVUHz4PTPszzjZZr7viRluGhr0mSNK7nZc72awtl57bv6xiMJIZmhZjR65+qzLEboYvuniXi8w3arXXM6zdBFEuTNikURnpi0POCL7MB5Fn9Ol7oQgKF20ZZ+FbLblFW0Ng1bLo="
	const golden = `{"errno":0,"errmsg":"","data":"` + data + `","sign":"` + sign + `"}`
	text, err := os.ReadFile("../miop/packet/testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct {
		RSA *struct {
			N string
			E int
		}
	}
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	for _, v := range vectors {
		if v.RSA == nil {
			continue
		}
		n, _ := new(big.Int).SetString(v.RSA.N, 16)
		if err := verify(&rsa.PublicKey{N: n, E: v.RSA.E}, data, sign); err != nil {
			t.Errorf("the sign of the answer does not fit: %v", err)
		}
		s := sign
		if got := encode(reply{Data: data, Sign: &s}); got != golden {
			t.Errorf("got %s, want %s", got, golden)
		}
		return
	}
	t.Fatal("there is no vector with a key")
}
