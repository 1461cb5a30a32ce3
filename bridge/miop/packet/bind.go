package packet

import (
	"bytes"
	"strconv"
	"unicode/utf8"
)

// DefaultKeepAlive is t in seconds when a bind does not name it.
const DefaultKeepAlive = 300

// BindRequest is what a Bind or Rebind says. Its slices alias the frame.
type BindRequest struct {
	User      []byte // what is before the last @ of u; may be empty
	AppID     uint32 // what is behind it; not 0
	KeepAlive uint32 // t in seconds
	TS        int64  // ts, ms since 1970; 0 if there is none
	Beside    bool   // k:0: a session beside one of the same u instead of in its place
	Transient bool   // d:0: nothing is kept while the client is away
	HasC      bool   // there is a prop c, of which nobody knows what it means
	Sign      []byte // of version 6
	AuthType  []byte // of version 6
}

// ParseBind reads the props of a bind of a version without encryption. An error is FaultUser. What else cannot be read counts as
// left out.
func ParseBind(p Props) (BindRequest, error) {
	b := BindRequest{KeepAlive: DefaultKeepAlive}
	user, known := []byte(nil), false
	p.Each(func(key, value []byte) bool {
		switch string(key) {
		case "u":
			user, known = value, true
		case "t":
			b.KeepAlive = keepAlive(value)
		case "ts":
			n, ok := parseUint(value)
			if b.TS = int64(n); !ok || b.TS < 0 {
				b.TS = 0
			}
		case "k":
			b.Beside = string(value) == "0"
		case "d":
			b.Transient = string(value) == "0"
		case "c":
			b.HasC = true
		case "sign":
			b.Sign = value
		case "authtype":
			b.AuthType = value
		}
		return true
	})
	if !known {
		return BindRequest{}, FaultUser
	}
	var err error
	b.User, b.AppID, err = ParseUser(user)
	return b, err
}

func keepAlive(value []byte) uint32 {
	n, ok := parseUint(value)
	if !ok || n > 1<<31 {
		return DefaultKeepAlive
	}
	return uint32(n)
}

// ParseUser splits user@appid at its last @. An error is FaultUser: there is no @, appid is no number from 1 to
// 4,294,967,295, or user is no text.
func ParseUser(u []byte) (user []byte, appID uint32, err error) {
	at := bytes.LastIndexByte(u, '@')
	if at < 0 {
		return nil, 0, FaultUser
	}
	n, ok := parseUint(u[at+1:])
	if user = u[:at]; !ok || n == 0 || n > 1<<32-1 || !utf8.Valid(user) || bytes.ContainsAny(user, "\x00\n") {
		return nil, 0, FaultUser
	}
	return user, uint32(n), nil
}

// AppendUser appends user@appid.
func AppendUser(dst []byte, user string, appID uint32) []byte {
	dst = append(append(dst, user...), '@')
	return strconv.AppendUint(dst, uint64(appID), 10)
}

// Props returns the props of b, in the order in which known clients write them: what has its default is left out but t
// and ts.
func (b *BindRequest) Props() Props {
	p := Props(AppendUser([]byte("u:"), string(b.User), b.AppID))
	p = p.WithUint("ts", uint64(max(b.TS, 0))).WithUint("t", uint64(b.KeepAlive))
	if b.Beside {
		p = p.With("k", "0")
	}
	if b.Transient {
		p = p.With("d", "0")
	}
	if len(b.Sign) > 0 {
		p = p.With("sign", string(b.Sign))
	}
	if len(b.AuthType) > 0 {
		p = p.With("authtype", string(b.AuthType))
	}
	return p
}

// Answers of BindAck, RebindAck and UnbindAck in the prop r. Of UploadDataAck and Kick see AnswerRefused and the others.
const (
	// AnswerOK means that it is done.
	AnswerOK = 0
	// AnswerMalformed, in BindAck and RebindAck, refuses for good what is no bind.
	AnswerMalformed = 1
	// AnswerCredentials refuses for good who is not who it says.
	AnswerCredentials = 2
	// AnswerNotAllowed refuses for good who may not bind.
	AnswerNotAllowed = 3

	// AnswerUnknown, in UnbindAck, means that there is no such bind.
	AnswerUnknown = 1
	// AnswerRefused, in UploadDataAck, means that not all was accepted.
	AnswerRefused = 1

	// KickTakenOver, in Kick, means that the same user has bound elsewhere.
	KickTakenOver = 1
	// KickByOperator means that somebody has ended the session.
	KickByOperator = 2
)
