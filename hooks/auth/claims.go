package auth

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// maxFilters is the greatest number of Topic Filters in a list of permissions.
const maxFilters = 256

// identity checks the claims of a token whose signature is right, and returns whom they name.
func (j *JWT) identity(claims jwt.MapClaims, now time.Time) (*broker.Identity, error) {
	expires, err := j.checkTimes(claims, now)
	if err != nil {
		return nil, err
	}
	if err := j.checkParties(claims); err != nil {
		return nil, err
	}
	id := &broker.Identity{Expires: expires}
	for _, c := range []struct {
		claim    string
		required bool
		valid    func(string) bool
		to       *string
	}{
		{j.cfg.UserClaim, true, validName, &id.User},
		{j.cfg.ClientIDClaim, j.cfg.RequireClientID, validName, &id.ClientID},
		{j.cfg.AppClaim, false, validApp, &id.App},
	} {
		v, given := claims[c.claim]
		if !given && !c.required {
			continue
		}
		text, ok := v.(string)
		if !ok || text == "" || !c.valid(text) {
			return nil, fmt.Errorf("%w: %s is missing or no such name", ErrToken, c.claim)
		}
		*c.to = text
	}
	if acl, ok := claims[j.cfg.ACLClaim]; ok {
		if id.Permissions, err = j.permissions(acl); err != nil {
			return nil, err
		}
	}
	return id, nil
}

// checkTimes checks when a token is good, and returns when it is no more, zero if that is never.
func (j *JWT) checkTimes(claims jwt.MapClaims, now time.Time) (expires time.Time, err error) {
	for _, name := range []string{"nbf", "iat"} {
		t, given, err := claimTime(claims, name)
		if err != nil {
			return t, err
		}
		if given && now.Before(t.Add(-j.cfg.Leeway)) {
			return t, fmt.Errorf("%w: not good yet, by its %s", ErrToken, name)
		}
	}
	expires, given, err := claimTime(claims, "exp")
	switch {
	case err != nil:
		return expires, err
	case !given && j.cfg.Endless:
		return time.Time{}, nil
	case !given:
		return expires, fmt.Errorf("%w: it has no exp", ErrToken)
	}
	expires = expires.Add(j.cfg.Leeway)
	if !now.Before(expires) {
		return expires, fmt.Errorf("%w: it has expired", ErrToken)
	}
	return expires, nil
}

// claimTime returns a claim that is a NumericDate, RFC 7519 2, with fractions of a second cut off.
func claimTime(claims jwt.MapClaims, name string) (t time.Time, given bool, err error) {
	v, given := claims[name]
	if !given {
		return t, false, nil
	}
	const year10000 = 253402300800
	seconds, ok := v.(float64)
	if !ok || seconds < 0 || seconds >= year10000 {
		return t, true, fmt.Errorf("%w: %s is no time", ErrToken, name)
	}
	return time.Unix(int64(seconds), 0), true, nil
}

// checkParties checks who has made a token, and for whom.
func (j *JWT) checkParties(claims jwt.MapClaims) error {
	if j.cfg.Issuer != "" && claims["iss"] != any(j.cfg.Issuer) {
		return fmt.Errorf("%w: iss is another", ErrToken)
	}
	if len(j.cfg.Audience) == 0 {
		return nil
	}
	var audience []any
	switch aud := claims["aud"].(type) {
	case string:
		audience = []any{aud}
	case []any:
		audience = aud
	}
	if slices.ContainsFunc(audience, func(a any) bool {
		text, ok := a.(string)
		return ok && slices.Contains(j.cfg.Audience, text)
	}) {
		return nil
	}
	return fmt.Errorf("%w: it is not for us, by its aud", ErrToken)
}

// permissions makes them of the ACL claim.
func (j *JWT) permissions(claim any) (broker.Permissions, error) {
	lists, ok := claim.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%w: %s is no object", ErrToken, j.cfg.ACLClaim)
	}
	var publish, subscribe []string
	for name, v := range lists {
		list, err := filterList(v)
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrToken, j.cfg.ACLClaim, err)
		}
		switch name {
		case "publish":
			publish = list
		case "subscribe":
			subscribe = list
		default:
			// What restricts in the mind of its author must not be left out.
			return nil, fmt.Errorf("%w: %s holds more than publish and subscribe", ErrToken, j.cfg.ACLClaim)
		}
	}
	p, err := grant(j.cfg.Grant, publish, subscribe)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrToken, j.cfg.ACLClaim, err)
	}
	return p, nil
}

var (
	errFilterList = fmt.Errorf("want lists of up to %d Topic Filters", maxFilters)
	errNoGrant    = errors.New("permissions are not configured")
	errGrant      = errors.New("not all are Topic Filters")
)

func filterList(v any) ([]string, error) {
	items, ok := v.([]any)
	if !ok || len(items) > maxFilters {
		return nil, errFilterList
	}
	list := make([]string, len(items))
	for i := range items {
		if list[i], ok = items[i].(string); !ok {
			return nil, errFilterList
		}
	}
	return list, nil
}

// grant makes permissions. The error does not repeat the filters.
func grant(f GrantFunc, publish, subscribe []string) (broker.Permissions, error) {
	if f == nil {
		return nil, errNoGrant
	}
	if len(publish) > maxFilters || len(subscribe) > maxFilters {
		return nil, errFilterList
	}
	p, err := f(publish, subscribe)
	if err != nil || p == nil {
		return nil, errGrant
	}
	return p, nil
}
