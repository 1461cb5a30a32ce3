package mqtt

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

// lines is a log that several goroutines write.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// TestRefusedIsLogged: at debug the log tells why a client was not let in, and says nothing of its password.
func TestRefusedIsLogged(t *testing.T) {
	for _, tt := range []struct{ connect, answer, want string }{
		{"v5 id=pump username=x password=secret clean", "CONNACK 86", `client_id=pump remote=`},
		{"v4 id=pump username=x password=secret clean", "CONNACK 86", `reason="client is not authenticated"`},
		{"v4 id= clean=0", "CONNACK 87", `msg=not_connected client_id="" `},
	} {
		synctest.Test(t, func(t *testing.T) {
			var log lines
			s := newServer(t, setup{loop: netloop.Config{Portable: true}, mqtt: Config{
				Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
				Authenticator: authenticator(func(context.Context, *broker.ConnectRequest) (broker.Decision, *broker.Identity, error) {
					return broker.Deny, nil, nil
				}),
			}})
			refusedAs(s, tt.connect, tt.answer)
			synctest.Wait()
			if got := log.String(); !strings.Contains(got, "not_connected") || !strings.Contains(got, tt.want) || strings.Contains(got, "secret") {
				t.Errorf("%s: got log %q, want %q", tt.connect, got, tt.want)
			}
		})
	}
}
