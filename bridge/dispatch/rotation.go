package dispatch

import (
	"crypto"
	"crypto/md5"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
)

// rotation is the answers of a list, which are given one after the other, for ever.
type rotation struct {
	answers []string // whole HTTP responses
	given   atomic.Uint64
}

// next is the next answer; empty if there is none.
func (r *rotation) next() string {
	if len(r.answers) == 0 {
		return ""
	}
	return r.answers[(r.given.Add(1)-1)%uint64(len(r.answers))]
}

// newRotation makes the answers of a list, with so many addresses each. bare is for clients that take hosts only.
func newRotation(as []Address, answers int, bare bool, key *rsa.PrivateKey) (*rotation, error) {
	var items []item
	for _, a := range as {
		if text, ok := a.text(bare); ok {
			items = append(items, item{text: text, weight: a.Weight})
		}
	}
	r := new(rotation)
	made := make(map[string]string) // by data
	for range rounds(items) {
		data := strings.Join(pick(items, answers), ";")
		if _, ok := made[data]; !ok {
			sign, err := signOf(data, key)
			if err != nil {
				return nil, err
			}
			made[data] = respond(jsonType, encode(reply{Data: data, Sign: &sign}))
		}
		r.answers = append(r.answers, made[data])
	}
	return r, nil
}

// item is an address in the making of a rotation.
type item struct {
	text   string
	weight int
	credit [2]int // how much it is behind what it is due, of first places and of the others
	picked bool
}

// rounds is after how many answers each address has come first as often as its weight says.
func rounds(items []item) int {
	sum, divisor := 0, 0
	for _, it := range items {
		sum, divisor = sum+it.weight, gcd(it.weight, divisor)
	}
	if sum == 0 {
		return 0
	}
	return min(sum/divisor, maxRotation)
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// pick is what the next answer has: n addresses, or all. Each place is given to the one that is most behind, of those that have none
// in this answer yet. First places are counted by themselves: most clients use no other.
func pick(items []item, n int) (texts []string) {
	for i := range items {
		items[i].picked = false
	}
	for place := range min(n, len(items)) {
		var best *item
		kind := min(place, 1)
		sum := 0
		for i := range items {
			it := &items[i]
			if it.picked {
				continue
			}
			sum += it.weight
			it.credit[kind] += it.weight
			if best == nil || it.credit[kind] > best.credit[kind] {
				best = it
			}
		}
		best.credit[kind] -= sum
		best.picked = true
		texts = append(texts, best.text)
	}
	return texts
}

// signOf is the sign of data; empty without a key. What is signed is the MD5 itself, with no word about which digest it is.
func signOf(data string, key *rsa.PrivateKey) (string, error) {
	if key == nil {
		return "", nil
	}
	sum := md5.Sum([]byte(data))
	sign, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.Hash(0), sum[:])
	if err != nil {
		return "", fmt.Errorf("sign an answer: %w", err)
	}
	return base64.StdEncoding.EncodeToString(sign), nil
}

// reply is the body of an answer.
type reply struct {
	Errno  int     `json:"errno"`
	Errmsg string  `json:"errmsg"`
	Data   string  `json:"data"`
	Sign   *string `json:"sign,omitempty"` // nil is none at all, as for unknown paths
}

// encode is r as JSON.
func encode(r reply) string {
	b, err := json.Marshal(r)
	if err != nil {
		panic(err) // there is nothing in it that has no JSON
	}
	return string(b)
}

const (
	jsonType = "application/json; charset=utf-8"
	textType = "text/plain; charset=utf-8"
)

// head is the beginning of an HTTP response up to its body, of so many bytes.
func head(contentType string, size int) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n", contentType, size)
}

// respond is an HTTP response.
func respond(contentType, body string) string { return head(contentType, len(body)) + body }
