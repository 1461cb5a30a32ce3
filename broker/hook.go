package broker

import (
	"context"
	"crypto/x509"
	"net/netip"
	"time"
)

// Hooks are what an operator adds to a node. Each interface has one method and
// is optional; a type may implement several. Names are those of mochi-mqtt's
// hooks where it has the same. Here are those that decide who a client is and what it
// may do, which fronts ask by Broker.Authenticate and the like; intercept.go and observer.go have the others,
// which the Broker calls by itself.
//
//	kind                   runs on                            may block   if it panics
//	Authenticator          a pool beside the loops            until ctx   the client is refused
//	Authorizer             the client's loop                  no          what it asked for is denied
//	ConnectInterceptor     the client's loop                  no          the client is refused
//	PublishInterceptor     the publisher's loop               no          the message is rejected
//	observers              a goroutine of the hook's own      until ctx   the event is lost
//	those of a front       as the front says                              what they were asked about is refused
//
// No lock is held while a hook runs. A panic is contained, counted by HookKind in Stats.HookPanics, and logged.

// Decision is what an Authenticator makes of a client.
type Decision uint8

// Decisions.
const (
	// Ignore means that the Authenticator does not know the client: the next one is asked.
	Ignore Decision = iota
	// Allow lets the client in.
	Allow
	// Deny refuses it.
	Deny
)

// ConnectRequest is a client that wants in.
type ConnectRequest struct {
	App         string // of the listener
	ClientID    string // as in CONNECT; empty if the server is to assign one
	User        string // User Name; empty if there is none
	HasUser     bool
	Password    []byte // valid during the call; never logged
	HasPassword bool
	Remote      netip.AddrPort    // of the peer, or of whom a trusted proxy names; invalid on Unix sockets
	Listener    string            // its URL without options
	Protocol    string            // mqtt, ximp or miop
	Version     uint8             // of the protocol: 3, 4 or 5 for MQTT
	Certificate *x509.Certificate // of the client, verified; nil if it has shown none
	CleanStart  bool
}

// Identity is who a client is found to be. What is empty leaves what the client or the listener says.
type Identity struct {
	App      string
	ClientID string
	User     string
	// Permissions decide what the client may do, before the node's own rules; nil leaves it to those.
	Permissions Permissions
	// Expires is when the client must have authenticated anew: its connection is
	// closed then. Zero is never.
	Expires time.Time
	// Token is what the client shares with whoever has let it in. Protocols that have clients prove that they know
	// one, or encrypt with it, use it; it is kept no longer than the login takes. Empty is none.
	Token Secret
}

// century is longer than connections last. Durations reach 292 years, and the sum of two must not pass that.
const century = 100 * 365 * 24 * time.Hour

// Deadline is Expires on a clock that shows now when it is wall; at least 1, and 0 for never.
func (id *Identity) Deadline(now time.Duration, wall time.Time) time.Duration {
	if id.Expires.IsZero() {
		return 0
	}
	return max(now+min(id.Expires.Sub(wall), century), 1)
}

// Secret is text that is shown nowhere: its methods hide it.
type Secret string

// String hides the secret.
func (s Secret) String() string {
	if s == "" {
		return "none"
	}
	return "hidden"
}

// GoString hides the secret.
func (s Secret) GoString() string { return s.String() }

// MarshalText hides the secret.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Authenticator decides who may connect.
type Authenticator interface {
	// OnConnectAuthenticate is called beside the loops, by a bounded number of goroutines, and
	// may block until ctx ends. An error is Deny, and is logged; it must not hold the password. One that wraps
	// ErrUnavailable is no fault of the client's, which is told to try again; one that wraps ErrBanned has it told that it is banned. r is valid
	// during the call. id may be nil with Allow.
	OnConnectAuthenticate(ctx context.Context, r *ConnectRequest) (d Decision, id *Identity, err error)
}

// EnhancedAuthenticator is an authentication method of MQTT 5, v5 4.12, such as SCRAM-SHA-256.
type EnhancedAuthenticator interface {
	// Method is the Authentication Method by which clients name it.
	Method() string
	// Begin starts an exchange with a client. It is called on the client's loop, and must not block.
	Begin(r *ConnectRequest) Exchange
}

// Exchange is an enhanced authentication that is going on. It has one caller.
type Exchange interface {
	// Step takes the client's Authentication Data and returns the server's. It may block until ctx ends. While
	// d is Ignore, the exchange goes on.
	Step(ctx context.Context, data []byte) (answer []byte, d Decision, id *Identity, err error)
}

// Action is what a client wants to do with a topic.
type Action uint8

// Actions.
const (
	// Publish sends a message. A Will is asked about at CONNECT, and not again when it is published.
	ActionPublish Action = iota + 1
	// Subscribe is asked about once for each Topic Filter of a SUBSCRIBE.
	ActionSubscribe
)

// Access is what Permissions and an Authorizer are asked about.
type Access struct {
	App      string
	ClientID string
	User     string
	Remote   netip.Addr
	Action   Action
	// Topic is the Topic Name, or the Topic Filter without the $share/ShareName/ of a Shared Subscription.
	Topic  string
	QoS    QoS  // of the message, or the most that is asked for
	Retain bool // the message is to be retained
}

// Permissions say what one client may do.
type Permissions interface {
	// Check decides, or leaves it to others with Ignore. It is called on loops, by many at once, and must not
	// block. Strings in a are valid during the call only.
	Check(a *Access) Decision
}

// Stable is implemented by Permissions and Authorizers whose answers to equal requests are equal as long as Generation
// is: fronts remember some of them. It goes up after what they go by has changed.
type Stable interface {
	// Generation is called on loops, by many at once, and must not block.
	Generation() uint64
}

// Authorizer says what clients may do.
type Authorizer interface {
	// OnACLCheck is Permissions.Check, for all clients.
	OnACLCheck(a *Access) Decision
}
