// Package child runs brokers as processes of their own, for benchmarks to measure.
package child

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
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

// ErrEnded means that a broker has ended before it was told to.
var ErrEnded = errors.New("the broker has ended by itself")

// Process is a running broker.
type Process struct {
	// PID is its number, Dir a directory of its own that Stop removes.
	PID int
	Dir string

	cmd    *exec.Cmd
	output tail
	ended  chan struct{} // closed once cmd.ProcessState is set
}

// Start runs a program and blocks until it accepts connections at ports of the loopback address. command
// returns it with its arguments, and may put files into dir. The caller stops it.
func Start(ctx context.Context, ports []int, command func(dir string) ([]string, error)) (*Process, error) {
	p := &Process{ended: make(chan struct{})}
	var err error
	if p.Dir, err = os.MkdirTemp("", "holdfast-bench-"); err != nil {
		return nil, err
	}
	if err := p.run(command); err != nil {
		os.RemoveAll(p.Dir)
		return nil, err
	}
	for _, port := range ports {
		if err := p.await(ctx, port); err != nil {
			_ = p.Stop() // err tells what was wrong
			return nil, fmt.Errorf("%w%s", err, p.output.quote())
		}
	}
	return p, nil
}

func (p *Process) run(command func(dir string) ([]string, error)) error {
	args, err := command(p.Dir)
	if err != nil {
		return err
	}
	p.cmd = exec.Command(args[0], args[1:]...)
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.output
	p.cmd.Env = cleanEnv(os.Environ())
	if err := p.cmd.Start(); err != nil {
		return err
	}
	p.PID = p.cmd.Process.Pid
	go func() { // Stop waits for it
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
func (p *Process) await(ctx context.Context, port int) error {
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
			return fmt.Errorf("%w: %v", ErrEnded, p.cmd.ProcessState)
		case <-ctx.Done():
			return fmt.Errorf("it does not accept connections: %w", err)
		}
	}
}

// Stop ends the process, removes its directory and blocks until it has ended, at most some ten seconds. It says what was wrong if
// it had ended before.
func (p *Process) Stop() error {
	defer os.RemoveAll(p.Dir)
	select {
	case <-p.ended:
		return fmt.Errorf("%w: %v%s", ErrEnded, p.cmd.ProcessState, p.output.quote())
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

// FreePort returns a TCP port on which nobody listened a moment ago.
func FreePort(ctx context.Context) (int, error) {
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
