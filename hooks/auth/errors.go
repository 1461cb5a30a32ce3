package auth

import (
	"errors"
	"fmt"

	"github.com/holdfast-mqtt/holdfast/broker"
)

var (
	// ErrUnavailable means that nobody can tell at the moment: a service or its keys can't be reached. It is broker.ErrUnavailable.
	ErrUnavailable = broker.ErrUnavailable

	// ErrTooManyFailures means that the client's address has been wrong too often, and is not listened to for a while. It
	// wraps ErrUnavailable: the client itself may be a good one that shares its address with others.
	ErrTooManyFailures = fmt.Errorf("%w: too many failed attempts from this address", ErrUnavailable)

	// ErrClientID means that a client is not the one whose Client Identifier it has named.
	ErrClientID = errors.New("client identifier is not the client's own")

	// ErrToken means that a token is not good; what wraps it says why.
	ErrToken = errors.New("bad token")

	// ErrCertificate means that a certificate, though verified, does not name the client as it should.
	ErrCertificate = errors.New("bad client certificate")

	// ErrScram means that a SCRAM exchange was not good; what wraps it says why.
	ErrScram = errors.New("bad SCRAM exchange")

	// ErrHash means that a text is no password hash that we take.
	ErrHash = errors.New("not an argon2id or bcrypt hash")

	// ErrKey means that a key can't be used to verify tokens; what wraps it says why.
	ErrKey = errors.New("bad key")
)
