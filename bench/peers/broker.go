package peers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	startTime = 10 * time.Second
	stopTime  = 10 * time.Second
	// keepOutput is how much of a broker's last output is kept for error texts, in bytes.
	keepOutput = 4 << 10
)

// errEnded means that a broker has ended before it was told to.
var errEnded = errors.New("the broker has ended by itself")

// broker is one of the programs that are compared.
type broker struct {
	name string
	// command returns the program and its arguments to listen on a loopback
	// port. dir is a directory for its files.
	command func(port int, dir string, s *scenario) ([]string, error)
}

// holdfast serves from memory, without the operators' API.
func holdfast(binary string, extra []string) broker {
	return broker{"holdfast", func(port int, dir string, s *scenario) ([]string, error) {
		args := []string{binary, "serve", "--listen", s.url(port), "--api", "off", "--data", "memory"}
		if overTLS(s.transport) {
			args = append(args, "--tls-cert", filepath.Join(dir, certFile), "--tls-key", filepath.Join(dir, keyFile))
		}
		return append(args, extra...), nil
	}}
}

// mosquitto runs with the configuration that the package comment explains.
func mosquitto(binary string, extra []string) broker {
	return broker{"mosquitto", func(port int, dir string, s *scenario) ([]string, error) {
		lines := []string{
			fmt.Sprintf("listener %d 127.0.0.1", port), "allow_anonymous true", "persistence false", "log_type none",
		}
		if overTLS(s.transport) {
			lines = append(lines, "certfile "+filepath.Join(dir, certFile), "keyfile "+filepath.Join(dir, keyFile))
		}
		if s.transport != plain && os.Geteuid() == 0 {
			lines = append(lines, "user root") // another has no access to dir
		}
		if overWebSocket(s.transport) {
			lines = append(lines, "protocol websockets", "listener 0 "+filepath.Join(dir, "unused"))
		}
		if s.noDelay {
			lines = append(lines, "set_tcp_nodelay true")
		}
		if s.longQueue {
			lines = append(lines, "max_queued_messages 1000000")
		}
		lines = append(lines, extra...)
		path := filepath.Join(dir, "mosquitto.conf")
		if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
			return nil, err
		}
		return []string{binary, "-c", path}, nil
	}}
}

// process is a running broker.
type process struct {
	url    string
	pid    int
	cmd    *exec.Cmd
	output tail
	ended  chan struct{} // closed once cmd.ProcessState is set
	dir    string
}

// start runs b and waits until it accepts connections.
func (b broker) start(ctx context.Context, s *scenario) (*process, error) {
	port, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	p := &process{url: s.url(port), ended: make(chan struct{})}
	if p.dir, err = os.MkdirTemp("", "holdfast-peers-"); err != nil {
		return nil, err
	}
	if overTLS(s.transport) {
		if err := certify(p.dir); err != nil {
			os.RemoveAll(p.dir)
			return nil, fmt.Errorf("make a certificate: %w", err)
		}
	}
	if err := p.run(b, port, s); err != nil {
		os.RemoveAll(p.dir)
		return nil, fmt.Errorf("start %s: %w", b.name, err)
	}
	if err := p.await(ctx, port); err != nil {
		_ = p.stop() // err tells what was wrong
		return nil, fmt.Errorf("start %s: %w%s", b.name, err, p.output.quote())
	}
	return p, nil
}

func (p *process) run(b broker, port int, s *scenario) error {
	args, err := b.command(port, p.dir, s)
	if err != nil {
		return err
	}
	p.cmd = exec.Command(args[0], args[1:]...)
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.output
	p.cmd.Env = cleanEnv(os.Environ())
	if err := p.cmd.Start(); err != nil {
		return err
	}
	p.pid = p.cmd.Process.Pid
	go func() { // stop waits for it
		_ = p.cmd.Wait() // how it ended is in ProcessState
		close(p.ended)
	}()
	return nil
}

// cleanEnv leaves out the settings of a broker that somebody has in the environment.
func cleanEnv(env []string) []string {
	var out []string
	for _, e := range env {
		if !strings.HasPrefix(e, "HOLDFAST_") {
			out = append(out, e)
		}
	}
	return out
}

// await waits until the broker accepts connections.
func (p *process) await(ctx context.Context, port int) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			return c.Close()
		}
		select {
		case <-tick.C:
		case <-p.ended:
			return fmt.Errorf("%w: %v", errEnded, p.cmd.ProcessState)
		case <-ctx.Done():
			return fmt.Errorf("it does not accept connections: %w", err)
		}
	}
}

// stop ends the process and waits until it has ended. It says what was wrong if
// it had ended before.
func (p *process) stop() error {
	defer os.RemoveAll(p.dir)
	select {
	case <-p.ended:
		return fmt.Errorf("%w: %v%s", errEnded, p.cmd.ProcessState, p.output.quote())
	default:
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may end at this very moment
	t := time.NewTimer(stopTime)
	defer t.Stop()
	select {
	case <-p.ended:
	case <-t.C:
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
	return nil
}

// freePort returns a TCP port on which nobody listened a moment ago.
func freePort(ctx context.Context) (int, error) {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port, nil
}

// tail keeps the last bytes written to it.
type tail struct {
	mu sync.Mutex
	b  []byte
}

// Write never fails.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	if n := len(t.b) - keepOutput; n > 0 {
		t.b = append(t.b[:0], t.b[n:]...)
	}
	return len(p), nil
}

// quote returns the output for the end of an error text.
func (t *tail) quote() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := bytes.TrimSpace(t.b); len(s) > 0 {
		return fmt.Sprintf("; its last output: %s", s)
	}
	return ""
}
