package crash

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// server is the program under test. It is started many times, always on the same port and data directory.
type server struct {
	// static
	binary string
	data   string // what --data is told
	port   int

	cmd     *exec.Cmd
	exit    chan struct{} // closed once cmd has ended
	longest time.Duration // from exec to ready

	mu  sync.Mutex
	log []string // the last lines of all rounds
}

const keepLines = 60

// newServer chooses a port. It must be the same in every round, so the kernel cannot choose it, and it lies below
// the kernel's range for outgoing connections: a client that dials while the server is down would reach itself.
func newServer(binary, data string, choose func(n int) int) (*server, error) {
	for range 100 {
		port := 10_000 + choose(20_000)
		ln, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err != nil {
			continue
		}
		_ = ln.Close()
		return &server{binary: binary, data: data, port: port}, nil
	}
	return nil, errors.New("no free port between 10,000 and 30,000")
}

func (s *server) address() string { return "127.0.0.1:" + strconv.Itoa(s.port) }

// start runs the program and returns a channel on which one value comes: nil when it is ready, or why it will not be.
func (s *server) start() (<-chan error, error) {
	s.cmd = exec.Command(s.binary, "serve", "--listen", "mqtt://"+s.address(), "--api", "off", "--data", s.data)
	// Clients are away for long: what waits for them must not push back.
	s.cmd.Env = append(os.Environ(), "HOLDFAST_BROKER_MAX_QUEUED_MESSAGES=100000", "HOLDFAST_BROKER_MAX_QUEUED_BYTES=256MiB")
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	s.cmd.Stderr = w
	began := time.Now()
	if err := s.cmd.Start(); err != nil {
		return nil, errors.Join(err, r.Close(), w.Close())
	}
	_ = w.Close()
	s.note(fmt.Sprintf("-- started, process %d", s.cmd.Process.Pid))
	ready := make(chan error, 1)
	s.exit = make(chan struct{})
	var lines sync.WaitGroup
	lines.Go(func() { s.readLog(r, began, ready) })
	go func(cmd *exec.Cmd, exit chan struct{}) { // end waits for it
		_ = cmd.Wait() // how it ended is in ProcessState
		lines.Wait()
		select {
		case ready <- fmt.Errorf("the server has ended before it was ready: %v", cmd.ProcessState):
		default: // it was ready
		}
		close(exit)
	}(s.cmd, s.exit)
	return ready, nil
}

// readLog keeps the program's last lines and looks for the one that says it serves.
func (s *server) readLog(r io.ReadCloser, began time.Time, ready chan<- error) {
	defer r.Close()
	for scan := bufio.NewScanner(r); scan.Scan(); {
		s.note(scan.Text())
		if strings.Contains(scan.Text(), "msg=ready") {
			s.mu.Lock()
			s.longest = max(s.longest, time.Since(began))
			s.mu.Unlock()
			ready <- nil
		}
	}
}

func (s *server) note(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = append(s.log, line)
	if n := len(s.log) - keepLines; n > 0 {
		s.log = append(s.log[:0], s.log[n:]...)
	}
}

// awaitReady waits for what start's channel says.
func awaitReady(ready <-chan error) error {
	t := time.NewTimer(patience)
	defer t.Stop()
	select {
	case err := <-ready:
		return err
	case <-t.C:
		return fmt.Errorf("the server is not ready after %v", patience)
	}
}

// kill ends the process with a signal that it cannot see and waits until it is gone. It is an error if it was gone
// before.
func (s *server) kill() error {
	select {
	case <-s.exit:
		return fmt.Errorf("the server has ended by itself: %v", s.cmd.ProcessState)
	default:
	}
	_ = s.cmd.Process.Signal(syscall.SIGKILL)
	<-s.exit
	if st, ok := s.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && !st.Signaled() {
		return fmt.Errorf("the server has ended by itself: %v", s.cmd.ProcessState)
	}
	return nil
}

// lastLines returns the end of the log and the longest time that a start took.
func (s *server) lastLines() (string, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.log, "\n"), s.longest
}
