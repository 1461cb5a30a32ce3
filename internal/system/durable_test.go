//go:build system

package system

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// run runs a program to its end and returns its exit code and what it printed.
func (n *node) run(t testing.TB, name string, args ...string) (code int, output string) {
	t.Helper()
	if name == "holdfast" {
		name = binary(t)
	}
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return exit.ExitCode(), string(out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return 0, string(out)
}

// TestRestartKeepsAll ends a node in good order, and another by SIGKILL, and
// finds Session, mailbox, inbox and retained message again with Debian's clients.
func TestRestartKeepsAll(t *testing.T) {
	for _, end := range []struct {
		name string
		end  func(t *testing.T, n *node)
	}{
		{"SIGTERM", func(t *testing.T, n *node) {
			if _, err := n.stop(t); err != nil {
				t.Fatalf("got exit %v, want code 0", err)
			}
		}},
		{"SIGKILL", func(t *testing.T, n *node) {
			if err := n.cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			if err := <-n.exit; err == nil {
				t.Error("killed: got exit code 0")
			}
		}},
	} {
		t.Run(end.name, func(t *testing.T) {
			data := filepath.Join(t.TempDir(), "data")
			n := startNode(t, "--data", data)
			big := strings.Repeat("x", 5000) // is read from the disk when it is sent
			must := func(name string, args ...string) string {
				t.Helper()
				code, out := n.run(t, name, append(args, "-p", n.port)...)
				if code != 0 {
					t.Fatalf("%s %v: got exit code %d: %s", name, args, code, out)
				}
				return out
			}
			must("mosquitto_sub", "-i", "sleeper", "-c", "-q", "2", "-t", "t", "-E")
			must("mosquitto_pub", "-q", "1", "-t", "t", "-m", "first")
			must("mosquitto_pub", "-q", "2", "-t", "t", "-m", "second")
			must("mosquitto_pub", "-q", "1", "-t", "inbox/never-seen", "-m", "to you")
			must("mosquitto_pub", "-q", "1", "-r", "-t", "kept", "-m", big)
			end.end(t, n)
			n = startNode(t, "--data", data)
			must("mosquitto_pub", "-q", "2", "-t", "t", "-m", "third")
			if got := must("mosquitto_sub", "-i", "sleeper", "-c", "-q", "2", "-t", "t", "-C", "3", "-W", "20"); got != "first\nsecond\nthird\n" {
				t.Errorf("the sleeper: got %q, want first, second, third", got)
			}
			// Clean Session is set, and nothing subscribed to that concerns the inbox.
			if got := must("mosquitto_sub", "-i", "never-seen", "-t", "other", "-C", "1", "-W", "20"); got != "to you\n" {
				t.Errorf("the inbox: got %q, want to you", got)
			}
			if got := must("mosquitto_sub", "-t", "kept", "-C", "1", "-W", "20"); got != big+"\n" {
				t.Errorf("retained: got %d bytes, want %d", len(got), len(big)+1)
			}
		})
	}
}

// TestDiskFull fills the disk, as far as the node's reserve is concerned, and makes room again.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		t.Fatal(err)
	}
	free := int64(fs.Bavail) * fs.Bsize
	n := startNode(t, "--data", filepath.Join(dir, "data"), "--config", writeConfig(t, "storage:\n  min_free: "+strconv.FormatInt(free-free/4, 10)+"\n"))
	publish := func(qos, want string) (string, bool) {
		code, out := n.run(t, "holdfast", "pub", "-p", n.port, "-V", "mqttv5", "-q", qos, "-t", "t", "-m", "m")
		return out, (code == 0) == (want == "")
	}
	if code, out := n.run(t, "mosquitto_sub", "-p", n.port, "-i", "sleeper", "-c", "-q", "1", "-t", "t", "-E"); code != 0 {
		t.Fatalf("subscribe: got exit code %d: %s", code, out)
	}
	await := func(what, qos, want string) {
		t.Helper()
		began := time.Now()
		for {
			out, ok := publish(qos, want)
			if ok && strings.Contains(strings.ToLower(out), want) {
				return
			}
			if time.Since(began) > deadline {
				t.Fatalf("%s: a publish still prints %q, want it to hold %q", what, out, want)
			}
		}
	}
	await("with room", "1", "")
	filler := filepath.Join(dir, "filler")
	f, err := os.Create(filler)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Fallocate(int(f.Fd()), 0, 0, free/3); err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	await("when the disk is full", "1", "quota exceeded")
	if out, ok := publish("0", ""); !ok {
		t.Errorf("QoS 0 when the disk is full: got %s, want it to go on", out)
	}
	if code, out := n.run(t, "mosquitto_sub", "-p", n.port, "-i", "sleeper", "-c", "-q", "1", "-t", "t", "-C", "1", "-W", "20"); code != 0 || out != "m\n" {
		t.Errorf("what was there before: got exit code %d, %q, want it delivered", code, out)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	await("with room again", "1", "")
	if !strings.Contains(n.text(), "disk is full") {
		t.Error("log: got nothing of the full disk")
	}
}

// writeConfig returns the path of a configuration file.
func writeConfig(t testing.TB, yaml string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "holdfast.yaml")
	if err := os.WriteFile(path, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
