package packet

import (
	"crypto/rc4"
	"encoding/base64"
)

// MaxKey is the most bytes that a Key may have.
const MaxKey = 256

// Key is what packets are encrypted with. The empty one leaves them plain. It is
// shown nowhere: String and MarshalText hide it.
type Key string

// Check returns ErrKey for a key that is too long.
func (k Key) Check() error {
	if len(k) > MaxKey {
		return ErrKey
	}
	return nil
}

// String hides the key.
func (k Key) String() string {
	if k == "" {
		return "no key"
	}
	return "key (hidden)"
}

// GoString hides the key.
func (k Key) GoString() string { return k.String() }

// MarshalText hides the key.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// Crypt encrypts or decrypts src into dst, which is src itself or does not overlap
// it, and is as long at least. It panics with a key that Check refuses.
func (k Key) Crypt(dst, src []byte) {
	if k == "" {
		copy(dst, src)
		return
	}
	c, err := rc4.NewCipher([]byte(k))
	if err != nil {
		panic("ximp: " + err.Error())
	}
	c.XORKeyStream(dst, src)
}

// Open appends the frame's body, decrypted, to dst. The frame's own Body may be
// given as f.Body[:0]: then it is decrypted where it is. ErrText is returned where
// the text form is not base64, ErrEmpty if there is nothing in it.
func (f Frame) Open(dst []byte, key Key) ([]byte, error) {
	start := len(dst)
	if !f.Text {
		dst = append(dst, f.Body...)
		key.Crypt(dst[start:], dst[start:])
		return dst, nil
	}
	plain := make([]byte, base64.StdEncoding.DecodedLen(len(f.Body)))
	n, err := base64.StdEncoding.Strict().Decode(plain, f.Body)
	if err != nil {
		return dst, ErrText
	}
	if n == 0 { // all line breaks
		return dst, ErrEmpty
	}
	dst = append(dst, plain[:n]...)
	key.Crypt(dst[start:], dst[start:])
	return dst, nil
}
