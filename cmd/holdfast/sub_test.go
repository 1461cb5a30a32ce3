package main

import (
	"context"
	"errors"
	"strings"
	"testing"
)

func TestSubUsage(t *testing.T) {
	for _, tt := range []struct{ args, want string }{
		{"", "no topic: give a Topic Filter with -t"},
		{"-t a/#/b", `"a/#/b"`},
		{"-t a -T b/#/c", `"b/#/c"`},
		{"-t a -q 3", "3 is not a QoS"},
		{"-t a -C -1", "take numbers above 0"},
		{"-t a -W -1", "take numbers above 0"},
		{"-t a -V 4", "-V 4: write"},
	} {
		code, _, stderr := run(t, "", append([]string{"sub"}, strings.Fields(tt.args)...)...)
		if code != exitUsage || !strings.Contains(stderr, tt.want) {
			t.Errorf("sub %s: got %d, %q, want %d, %q", tt.args, code, stderr, exitUsage, tt.want)
		}
	}
}

func mustPub(t *testing.T, port string, args ...string) {
	t.Helper()
	if code, _, stderr := run(t, "", append([]string{"pub", "-h", "127.0.0.1", "-p", port}, args...)...); code != exitOK {
		t.Fatalf("pub %q: got %d, %q", args, code, stderr)
	}
}

func TestSubSelects(t *testing.T) {
	port := startBroker(t)
	mustPub(t, port, "-t", "a/old", "-m", "old", "-r", "-q", "1")
	wait := startSub(t, t.Context(), "-p", port, "-t", "a/#", "-t", "b", "-T", "a/noise/+", "-R", "-v", "-C", "2")
	for _, topic := range []string{"a/noise/1", "a/b", "c", "a/noise/2", "b"} {
		mustPub(t, port, "-t", topic, "-m", topic, "-q", "1")
	}
	// MQTT promises no order between two topics.
	if code, stdout, _ := wait(); code != exitOK || stdout != "a/b a/b\nb b\n" && stdout != "b b\na/b a/b\n" {
		t.Errorf("got %d, %q, want a/b and b only", code, stdout)
	}
	// Without -R and -v, with -N: the retained message alone, as it is.
	code, stdout, stderr := run(t, "", "sub", "-h", "127.0.0.1", "-p", port, "-t", "a/#", "-C", "1", "-N")
	if code != exitOK || stdout != "old" {
		t.Errorf("got %d, %q (%s), want the retained message", code, stdout, stderr)
	}
}

func TestSubTimesOut(t *testing.T) {
	port := startBroker(t)
	code, _, stderr := run(t, "", "sub", "-h", "127.0.0.1", "-p", port, "-t", "a", "-W", "1")
	if code != exitTimeout || !strings.Contains(stderr, "timed out") {
		t.Errorf("got %d, %q, want %d", code, stderr, exitTimeout)
	}
}

func TestSubEndsWhenInterrupted(t *testing.T) {
	port := startBroker(t)
	ctx, cancel := context.WithCancel(t.Context())
	wait := startSub(t, ctx, "-p", port, "-t", "a")
	cancel()
	if code, _, stderr := wait(); code != exitOK {
		t.Errorf("got %d, %q, want 0", code, stderr)
	}
}

// A session kept with -c holds what was published while nobody was there, in order, and what was
// acknowledged does not come again.
func TestSubKeepsSession(t *testing.T) {
	port := startBroker(t)
	for _, version := range []string{"31", "311", "5"} {
		sub := func(args ...string) string {
			t.Helper()
			args = append([]string{"sub", "-h", "127.0.0.1", "-p", port, "-V", version, "-i", "k" + version, "-c", "-q", "1", "-t", "k/" + version}, args...)
			code, stdout, stderr := run(t, "", args...)
			if code != exitOK {
				t.Fatalf("version %s: got %d, %q", version, code, stderr)
			}
			return stdout
		}
		sub("-E")
		for _, text := range []string{"one", "two"} {
			mustPub(t, port, "-t", "k/"+version, "-m", text, "-q", "1")
		}
		if got := sub("-C", "1"); got != "one\n" {
			t.Errorf("version %s: got %q, want one", version, got)
		}
		// The broker may see the next connection before the acknowledgement on the last one.
		got := sub("-C", "1")
		for got == "one\n" {
			got = sub("-C", "1")
		}
		if got != "two\n" {
			t.Errorf("version %s: got %q, want two", version, got)
		}
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestSubOutputFails(t *testing.T) {
	port := startBroker(t)
	mustPub(t, port, "-t", "a", "-m", "x", "-r", "-q", "1")
	var errs buffer
	code := Run(t.Context(), []string{"sub", "-h", "127.0.0.1", "-p", port, "-t", "a"}, Stdio{In: strings.NewReader(""), Out: brokenPipe{}, Err: &errs})
	if code != exitFailure || !strings.Contains(errs.String(), "broken pipe") {
		t.Errorf("got %d, %q, want 1 and broken pipe", code, errs.String())
	}
}
