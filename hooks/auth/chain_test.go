package auth

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker"
)

func TestChain(t *testing.T) {
	alice, bob := &broker.Identity{User: "alice"}, &broker.Identity{User: "bob"}
	ignores, allows, denies := says(broker.Ignore, bob, nil), says(broker.Allow, alice, nil), says(broker.Deny, bob, nil)
	broken := errors.New("broken")
	for _, tt := range []struct {
		name  string
		hooks []broker.Authenticator
		want  broker.Decision
		id    *broker.Identity
		err   error
	}{
		{"nobody to ask", nil, broker.Deny, nil, nil},
		{"nobody knows", []broker.Authenticator{ignores, ignores}, broker.Deny, nil, nil},
		{"the first that knows allows", []broker.Authenticator{ignores, allows, denies}, broker.Allow, alice, nil},
		{"the first that knows denies", []broker.Authenticator{ignores, denies, allows}, broker.Deny, nil, nil},
		{"allow without an identity", []broker.Authenticator{says(broker.Allow, nil, nil)}, broker.Allow, nil, nil},
		{"an error denies", []broker.Authenticator{says(broker.Allow, alice, broken), allows}, broker.Deny, nil, broken},
		{"an error with Ignore denies", []broker.Authenticator{says(broker.Ignore, nil, broken), allows}, broker.Deny, nil, broken},
		{"a decision that is none denies", []broker.Authenticator{says(broker.Decision(9), alice, nil), allows}, broker.Deny, nil, nil},
	} {
		var links []Link
		for _, h := range tt.hooks {
			links = append(links, Link{Name: "link", Hook: h})
		}
		d, id, err := ask(t, NewChain(nil, links...), withPassword("u", "p"))
		if d != tt.want || id != tt.id || !errors.Is(err, tt.err) {
			t.Errorf("%s: got %d, %v, %v, want %d, %v, %v", tt.name, d, id, err, tt.want, tt.id, tt.err)
		}
		if tt.err != nil && !strings.HasPrefix(err.Error(), "link: ") {
			t.Errorf("%s: got %q, want it to name the link", tt.name, err)
		}
	}
}

func TestChainEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("the client is gone")
	c := NewChain(nil, Link{"first", hookFunc(func(context.Context, *broker.ConnectRequest) (broker.Decision, *broker.Identity, error) {
		cancel(reason)
		return broker.Ignore, nil, nil
	})}, Link{"second", says(broker.Allow, nil, nil)})
	d, _, err := c.OnConnectAuthenticate(ctx, withPassword("u", "p"))
	if d != broker.Deny || !errors.Is(err, reason) {
		t.Errorf("got %d, %v, want Deny, %v", d, err, reason)
	}
}

func TestChainStats(t *testing.T) {
	var what broker.Authenticator
	c := NewChain(nil, Link{"a", hookFunc(func(ctx context.Context, r *broker.ConnectRequest) (broker.Decision, *broker.Identity, error) {
		return what.OnConnectAuthenticate(ctx, r)
	})})
	for _, what = range []broker.Authenticator{says(broker.Allow, nil, nil), says(broker.Deny, nil, nil), says(broker.Deny, nil, nil),
		says(broker.Deny, nil, ErrUnavailable), says(broker.Deny, nil, broker.ErrBanned), says(broker.Ignore, nil, nil)} {
		_, _, _ = ask(t, c, withPassword("u", "p"))
	}
	want := ChainStats{Links: []LinkStats{{Name: "a", Allowed: 1, Denied: 3, Failed: 1}}, Unknown: 1}
	if got := c.Stats(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestAnonymous(t *testing.T) {
	bare := &broker.ConnectRequest{ClientID: "c"}
	password := &broker.ConnectRequest{HasPassword: true}
	for _, tt := range []struct {
		n    Anonymous
		r    *broker.ConnectRequest
		want broker.Decision
	}{
		{Anonymous{}, bare, broker.Allow},
		{Anonymous{}, password, broker.Ignore},
		{Anonymous{}, withPassword("u", ""), broker.Ignore},
		{Anonymous{Anybody: true}, bare, broker.Allow},
		{Anonymous{Anybody: true}, withPassword("u", "p"), broker.Allow},
	} {
		d, id, err := ask(t, tt.n, tt.r)
		if d != tt.want || id != nil || err != nil {
			t.Errorf("%+v for user %q: got %d, %v, %v, want %d", tt.n, tt.r.User, d, id, err, tt.want)
		}
	}
}

// A chain of a service of one's own and of clients without credentials.
func ExampleChain() {
	tokens := hookFunc(func(_ context.Context, r *broker.ConnectRequest) (broker.Decision, *broker.Identity, error) {
		switch {
		case r.User != "robot":
			return broker.Ignore, nil, nil
		case string(r.Password) != "beep":
			return broker.Deny, nil, nil
		}
		return broker.Allow, &broker.Identity{App: "robots"}, nil
	})
	chain := NewChain(NewFailures(FailuresConfig{}), Link{"robots", tokens}, Link{"anonymous", Anonymous{}})
	for _, r := range []*broker.ConnectRequest{
		{User: "robot", HasUser: true, Password: []byte("beep"), HasPassword: true},
		{User: "robot", HasUser: true, Password: []byte("boop"), HasPassword: true},
		{User: "human", HasUser: true, Password: []byte("beep"), HasPassword: true},
		{ClientID: "sensor"},
	} {
		d, id, err := chain.OnConnectAuthenticate(context.Background(), r)
		fmt.Printf("%q: let in %v, %+v, %v\n", r.User, d == broker.Allow, id, err)
	}
	fmt.Printf("%+v\n", chain.Stats())
	// Output:
	// "robot": let in true, &{App:robots ClientID: User: Permissions:<nil> Expires:0001-01-01 00:00:00 +0000 UTC Token:none}, <nil>
	// "robot": let in false, <nil>, <nil>
	// "human": let in false, <nil>, <nil>
	// "": let in true, <nil>, <nil>
	// {Links:[{Name:robots Allowed:1 Denied:1 Failed:0} {Name:anonymous Allowed:1 Denied:0 Failed:0}] Unknown:1 Blocked:0}
}
