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

// block is a fenced block of README.md that is marked with a comment before it: <!-- test: broker -->,
// <!-- test: subscribe -->, <!-- test: publish --> or <!-- test: story -->.
var block = regexp.MustCompile("(?s)<!-- test: (\\w+) -->\n```sh\n(.*?)```")

// line is a command of a block, and what the comment behind it says that it prints.
type line struct{ command, prints string }

func linesOf(text string) (out []line) {
	for l := range strings.Lines(text) {
		command, comment, _ := strings.Cut(strings.TrimSpace(l), "  #")
		prints, _ := strings.CutPrefix(strings.TrimSpace(comment), "prints: ")
		if prints == strings.TrimSpace(comment) {
			prints = ""
		}
		out = append(out, line{strings.TrimSpace(command), prints})
	}
	return out
}

// The README's commands do what it says, in a shell, with the ports and the data directory changed to free ones. A
// broker serves the blocks that follow, up to the next one.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	var n *node
	var subscribe []line
	ran := make(map[string]int)
	for _, m := range block.FindAllStringSubmatch(string(text), -1) {
		lines := linesOf(m[2])
		ran[m[1]]++
		switch m[1] {
		case "broker":
			n = startCommand(t, shell(t, "", lines[0].command, "HOLDFAST_LISTEN=mqtt://127.0.0.1:0", "HOLDFAST_API=127.0.0.1:0",
				"HOLDFAST_DATA="+filepath.Join(t.TempDir(), "data")))
			checkAPI(t, n)
		case "subscribe":
			subscribe = lines
		case "publish":
			if len(lines) != len(subscribe) {
				t.Fatalf("got %d commands that publish and %d that subscribe, want as many", len(lines), len(subscribe))
			}
			for i := range lines {
				seeArrive(t, n, subscribe[i].command, lines[i].command)
			}
		case "story":
			for _, l := range lines {
				tell(t, n, l)
			}
		default:
			t.Errorf("got a block %q, want one that this test knows", m[1])
		}
	}
	if ran["broker"] < 2 || ran["publish"] != 1 || ran["story"] < 3 {
		t.Errorf("got blocks %v, want two brokers, one that publishes and three stories", ran)
	}
}

// seeArrive has a subscriber get what a publisher sends.
func seeArrive(t *testing.T, n *node, subscribe, publish string) {
	t.Helper()
	sub := shell(t, n.port, subscribe)
	// -d tells when it has subscribed; stdbuf because the C library would keep the line back.
	sub.Args[2] = "exec stdbuf -oL " + sub.Args[2] + " -d"
	c := startClientCmd(t, "ubscribed", sub)
	pub := shell(t, n.port, publish)
	if out, err := pub.CombinedOutput(); err != nil {
		t.Errorf("%s: %v: %s", publish, err, out)
	}
	c.waitForLine(t, "a/b hi")
}

// tell runs a command to its end and compares what it prints.
func tell(t *testing.T, n *node, l line) {
	t.Helper()
	cmd := shell(t, n.port, l.command)
	cmd.Args[2] = "exec " + cmd.Args[2]
	c := startClientCmd(t, "", cmd)
	code, out := c.wait()
	if want := l.prints; code != 0 || strings.TrimSuffix(out, "\n") != want {
		t.Errorf("%s: got exit code %d, %q, %s, want 0, %q", l.command, code, out, c.stderr.String(), want)
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
