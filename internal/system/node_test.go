//go:build system

package system

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// deadline bounds each wait for a process. It is long for a loaded machine; no test takes that long.
const deadline = 60 * time.Second

// binary is the program under test.
func binary(t testing.TB) string {
	t.Helper()
	path := os.Getenv("SYSTEM_TEST_BINARY")
	if path == "" {
		t.Fatal("SYSTEM_TEST_BINARY is not set: run 'make system'")
	}
	return path
}

// node is a running broker.
type node struct {
	cmd  *exec.Cmd
	port string // of the first mqtt:// listener
	api  string // HOST:PORT
	exit chan error

	mu  sync.Mutex
	log strings.Builder
}

var (
	mqttURL = regexp.MustCompile(`url=mqtt://127\.0\.0\.1:(\d+)`)
	apiURL  = regexp.MustCompile(`url=http://(127\.0\.0\.1:\d+)`)
)

// startNode runs `holdfast serve` on free ports, with a data directory of its own unless args name one, and returns when
// it is ready. It ends with the test.
func startNode(t testing.TB, args ...string) *node {
	t.Helper()
	args = append([]string{
		"serve", "--listen", "mqtt://127.0.0.1:0", "--api", "127.0.0.1:0", "--data", filepath.Join(t.TempDir(), "data"),
	}, args...)
	return startCommand(t, exec.Command(binary(t), args...))
}

// startCommand runs cmd, which becomes a broker, in a process group of its own.
func startCommand(t testing.TB, cmd *exec.Cmd) *node {
	t.Helper()
	n := &node{cmd: cmd, exit: make(chan error, 1)}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = w
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	ready := make(chan bool, 1)
	var wg sync.WaitGroup
	wg.Go(func() {
		defer r.Close()
		for scan := bufio.NewScanner(r); scan.Scan(); {
			n.mu.Lock()
			fmt.Fprintln(&n.log, scan.Text())
			n.mu.Unlock()
			if strings.Contains(scan.Text(), "msg=ready") {
				ready <- true
			}
		}
		close(ready)
	})
	var ended atomic.Bool
	wg.Go(func() {
		err := cmd.Wait()
		ended.Store(true)
		n.exit <- err
	})
	t.Cleanup(func() {
		if !ended.Load() { // its number may belong to another process by then
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		}
		wg.Wait()
		if t.Failed() {
			t.Logf("log of the broker:\n%s", n.text())
		}
	})
	select {
	case ok := <-ready:
		if !ok {
			t.Fatalf("the broker has ended: %s", n.text())
		}
	case <-time.After(deadline):
		t.Fatalf("the broker is not ready after %v: %s", deadline, n.text())
	}
	n.port = mqttURL.FindStringSubmatch(n.text())[1]
	n.api = apiURL.FindStringSubmatch(n.text())[1]
	return n
}

// answer is what the API answers at a path, with whatever status.
func (n *node) answer(t *testing.T, path string) string {
	t.Helper()
	resp, err := http.Get("http://" + n.api + path)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil || len(body) == 0 {
		t.Errorf("%s: got %q, %v, want an answer", path, body, err)
	}
	return string(body)
}

func (n *node) text() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.log.String()
}

// stop sends SIGTERM and returns the exit error and how long the end took.
func (n *node) stop(t testing.TB) (time.Duration, error) {
	t.Helper()
	began := time.Now()
	if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-n.exit:
		return time.Since(began), err
	case <-time.After(deadline):
		t.Fatalf("the broker runs on after SIGTERM: %s", n.text())
		return 0, nil
	}
}

// kill ends it as a crash would, and returns when it is gone.
func (n *node) kill(t testing.TB) {
	t.Helper()
	if err := n.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := <-n.exit; err == nil {
		t.Error("the broker has ended with code 0 after SIGKILL, want its signal")
	}
}

