//go:build system

package system

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestSecrets runs a broker whose settings and clients are full of secrets, at its most talkative, while the services it
// asks fail. Nothing that it shows holds one.
func TestSecrets(t *testing.T) {
	const secret = "s3cr3t"
	header := filepath.Join(t.TempDir(), "header")
	if err := os.WriteFile(header, []byte("Bearer "+secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	url := "http://" + secret + ":" + secret + "@127.0.0.1:1/?key=" + secret // where nobody listens
	env := append(os.Environ(), "HOLDFAST_AUTH_HTTP_URL="+url, "HOLDFAST_AUTH_JWT_KEYS_URL="+url, "HOLDFAST_AUTH_HTTP_PLAIN=true",
		"HOLDFAST_AUTH_HTTP_HEADER_FILE="+header)
	cmd := exec.Command(binary(t), "serve", "--listen", "mqtt://127.0.0.1:0", "--api", "127.0.0.1:0", "--data", "memory", "--log-level", "debug")
	cmd.Env = env
	n := startCommand(t, cmd)
	without := func(what, text, want string) {
		t.Helper()
		if strings.Contains(text, secret) || !strings.Contains(text, want) {
			t.Errorf("%s: got %s, want %q in it and no secret", what, text, want)
		}
	}
	for _, password := range []string{secret, "e30.e30." + secret} { // the latter is taken for a token
		code, out := n.run(t, "mosquitto_pub", "-p", n.port, "-V", "5", "-t", "t", "-m", secret, "-u", "alice", "-P", password)
		if code == 0 {
			t.Error("a client got in although the service cannot be asked")
		}
		without("mosquitto_pub", out, "")
	}
	for _, path := range []string{"/metrics", "/readyz", "/healthz"} {
		without(path, n.answer(t, path), "")
	}
	without("log", n.text(), "cannot fetch the keys of tokens")

	show := exec.Command(binary(t), "config", "show")
	show.Env = env
	out, err := show.CombinedOutput()
	if err != nil {
		t.Fatalf("config show: %v: %s", err, out)
	}
	without("config show", string(out), "http_url: http://xxxxx@127.0.0.1:1/?xxxxx")
}
