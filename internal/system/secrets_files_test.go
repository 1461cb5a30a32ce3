//go:build system

package system

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestSecretFiles runs a broker whose files all hold secrets, at its most talkative, with clients of each protocol that present wrong
// ones; then the files go bad. Nothing that it shows holds one, neither what it was told nor a part of a file, a hash or a key.
func TestSecretFiles(t *testing.T) {
	const secret = "s3cr3t" // is in all that people have chosen
	dir := t.TempDir()
	newAuthority(t, dir).server("server", "server")
	file := func(name string) string { return filepath.Join(dir, name) }
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(file(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, args := range map[string][]string{"users": nil, "scram": {"--scram"}} {
		cmd := exec.Command(binary(t), append(append([]string{"passwd", "--password-stdin"}, args...), file(name), "alice")...)
		cmd.Stdin = strings.NewReader(secret + "-" + name)
		if out, err := cmd.CombinedOutput(); err != nil || bytes.Contains(out, []byte(secret)) {
			t.Fatalf("passwd: %v: %s", err, out)
		}
	}
	write("jwt", secret+"-jwt-of-thirty-two-bytes-or-more")
	write("header", "Bearer "+secret+"-header\n")
	write("sign", secret+"-sign")
	write("wrong", secret+"-wrong")
	write("native.yaml", `
ximp: {apps: {"2080": default}, keys: {"2080-102": `+secret+`-key}, guests: check, salts: {"2080": `+secret+`-salt}}
miop: {apps: {"7": {app: default, sign: hmac-sha256, sign_secret_file: `+file("sign")+`, sign_age: 1h}}}
`)
	write("holdfast.yaml", `
listen: ["mqtt://127.0.0.1:0", "mqtts://127.0.0.1:0", "ximp://127.0.0.1:0?profile=`+file("native.yaml")+`", "miop://127.0.0.1:0?profile=`+file("native.yaml")+`"]
api: 127.0.0.1:0
data: `+file("data")+`
log_level: debug
tls: {cert: `+file("server.pem")+`, key: `+file("server.key")+`}
auth:
  password_file: `+file("users")+`
  scram_file: `+file("scram")+`
  jwt_secret_file: `+file("jwt")+`
  http_url: http://`+secret+`:`+secret+`@127.0.0.1:1/`+`?key=`+secret+`
  http_header_file: `+file("header")+`
  http_plain: true
`)
	hidden := []string{secret}
	for _, name := range []string{"users", "scram", "server.key"} {
		hidden = append(hidden, longWords(t, file(name))...)
	}
	without := func(what, text string, want ...string) {
		t.Helper()
		for _, h := range hidden {
			if strings.Contains(text, h) {
				t.Errorf("%s: got %s, which holds %q", what, text, h)
			}
		}
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("%s: got %s, want %q in it", what, text, w)
			}
		}
	}

	n := startCommand(t, exec.Command(binary(t), "serve", "--config", file("holdfast.yaml")))
	show, err := exec.Command(binary(t), "config", "show", "--config", file("holdfast.yaml")).CombinedOutput()
	if err != nil {
		t.Errorf("config show: %v", err)
	}
	without("config show", string(show), "http_url: http://xxxxx@127.0.0.1:1/?xxxxx", "jwt_secret_file: "+file("jwt"))

	ports := n.ports()
	for _, password := range []string{secret, "e30.e30." + secret, "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0." + secret} {
		for _, user := range []string{"alice", "bob"} { // the latter is for the service, which is not there
			code, out := n.run(t, "mosquitto_pub", "-p", n.port, "-V", "5", "-t", secret, "-m", secret, "-u", user, "-P", password)
			if code == 0 {
				t.Errorf("%s got in with a wrong password: %s", user, out)
			}
		}
	}
	for _, args := range [][]string{
		{"ximp", "login", "-L", "ximp://127.0.0.1:" + ports["ximp"][0], "-u", "alice", "--key-file", file("wrong")},
		{"ximp", "login", "-L", "ximp://127.0.0.1:" + ports["ximp"][0], "-u", "guest-of-more-than-12", "--salt-file", file("wrong"), "--key-file", file("wrong")},
		{"ximp", "login", "-L", "ximp://127.0.0.1:" + ports["ximp"][0], "-u", "alice", "--sig-file", file("wrong"), "--token-file", file("wrong")},
		{"miop", "listen", "alice@7", "-h", "127.0.0.1", "-p", ports["miop"][0], "--sign-file", file("wrong"), "-W", "1"},
	} {
		out, err := exec.Command(binary(t), args...).CombinedOutput()
		if err == nil {
			t.Errorf("%q: got in with wrong secrets: %s", args, out)
		}
		without("holdfast "+args[0], string(out))
	}
	for _, path := range []string{"/metrics", "/readyz", "/healthz", "/v1/store/stats", "/v1/" + secret[:3]} {
		without(path, n.answer(t, path))
	}

	for _, name := range []string{"users", "scram", "jwt", "server.key", "native.yaml"} {
		write(name, "alice:"+secret+"\n"+secret) // a hash that is none; a secret that is too short; no PEM; no YAML
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(deadline); strings.Count(n.text(), "cannot read a file") < 3 && time.Now().Before(end); <-tick.C {
	}
	for end := time.Now().Add(deadline); !strings.Contains(n.text(), "tls_files_unreadable") && time.Now().Before(end); <-tick.C {
		_ = startClient(t, "", "mosquitto_pub", "-p", ports["mqtts"][0], "--cafile", file("ca.pem"), "-t", "t", "-m", "m")
	}
	without("log", n.text(), file("users"), file("scram"), file("jwt"), "tls_files_unreadable", "authentication_failed")
	check, err := exec.Command(binary(t), "config", "check", file("holdfast.yaml")).CombinedOutput()
	if err == nil {
		t.Errorf("config check: got %s and no fault, want those of the profile", check)
	}
	without("config check", string(check), "native.yaml")
	again, err := exec.Command(binary(t), "serve", "--config", file("holdfast.yaml")).CombinedOutput()
	if err == nil {
		t.Errorf("serve: got %s and no fault", again)
	}
	without("serve", string(again), "native.yaml")
	if _, err := n.stop(t); err != nil {
		t.Errorf("got the broker's end with %v, want none", err)
	}
	without("log at the end", n.text(), "stopped")
}

// longWords are what a file holds between separators, as far as nobody shows it by chance.
func longWords(t *testing.T, path string) (words []string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range strings.FieldsFunc(string(text), func(r rune) bool { return strings.ContainsRune(":$,= \n", r) }) {
		if len(w) >= 16 {
			words = append(words, w)
		}
	}
	if len(words) == 0 {
		t.Fatalf("%s: got nothing to hide", path)
	}
	return words
}
