package auth

import (
	"context"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/holdfast-mqtt/holdfast/broker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// hookFunc is an Authenticator made of a function.
type hookFunc func(ctx context.Context, r *broker.ConnectRequest) (broker.Decision, *broker.Identity, error)

func (f hookFunc) OnConnectAuthenticate(ctx context.Context, r *broker.ConnectRequest) (broker.Decision, *broker.Identity, error) {
	return f(ctx, r)
}

// says is an Authenticator that always says the same.
func says(d broker.Decision, id *broker.Identity, err error) broker.Authenticator {
	return hookFunc(func(context.Context, *broker.ConnectRequest) (broker.Decision, *broker.Identity, error) {
		return d, id, err
	})
}

// withPassword is a client that presents a User Name and a password.
func withPassword(user, password string) *broker.ConnectRequest {
	return &broker.ConnectRequest{App: "default", ClientID: "c1", User: user, HasUser: true, Password: []byte(password), HasPassword: true,
		Remote: netip.MustParseAddrPort("203.0.113.7:4711"), Listener: "mqtt://0.0.0.0:1883", Protocol: "mqtt", Version: 4}
}

// ask calls an Authenticator for a test that has no use for a context of its own.
func ask(t *testing.T, a broker.Authenticator, r *broker.ConnectRequest) (broker.Decision, *broker.Identity, error) {
	t.Helper()
	return a.OnConnectAuthenticate(t.Context(), r)
}

// header is that of requests with one field.
func header(name, value string) func() http.Header {
	return func() http.Header { return http.Header{name: {value}} }
}

// writeFile writes a file for a test and returns its path.
func writeFile(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
