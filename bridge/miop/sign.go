package miop

import (
	"context"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-mqtt/holdfast/bridge/miop/packet"
	"github.com/holdfast-mqtt/holdfast/broker"
)

// Signed is a bind of version 6. How products make its sign is not public.
type Signed struct {
	App      string // where its Session will be
	User     string
	AppID    uint32
	TS       int64 // ms since 1970, of when it was signed; 0 if the client does not say
	Sign     string
	AuthType string
	Now      time.Time
}

// text is what is signed.
func (s *Signed) text() []byte {
	return strconv.AppendInt(packet.AppendUser(nil, s.User, s.AppID), s.TS, 10)
}

// within tells whether it was signed within age before or after now. 0 is any time.
func (s *Signed) within(age time.Duration) bool {
	passed := s.Now.Sub(time.UnixMilli(s.TS))
	return age == 0 || passed <= age && passed >= -age
}

// Verifier checks the sign of binds of version 6.
type Verifier interface {
	// Verify tells whether the sign is right. It is called beside the loops, by a bounded number of goroutines, and may
	// block until ctx ends. With an error, which must not hold the sign, the client may come again; without, one whose
	// sign is wrong will not.
	Verify(ctx context.Context, s *Signed) (ok bool, err error)
}

// VerifierFunc is a function as a Verifier.
type VerifierFunc func(ctx context.Context, s *Signed) (ok bool, err error)

// Verify implements Verifier.
func (f VerifierFunc) Verify(ctx context.Context, s *Signed) (bool, error) { return f(ctx, s) }

// HMACSHA256 takes for a sign the HMAC-SHA256 of user@appid and ts, the one behind the other, with secret as the key: 64 hexadecimal digits, or
// the first 32 of them. ts must be no further from now than age; 0 does not look at it.
func HMACSHA256(secret []byte, age time.Duration) Verifier {
	return VerifierFunc(func(_ context.Context, s *Signed) (bool, error) {
		h := hmac.New(sha256.New, secret)
		h.Write(s.text())
		want := hex.EncodeToString(h.Sum(nil))
		if len(s.Sign) == len(want)/2 {
			want = want[:len(want)/2]
		}
		return same(s.Sign, want) && s.within(age), nil
	})
}

// MD5 takes for a sign the md5 of user@appid, ts and secret, the one behind the other, in 32 hexadecimal digits. It is weak, and for
// products that have it. age is as with HMACSHA256.
func MD5(secret []byte, age time.Duration) Verifier {
	return VerifierFunc(func(_ context.Context, s *Signed) (bool, error) {
		sum := md5.Sum(append(s.text(), secret...))
		return same(s.Sign, hex.EncodeToString(sum[:])) && s.within(age), nil
	})
}

// AcceptAll takes every sign, and none.
func AcceptAll() Verifier {
	return VerifierFunc(func(context.Context, *Signed) (bool, error) { return true, nil })
}

// same compares hexadecimal digits, in a time that does not tell where they differ.
func same(got, want string) bool {
	return subtle.ConstantTimeCompare([]byte(strings.ToLower(got)), []byte(want)) == 1
}

// verifying is a Verifier as an Authenticator, so that the broker contains its panics.
type verifying struct {
	signed *Signed
	by     Verifier
}

// OnConnectAuthenticate implements broker.Authenticator.
func (v *verifying) OnConnectAuthenticate(ctx context.Context, _ *broker.ConnectRequest) (broker.Decision, *broker.Identity, error) {
	ok, err := v.by.Verify(ctx, v.signed)
	if err != nil || !ok {
		return broker.Deny, nil, err
	}
	return broker.Allow, nil, nil
}
