package auth

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// Greatest lengths of a service's answer and of a token in it, in bytes.
const (
	maxAnswer = 64 << 10
	maxShared = 256 // RC4 takes no longer keys
)

// questionJSON is what a service is told about a client.
type questionJSON struct {
	App            string           `json:"app"`
	ClientID       string           `json:"client_id,omitempty"`
	User           *string          `json:"user,omitempty"`
	Password       *string          `json:"password,omitempty"`
	PasswordBase64 *string          `json:"password_base64,omitempty"`
	Address        string           `json:"address,omitempty"`
	Listener       string           `json:"listener"`
	Protocol       string           `json:"protocol"`
	Version        uint8            `json:"version"`
	Certificate    *certificateJSON `json:"certificate,omitempty"`
}

type certificateJSON struct {
	CommonName string `json:"common_name"`
	SHA256     string `json:"sha256"`
}

// question puts a client into JSON. Equal clients have equal questions; the port does not count.
func question(r *broker.ConnectRequest) ([]byte, error) {
	q := questionJSON{App: r.App, ClientID: r.ClientID, Listener: r.Listener, Protocol: r.Protocol, Version: r.Version}
	if r.HasUser {
		q.User = &r.User
	}
	if r.HasPassword {
		if utf8.Valid(r.Password) {
			q.Password = new(string(r.Password))
		} else {
			q.PasswordBase64 = new(base64.StdEncoding.EncodeToString(r.Password))
		}
	}
	if r.Remote.IsValid() {
		q.Address = r.Remote.Addr().Unmap().String()
	}
	if r.Certificate != nil {
		sum := sha256.Sum256(r.Certificate.Raw)
		q.Certificate = &certificateJSON{CommonName: r.Certificate.Subject.CommonName, SHA256: hex.EncodeToString(sum[:])}
	}
	return json.Marshal(q)
}

// answerJSON is what a service says.
type answerJSON struct {
	Decision string   `json:"decision"`
	App      string   `json:"app"`
	ClientID string   `json:"client_id"`
	User     string   `json:"user"`
	Expires  float64  `json:"expires"`
	ACL      *aclJSON `json:"acl"`
	Token    string   `json:"token"`
}

// aclJSON refuses what it does not know: what restricts in the mind of its author must not be left out.
type aclJSON struct{ publish, subscribe []string }

func (a *aclJSON) UnmarshalJSON(data []byte) error {
	var fields struct {
		Publish   []string `json:"publish"`
		Subscribe []string `json:"subscribe"`
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	err := dec.Decode(&fields)
	a.publish, a.subscribe = fields.Publish, fields.Subscribe
	return err
}

// verdict is an answer that has been checked. It does not change.
type verdict struct {
	decision broker.Decision
	banned   bool            // the client is to be told so; the decision is Deny
	identity broker.Identity // if the decision is Allow
}

var (
	errAnswer   = errors.New("the service's answer is not the JSON that was agreed on")
	errDecision = errors.New("the service's decision is none of allow, deny, ban and ignore")
	errNames    = errors.New("a name in the service's answer can't be one")
)

// parseAnswer reads an answer. Errors do not repeat it.
func (h *HTTP) parseAnswer(data []byte) (*verdict, error) {
	var a answerJSON
	if err := json.Unmarshal(data, &a); err != nil {
		return nil, errAnswer
	}
	switch a.Decision {
	case "allow":
	case "deny":
		return &verdict{decision: broker.Deny}, nil
	case "ban":
		return &verdict{decision: broker.Deny, banned: true}, nil
	case "ignore":
		return &verdict{decision: broker.Ignore}, nil
	default:
		return nil, errDecision
	}
	if len(a.Token) > maxShared {
		return nil, errAnswer
	}
	if !validName(a.ClientID) || !validName(a.User) || a.App != "" && !validApp(a.App) {
		return nil, errNames
	}
	v := &verdict{decision: broker.Allow, identity: broker.Identity{
		App: a.App, ClientID: a.ClientID, User: a.User, Token: broker.Secret(a.Token),
	}}
	const year10000 = 253402300800
	switch {
	case a.Expires < 0 || a.Expires >= year10000:
		return nil, errAnswer
	case a.Expires > 0:
		v.identity.Expires = time.Unix(int64(a.Expires), 0)
	}
	if a.ACL != nil {
		p, err := grant(h.cfg.Grant, a.ACL.publish, a.ACL.subscribe)
		if err != nil {
			return nil, fmt.Errorf("acl of the service's answer: %w", err)
		}
		v.identity.Permissions = p
	}
	return v, nil
}

// about tells a client what the answer means for it now.
func (v *verdict) about(r *broker.ConnectRequest, now time.Time) (broker.Decision, *broker.Identity, error) {
	switch {
	case v.banned:
		return broker.Deny, nil, broker.ErrBanned
	case v.decision != broker.Allow:
		return v.decision, nil, nil
	case !ownClientID(r.ClientID, v.identity.ClientID):
		return broker.Deny, nil, ErrClientID
	case !v.identity.Expires.IsZero() && !now.Before(v.identity.Expires):
		return broker.Deny, nil, nil
	}
	id := v.identity
	return broker.Allow, &id, nil
}
