//go:build system

package system

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

const root = "../.."

// block is a fenced block of README.md that is marked with a comment before it:
// <!-- test: broker -->, <!-- test: subscribe --> or <!-- test: publish -->.
var block = regexp.MustCompile("(?s)<!-- test: (\\w+) -->\n```sh\n(.*?)```")

// The README's first commands do what it says, in a shell, with the ports changed to free ones.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := make(map[string][]string)
	for _, m := range block.FindAllStringSubmatch(string(text), -1) {
		for line := range strings.Lines(m[2]) {
			command, _, _ := strings.Cut(strings.TrimSpace(line), "  #")
			blocks[m[1]] = append(blocks[m[1]], strings.TrimSpace(command))
		}
	}
	if len(blocks["broker"]) != 1 || len(blocks["subscribe"]) == 0 || len(blocks["subscribe"]) != len(blocks["publish"]) {
		t.Fatalf("got %v, want one command that starts the broker and as many publish as subscribe", blocks)
	}
	n := startCommand(t, shell(t, "", blocks["broker"][0],
		"HOLDFAST_LISTEN=mqtt://127.0.0.1:0", "HOLDFAST_API=127.0.0.1:0"))
	checkAPI(t, n)
	for i, command := range blocks["subscribe"] {
		sub := shell(t, n.port, command)
		// -d tells when it has subscribed; stdbuf because the C library would keep the line back.
		sub.Args[2] = "exec stdbuf -oL " + sub.Args[2] + " -d"
		c := startClientCmd(t, "ubscribed", sub)
		pub := shell(t, n.port, blocks["publish"][i])
		if out, err := pub.CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", blocks["publish"][i], err, out)
		}
		c.waitForLine(t, "a/b hi")
	}
}

// shell runs a command line of the README with the repository as its directory. -p is added to the
// commands that connect.
func shell(t *testing.T, port, command string, env ...string) *exec.Cmd {
	t.Helper()
	if port != "" {
		command += " -p " + port
	}
	cmd := exec.Command("bash", "-c", command)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), env...)
	return cmd
}

func checkAPI(t *testing.T, n *node) {
	t.Helper()
	client := http.Client{Timeout: 10 * time.Second}
	for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
		resp, err := client.Get("http://" + n.api + path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s: got %s, want 200", path, resp.Status)
		}
	}
}
