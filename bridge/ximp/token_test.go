package ximp

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
	"github.com/holdfast-mqtt/holdfast/broker"
)

// TestSecretRAM: a signed user whose token is known must have made its secret_ram with that, and the token shows nowhere.
func TestSecretRAM(t *testing.T) {
	const token = "t0ken-of-alice"
	known := func(app uint16, user, signature string) packet.Key {
		if app == testAppID && user == "alice" && signature == "good" {
			return token
		}
		return "another"
	}
	long := func(uint16, string, string) packet.Key { return packet.Key(strings.Repeat("x", packet.MaxKey+1)) }
	made := func(key packet.Key, nonce string) func(r *packet.LoginRequest) {
		return func(r *packet.LoginRequest) {
			if nonce == "" {
				nonce = string(r.ServerRAM)
			}
			r.SecretRAM = packet.SecretRAM(key, []byte(nonce), []byte("12345678"))
		}
	}
	for _, tt := range []struct {
		name   string
		rules  Rules
		given  broker.Secret // by the Authenticator
		guest  bool
		change func(*packet.LoginRequest)
		want   packet.Code // 0 is in
	}{
		{name: "made with it", given: token, change: made(token, "")},
		{name: "made with another", given: token, change: made("another", ""), want: packet.CodeCredentials},
		{name: "of another nonce", given: token, change: made(token, strings.Repeat("A", 26)), want: packet.CodeCredentials},
		{name: "too short", given: token, change: func(r *packet.LoginRequest) { r.SecretRAM = packet.SecretRAM(token, r.ServerRAM[:25], nil) },
			want: packet.CodeCredentials},
		{name: "the nonce alone", given: token, change: func(r *packet.LoginRequest) { r.SecretRAM = packet.SecretRAM(token, r.ServerRAM, nil) }},
		{name: "in the clear", given: token, change: made("", ""), want: packet.CodeCredentials},
		{name: "none is known", change: made("another", "")},
		{name: "none is known, but one is required", rules: Rules{SecretRAM: SecretRequire}, change: made(token, ""), want: packet.CodeCredentials},
		{name: "required and known", rules: Rules{SecretRAM: SecretRequire}, given: token, change: made(token, "")},
		{name: "ignored", rules: Rules{SecretRAM: SecretIgnore}, given: token, change: made("another", "")},
		{name: "the app's", rules: Rules{Token: known}, change: made(token, "")},
		{name: "not the app's", rules: Rules{Token: known}, change: made("another", ""), want: packet.CodeCredentials},
		{name: "the Authenticator's before the app's", rules: Rules{Token: known}, given: "another", change: made("another", "")},
		{name: "too long to be one", rules: Rules{Token: long}, change: made(token, ""), want: packet.CodeCredentials},
		{name: "guest", rules: Rules{SecretRAM: SecretRequire}, given: token, guest: true, change: made("another", "")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var log bytes.Buffer
			logger := slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
			g := &gate{asked: make(chan *broker.ConnectRequest, 1), answer: func(*broker.ConnectRequest) (broker.Decision, *broker.Identity, error) {
				return broker.Allow, &broker.Identity{Token: tt.given}, nil
			}}
			cfg := setup{listener: Listener{Rules: &tt.rules}, ximp: Config{Authenticator: g, Logger: logger}}
			inBubble(t, cfg, func(s *testServer) {
				c := s.connect("alice")
				sig := []byte("good")
				if tt.guest {
					sig = nil
				}
				sn := c.sendLogin(c.initLogin(sig), "d", tt.change)
				if tt.want != 0 {
					c.wantError(sn, tt.want)
					if got := s.ximp.Stats().Unauthenticated; got != 1 {
						t.Errorf("Unauthenticated: got %d, want 1", got)
					}
				} else if m := c.next(); m == nil || m.Response == nil || m.Response.Login == nil {
					t.Fatalf("got %s, want LoginResp", show(m))
				}
				s.shutdown()
			})
			if shown := log.String() + fmt.Sprintf("%v %#v %+v %#v", tt.given, tt.given, broker.Identity{Token: tt.given}, broker.Identity{Token: tt.given}); strings.Contains(shown, token) {
				t.Errorf("the token shows: %s", shown)
			}
		})
	}
}