// startMosquitto runs Debian's broker on a free port and returns that.
func startMosquitto(t testing.TB) (port string) {
	t.Helper()
	// mosquitto cannot choose a port itself. Another process can take this one first; then the test fails.
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ = net.SplitHostPort(ln.Addr().String())
	_ = ln.Close()
	conf := filepath.Join(t.TempDir(), "mosquitto.conf")
	text := "listener " + port + " 127.0.0.1\nallow_anonymous true\npersistence false\nlog_dest stderr\n"
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 { // it gives up root and then cannot read the file of a private directory
		for dir := filepath.Dir(conf); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
			if err := os.Chmod(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	cmd := exec.Command("mosquitto", "-c", conf)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var lines strings.Builder
	running := make(chan bool, 1)
	var wg sync.WaitGroup
	wg.Go(func() {
		for scan := bufio.NewScanner(stderr); scan.Scan(); {
			fmt.Fprintln(&lines, scan.Text())
			if strings.Contains(scan.Text(), " running") {
				running <- true
			}
		}
		close(running)
	})
	t.Cleanup(func() { _ = cmd.Process.Kill(); wg.Wait(); _ = cmd.Wait() })
	if !<-running {
		t.Fatalf("mosquitto has ended: %s", lines.String())
	}
	return port
}

// client is a running pub or sub.
type client struct {
	cmd  *exec.Cmd
	exit chan struct{} // closed at the end

	mu      sync.Mutex
	stdout  strings.Builder
	stderr  strings.Builder
	changed chan struct{} // closed and made anew with each line, and at the end
	ended   bool
}

// startClient runs a command line until it ends or the deadline kills it. When until is not "", it
// returns only after a line of standard error or output holds that.
func startClient(t testing.TB, until, name string, args ...string) *client {
	t.Helper()
	return startClientCmd(t, until, exec.Command(name, args...))
}

func startClientCmd(t testing.TB, until string, cmd *exec.Cmd) *client {
	t.Helper()
	c := &client{cmd: cmd, exit: make(chan struct{}), changed: make(chan struct{})}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill := func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if !c.ended { // its number may belong to another process by then
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		}
	}
	killer := time.AfterFunc(deadline, kill)
	var readers, wg sync.WaitGroup
	readers.Go(func() { c.read(stdout, &c.stdout) })
	readers.Go(func() { c.read(stderr, &c.stderr) })
	wg.Go(func() {
		readers.Wait()
		_ = cmd.Wait() // its error is the exit code, which the test looks at
		killer.Stop()
		c.mu.Lock()
		c.ended = true
		close(c.changed)
		c.mu.Unlock()
		close(c.exit)
	})
	t.Cleanup(func() { kill(); wg.Wait() })
	if until != "" {
		c.waitForLine(t, until)
	}
	return c
}

func (c *client) read(r io.Reader, b *strings.Builder) {
	for scan := bufio.NewScanner(r); scan.Scan(); {
		c.mu.Lock()
		fmt.Fprintln(b, scan.Text())
		close(c.changed)
		c.changed = make(chan struct{})
		c.mu.Unlock()
	}
}

// waitForLine returns when standard output or error holds text.
func (c *client) waitForLine(t testing.TB, text string) {
	t.Helper()
	for {
		c.mu.Lock()
		out, ended, changed := c.stdout.String()+c.stderr.String(), c.ended, c.changed
		c.mu.Unlock()
		switch {
		case strings.Contains(out, text):
			return
		case ended:
			t.Fatalf("%q: ended before %q: %s", c.cmd.Args, text, out)
		}
		<-changed
	}
}

// wait returns the exit code and standard output.
func (c *client) wait() (int, string) {
	<-c.exit
	return c.cmd.ProcessState.ExitCode(), c.stdout.String()
}

// must runs a command line to its successful end.
func must(t testing.TB, name string, args ...string) {
	t.Helper()
	c := startClient(t, "", name, args...)
	if code, _ := c.wait(); code != 0 {
		t.Fatalf("%s %q: got exit code %d: %s", name, args, code, c.stderr.String())
	}
}
