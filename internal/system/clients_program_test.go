//go:build system

package system

import (
	"fmt"
	"io"
	"os/exec"
	"strings"
	"testing"
)

// program is a running program of testdata/clients, with the commands of its README. Its methods end the
// test when the answer is not the wanted one.
type program struct {
	*client
	stdin    io.Writer
	read     int      // bytes of standard output that have been sorted into the two below
	answers  []string // not looked at yet
	messages []string // not looked at yet, without the word message
}

// startProgram runs command with the broker's port and the protocol level (3, 4 or 5) as its last arguments.
func startProgram(t testing.TB, command []string, env []string, port string, level int) *program {
	t.Helper()
	args := append(command[1:len(command):len(command)], port, fmt.Sprint(level))
	cmd := exec.Command(command[0], args...)
	cmd.Env = append(cmd.Environ(), env...)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	return &program{client: startClientCmd(t, "", cmd), stdin: stdin}
}

// do gives a command and waits for the answer.
func (p *program) do(t testing.TB, command, want string) {
	t.Helper()
	// A write fails when the program has ended, which next reports with the reason.
	_, _ = fmt.Fprintln(p.stdin, command)
	if got := p.next(t, &p.answers, command); got != want {
		t.Fatalf("%s: got %q, want %q", command, got, want)
	}
}

// expect waits for messages, each "TOPIC QOS RETAIN PAYLOAD", which must be the next to arrive.
func (p *program) expect(t testing.TB, want ...string) {
	t.Helper()
	for i, w := range want {
		if got := p.next(t, &p.messages, "message "+w); got != w {
			t.Fatalf("message %d of %d: got %q, want %q", i+1, len(want), got, w)
		}
	}
}

// next takes the first entry of queue, which is p.answers or p.messages.
func (p *program) next(t testing.TB, queue *[]string, waitingFor string) string {
	t.Helper()
	for {
		p.mu.Lock()
		lines := p.stdout.String()[p.read:]
		stderr, ended, changed := p.stderr.String(), p.ended, p.changed
		p.read += len(lines)
		p.mu.Unlock()
		for line := range strings.Lines(lines) {
			line = strings.TrimSuffix(line, "\n")
			if message, ok := strings.CutPrefix(line, "message "); ok {
				p.messages = append(p.messages, message)
			} else {
				p.answers = append(p.answers, line)
			}
		}
		switch {
		case len(*queue) > 0:
			first := (*queue)[0]
			*queue = (*queue)[1:]
			return first
		case ended || len(p.answers) > 0:
			t.Fatalf("%q: waiting for %q: got %q and messages %q, ended: %t, standard error: %s",
				p.cmd.Args, waitingFor, p.answers, p.messages, ended, stderr)
		}
		<-changed
	}
}

// kill ends the program as a crash does: without DISCONNECT. It returns when the program is gone.
func (p *program) kill(t testing.TB) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	p.wait()
}

// finish closes standard input and waits for the end, which must come without a word more.
func (p *program) finish(t testing.TB) {
	t.Helper()
	if err := p.stdin.(io.Closer).Close(); err != nil {
		t.Error(err)
	}
	code, stdout := p.wait()
	if rest := stdout[p.read:]; code != 0 || rest != "" || len(p.answers) > 0 || len(p.messages) > 0 {
		t.Errorf("%q: got exit code %d and %q, answers %q, messages %q, standard error %s; want 0 and none",
			p.cmd.Args, code, rest, p.answers, p.messages, p.stderr.String())
	}
}
