package auth

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// GrantFunc makes permissions of Topic Filters: those that a client may publish to and subscribe to. A nil list is left to
// others to decide, an empty one allows nothing. An error denies the client.
type GrantFunc func(publish, subscribe []string) (broker.Permissions, error)

// JWTConfig says which tokens are good.
type JWTConfig struct {
	// Keys verify signatures.
	Keys KeySource
	// Algorithms are the only ones that are accepted, of HS256 to HS512, RS256 to RS512, PS256 to PS512, ES256 to ES512
	// and EdDSA. None are all that fit the keys.
	Algorithms []string
	// InUser has the token come as User Name, not as password.
	InUser bool
	// Issuer is what "iss" must be; empty is anybody.
	Issuer string
	// Audience are the names of which "aud" must have one; none is anybody.
	Audience []string
	// Leeway is by how much clocks may differ. 0 is not at all.
	Leeway time.Duration
	// Endless accepts tokens without "exp", which are good for ever.
	Endless bool
	// RequireClientID refuses tokens that do not say whose they are: such a token is good for any Client Identifier.
	RequireClientID bool
	// Names of claims. Empty is "sub", "client_id", "app" and "acl".
	UserClaim, ClientIDClaim, AppClaim, ACLClaim string
	// Grant makes permissions of the ACL claim. If it is nil, a token with that claim is refused.
	Grant GrantFunc
}

// JWT knows clients that present a JSON Web Token, RFC 7519, signed as RFC 7515 says. What looks like no token is ignored;
// what does is this authenticator's to decide.
//
// A token must name its user ("sub"), who the client is from then on, whatever User Name it has sent. It may name the only
// Client Identifier that it is for, an App, and in {"publish": […], "subscribe": […]} Topic Filters. With
// "exp" the connection ends when the token does, later by the leeway.
type JWT struct {
	cfg    JWTConfig
	parser *jwt.Parser
}

var _ broker.Authenticator = (*JWT)(nil)

// algorithms are those that signatures may be by: "none" is not among them.
var algorithms = []string{"HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

// maxToken is the greatest length of a token in bytes.
const maxToken = 16 << 10

// NewJWT returns a JWT. The error is about the configuration.
func NewJWT(cfg JWTConfig) (*JWT, error) {
	if cfg.Keys == nil {
		return nil, errors.New("tokens need keys")
	}
	for _, a := range cfg.Algorithms {
		if !slices.Contains(algorithms, a) {
			return nil, fmt.Errorf("algorithm %q is none of %s", a, strings.Join(algorithms, ", "))
		}
	}
	if len(cfg.Algorithms) == 0 {
		cfg.Algorithms = algorithms
	}
	if cfg.Leeway < 0 {
		return nil, errors.New("leeway must not be negative")
	}
	cfg.UserClaim = cmp.Or(cfg.UserClaim, "sub")
	cfg.ClientIDClaim = cmp.Or(cfg.ClientIDClaim, "client_id")
	cfg.AppClaim = cmp.Or(cfg.AppClaim, "app")
	cfg.ACLClaim = cmp.Or(cfg.ACLClaim, "acl")
	return &JWT{cfg: cfg, parser: jwt.NewParser(jwt.WithValidMethods(cfg.Algorithms), jwt.WithoutClaimsValidation(), jwt.WithStrictDecoding())}, nil
}

// OnConnectAuthenticate verifies a token, and Ignores clients without one. It blocks only while keys are fetched. Errors wrap ErrToken,
// ErrClientID or ErrUnavailable.
func (j *JWT) OnConnectAuthenticate(ctx context.Context, r *broker.ConnectRequest) (broker.Decision, *broker.Identity, error) {
	token := string(r.Password)
	if j.cfg.InUser {
		token = r.User
	}
	if !looksLikeToken(token) {
		return broker.Ignore, nil, nil
	}
	if len(token) > maxToken {
		return broker.Deny, nil, fmt.Errorf("%w: longer than %d bytes", ErrToken, maxToken)
	}
	claims := make(jwt.MapClaims)
	var keyErr error
	_, err := j.parser.ParseWithClaims(token, claims, func(t *jwt.Token) (keys any, err error) {
		keys, keyErr = j.keys(ctx, t)
		return keys, keyErr
	})
	switch {
	case keyErr != nil:
		return broker.Deny, nil, keyErr
	case err != nil:
		return broker.Deny, nil, parseError(err)
	}
	id, err := j.identity(claims, time.Now())
	if err != nil {
		return broker.Deny, nil, err
	}
	if !ownClientID(r.ClientID, id.ClientID) {
		return broker.Deny, nil, ErrClientID
	}
	return broker.Allow, id, nil
}

// keys returns those that a token may be signed with.
func (j *JWT) keys(ctx context.Context, t *jwt.Token) (any, error) {
	if _, ok := t.Header["crit"]; ok {
		return nil, fmt.Errorf("%w: it asks for an extension that we don't have", ErrToken) // RFC 7515 4.1.11
	}
	id, ok := t.Header["kid"].(string)
	if _, given := t.Header["kid"]; given && !ok {
		return nil, fmt.Errorf("%w: kid is no text", ErrToken)
	}
	keys, err := j.cfg.Keys.find(ctx, t.Method.Alg(), id)
	if err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%w: no key for it", ErrToken)
	}
	return jwt.VerificationKeySet{Keys: keys}, nil
}

// looksLikeToken tells whether a text is three parts, of which the first is a header.
func looksLikeToken(text string) bool {
	header, rest, ok := strings.Cut(text, ".")
	if !ok || strings.Count(rest, ".") != 1 || len(header) > maxToken {
		return false
	}
	data, err := base64.RawURLEncoding.DecodeString(header)
	return err == nil && strings.HasPrefix(strings.TrimSpace(string(data)), "{")
}

// parseError says in our own words what the parser found, for its words may hold what the token does.
func parseError(err error) error {
	if errors.Is(err, jwt.ErrTokenSignatureInvalid) {
		return fmt.Errorf("%w: its signature or algorithm", ErrToken)
	}
	return fmt.Errorf("%w: malformed", ErrToken)
}
