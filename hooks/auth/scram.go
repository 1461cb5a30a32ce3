package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// SCRAM is the Authentication Method SCRAM-SHA-256 of MQTT 5: RFC 5802 and RFC 7677. In it the client proves that
// it knows the password, and the server that it knows what has been made of it; neither sends it.
// Without channel binding, TLS and SCRAM do not know of each other.
//
// A user who is not in the file gets an answer like one who is, always the same, and fails in the end.
type SCRAM struct {
	users    *ScramFile
	secret   []byte
	failures *Failures
	nonce    func() string
}

var _ broker.EnhancedAuthenticator = (*SCRAM)(nil)

// NewSCRAM returns a SCRAM for the users of a file. The secret, of 16 bytes at least, makes up salts of users who are not there. It must
// stay the same across restarts, and be the same on all nodes, or they can be told by their changing. failures may be nil.
func NewSCRAM(users *ScramFile, secret []byte, failures *Failures) (*SCRAM, error) {
	if len(secret) < 16 {
		return nil, errors.New("the secret for SCRAM must have 16 bytes at least")
	}
	return &SCRAM{users: users, secret: append([]byte(nil), secret...), failures: failures, nonce: rand.Text}, nil
}

// Method returns SCRAM-SHA-256.
func (s *SCRAM) Method() string { return "SCRAM-SHA-256" }

// Begin starts an exchange. It does not block, and keeps nothing of r.
func (s *SCRAM) Begin(r *broker.ConnectRequest) broker.Exchange {
	return &scramExchange{scram: s, remote: r.Remote.Addr()}
}

// secretOf returns a user's secret; known is false if it is made up.
func (s *SCRAM) secretOf(user string) (secret *scramSecret, known bool) {
	users := s.users.file.Load()
	if secret = users.secrets[user]; secret != nil {
		return secret, true
	}
	begin, rest := mac(s.secret, user), mac(s.secret, "\x00"+user) // a name has no U+0000
	salt := append(begin[:], rest[:]...)                           // maxScramSalt bytes
	return &scramSecret{salt: salt[:users.usual.salt], iterations: users.usual.iterations}, false
}

// scramExchange is one exchange, of two steps.
type scramExchange struct {
	scram  *SCRAM
	remote netip.Addr
	step   int // how many there have been

	first       clientFirst
	serverFirst string
	nonce       string // the client's, then the server's
	secret      *scramSecret
	known       bool
}

// Step takes client-first-message, then client-final-message, and returns server-first-message with Ignore, then
// server-final-message with Allow. Errors wrap ErrScram or ErrTooManyFailures; a wrong password is no error. It does not block.
func (e *scramExchange) Step(_ context.Context, data []byte) (answer []byte, d broker.Decision, id *broker.Identity, err error) {
	e.step++
	switch e.step {
	case 1:
		if e.scram.failures.Blocked(e.remote) {
			e.step = 2
			return nil, broker.Deny, nil, ErrTooManyFailures
		}
		answer, err = e.begin(data)
		d = broker.Ignore
	case 2:
		answer, err = e.finish(data)
		if d = broker.Deny; answer != nil {
			d, id = broker.Allow, &broker.Identity{User: e.first.user, App: e.secret.app}
		}
	default:
		return nil, broker.Deny, nil, scramError("the exchange is over")
	}
	if err != nil || d == broker.Deny {
		e.step = 2
		e.scram.failures.Record(e.remote)
		return nil, broker.Deny, nil, err
	}
	return answer, d, id, nil
}

func (e *scramExchange) begin(data []byte) ([]byte, error) {
	var err error
	if e.first, err = parseClientFirst(data); err != nil {
		return nil, err
	}
	e.secret, e.known = e.scram.secretOf(e.first.user)
	e.nonce = e.first.nonce + e.scram.nonce()
	e.serverFirst = fmt.Sprintf("r=%s,s=%s,i=%d", e.nonce, base64.StdEncoding.EncodeToString(e.secret.salt), e.secret.iterations)
	return []byte(e.serverFirst), nil
}

// finish returns nil if the proof is wrong.
func (e *scramExchange) finish(data []byte) ([]byte, error) {
	final, err := parseClientFinal(data, e.first.header)
	if err != nil {
		return nil, err
	}
	if final.nonce != e.nonce {
		return nil, scramError("the nonce is another than before")
	}
	message := e.first.bare + "," + e.serverFirst + "," + final.withoutProof
	clientKey := mac(e.secret.storedKey[:], message)
	subtle.XORBytes(clientKey[:], clientKey[:], final.proof)
	sum := sha256.Sum256(clientKey[:])
	signature := mac(e.secret.serverKey[:], message)
	if right := subtle.ConstantTimeCompare(sum[:], e.secret.storedKey[:]) == 1; !right || !e.known {
		return nil, nil
	}
	return []byte("v=" + base64.StdEncoding.EncodeToString(signature[:])), nil
}
