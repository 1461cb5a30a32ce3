package bench

import (
	"errors"
	"fmt"
)

// Errors that Run wraps.
var (
	// ErrRefused means that the broker answered CONNECT or SUBSCRIBE with a failure.
	ErrRefused = errors.New("broker refused")
	// ErrUnexpected means that the broker sent a packet that does not belong
	// where it came.
	ErrUnexpected = errors.New("unexpected packet")
	// ErrConnectionLost means that a Network Connection ended during the run.
	ErrConnectionLost = errors.New("connection lost")
	// ErrSessionLost means that the broker has forgotten a Session that it was to keep.
	ErrSessionLost = errors.New("session lost")
	// ErrStalled means that nothing moved for longer than the options allow.
	ErrStalled = errors.New("no progress")
)

// errNoAck ends a subscriber that gets a PUBACK.
var errNoAck = fmt.Errorf("%w: PUBACK at a client that publishes nothing", ErrUnexpected)

// errForeign ends a subscriber that gets a message nobody sent to it.
var errForeign = fmt.Errorf("%w: PUBLISH with numbers that no publisher of this topic uses", ErrUnexpected)
