package floods

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// recordHello returns the record with which a client of TLS begins.
func recordHello() ([]byte, error) {
	var rec recorder
	_ = tls.Client(&rec, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"mqtt"}}).Handshake() // nobody answers
	if rec.sent.Len() < 5 {
		return nil, errors.New("crypto/tls has sent no ClientHello")
	}
	return rec.sent.Bytes(), nil
}

// recorder is a connection to nobody, or to inner, that remembers what was sent and the beginning of what came.
type recorder struct {
	net.Conn
	sent, came bytes.Buffer
}

// keepBytes is how many bytes of an answer a recorder keeps.
const keepBytes = 64

// Write implements net.Conn.
func (r *recorder) Write(b []byte) (int, error) {
	if r.Conn == nil {
		return r.sent.Write(b)
	}
	return r.Conn.Write(b)
}

// Read implements net.Conn.
func (r *recorder) Read(b []byte) (int, error) {
	if r.Conn == nil {
		return 0, io.EOF
	}
	n, err := r.Conn.Read(b)
	r.came.Write(b[:min(n, max(keepBytes-r.came.Len(), 0))])
	return n, err
}

// Close implements net.Conn.
func (r *recorder) Close() error { return nil }

// SetWriteDeadline implements net.Conn.
func (r *recorder) SetWriteDeadline(time.Time) error { return nil }

// errNoRandom means that a ServerHello is not where it should be.
var errNoRandom = errors.New("no ServerHello of TLS 1.2")

// renegotiate asks for a second handshake on a connection of TLS 1.2, and fails unless the broker ends it. crypto/tls
// does not ask, so the record is made here, with the connection's keys.
func (f *Flood) renegotiate(int64) error {
	c, err := f.dial()
	if err != nil {
		return err
	}
	defer reset(c)
	var secrets strings.Builder
	rec := &recorder{Conn: c}
	client := tls.Client(rec, &tls.Config{
		InsecureSkipVerify: true, MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12,
		CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}, KeyLogWriter: &secrets,
	})
	if err := client.Handshake(); err != nil {
		return err
	}
	record, err := nextRecord(secrets.String(), rec.came.Bytes(), f.greeting[5:])
	if err != nil {
		return err
	}
	if _, err := c.Write(record); err != nil {
		return err
	}
	return awaitEnd(c)
}

// nextRecord makes the record of a client that follows its Finished, with a handshake message in it (RFC 5246, 6.2.3.3;
// RFC 5288). answer is how the server has begun.
func nextRecord(keyLog string, answer, message []byte) ([]byte, error) {
	var clientHex, masterHex string
	if _, err := fmt.Sscanf(keyLog, "CLIENT_RANDOM %s %s", &clientHex, &masterHex); err != nil {
		return nil, fmt.Errorf("key log: %w", err)
	}
	client, err1 := hex.DecodeString(clientHex)
	master, err2 := hex.DecodeString(masterHex)
	if err := errors.Join(err1, err2); err != nil {
		return nil, fmt.Errorf("key log: %w", err)
	}
	const randomAt = 5 + 4 + 2 // behind the headers of record and message, and the version
	if len(answer) < randomAt+32 || answer[0] != 0x16 || answer[5] != 2 {
		return nil, errNoRandom
	}
	keys := expand(master, append([]byte("key expansion"), append(bytes.Clone(answer[randomAt:randomAt+32]), client...)...), 40)
	block, err := aes.NewCipher(keys[:16])
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	seq := binary.BigEndian.AppendUint64(nil, 1) // Finished was 0
	nonce := append(bytes.Clone(keys[32:36]), seq...)
	aad := append(bytes.Clone(seq), 0x16, 3, 3, byte(len(message)>>8), byte(len(message)))
	body := aead.Seal(bytes.Clone(seq), nonce, message, aad)
	return append([]byte{0x16, 3, 3, byte(len(body) >> 8), byte(len(body))}, body...), nil
}

// expand is P_SHA256 (RFC 5246, 5), n bytes of it.
func expand(secret, seed []byte, n int) []byte {
	mac := func(parts ...[]byte) []byte {
		h := hmac.New(sha256.New, secret)
		for _, p := range parts {
			h.Write(p)
		}
		return h.Sum(nil)
	}
	var out []byte
	for a := mac(seed); len(out) < n; a = mac(a) {
		out = append(out, mac(a, seed)...)
	}
	return out[:n]
}
