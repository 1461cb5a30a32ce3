package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestPubUsage(t *testing.T) {
	for _, tt := range []struct{ args, want string }{
		{"-m x", "no topic: give one with -t"},
		{"-t a/# -m x", `-t "a/#"`},
		{"-t a", "exactly one of -m, -f, -l, -s and -n"},
		{"-t a -m x -n", "exactly one of -m, -f, -l, -s and -n"},
		{"-t a -m x -q 3", "3 is not a QoS"},
		{"-t a -m x -V 4", "-V 4: write mqttv31, mqttv311 or mqttv5"},
		{"-t a -m x -c", "-c needs a client id"},
		{"-t a -m x -P secret", "-P needs -u"},
		{"-t a -m x -x 5", "-x needs -V mqttv5"},
		{"-t a -m x -V 5 -x -2", "-x -2: write seconds"},
		{"-t a -m x --will-payload y", "a Will needs --will-topic"},
		{"-t a -m x --will-topic w/+", `--will-topic "w/+"`},
		{"-t a -m x --will-topic w --will-qos 3", "--will-qos: 3 is not a QoS"},
		{"-t a -m x -L http://h/a", "-L takes mqtt://"},
		{"-t a -m x -p 70000", "invalid argument"},
		{"-t a -m x more", `unexpected argument "more"`},
		{"-t a -m x --bogus", "unknown flag: --bogus"},
	} {
		code, _, stderr := run(t, "", append([]string{"pub"}, strings.Fields(tt.args)...)...)
		if code != exitUsage || !strings.Contains(stderr, tt.want) {
			t.Errorf("pub %s: got %d, %q, want %d, %q", tt.args, code, stderr, exitUsage, tt.want)
		}
	}
}

func TestPubFailures(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"-t", "a", "-m", "x", "-p", "1"}, "start a broker ('holdfast serve')"},
		{[]string{"-t", "a", "-f", "none.txt"}, "open none.txt"},
	} {
		code, _, stderr := run(t, "", append([]string{"pub", "-h", "127.0.0.1"}, tt.args...)...)
		if code != exitFailure || !strings.Contains(stderr, tt.want) {
			t.Errorf("pub %q: got %d, %q, want %d, %q", tt.args, code, stderr, exitFailure, tt.want)
		}
	}
}

// startSub runs sub until it has subscribed; the returned function waits for its end.
func startSub(t *testing.T, ctx context.Context, args ...string) (wait func() (code int, stdout, stderr string)) {
	t.Helper()
	var out, errs buffer
	var wg sync.WaitGroup
	code := -1
	wg.Go(func() {
		code = Run(ctx, append([]string{"sub", "-d", "-h", "127.0.0.1"}, args...), Stdio{In: strings.NewReader(""), Out: &out, Err: &errs})
	})
	errs.waitFor(t, "subscribed to ")
	return func() (int, string, string) { wg.Wait(); return code, out.String(), errs.String() }
}

func TestPubSources(t *testing.T) {
	port := startBroker(t)
	file := filepath.Join(t.TempDir(), "m")
	if err := os.WriteFile(file, []byte("from\nfile"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, in string
		args     []string
		count    string
		want     string
	}{
		{"-m", "", []string{"-t", "a/b", "-m", "hi"}, "1", "a/b hi\n"},
		{"-m empty", "", []string{"-t", "a/b", "-m", ""}, "1", "a/b \n"},
		{"-n", "", []string{"-t", "a/b", "-n"}, "1", "a/b \n"},
		{"-f", "", []string{"-t", "a/b", "-f", file}, "1", "a/b from\nfile\n"},
		{"-s", "one\ntwo\n", []string{"-t", "a/b", "-s"}, "1", "a/b one\ntwo\n\n"},
		{"-l", "one\ntwo\n\nfour", []string{"-t", "a/b", "-l"}, "4", "a/b one\na/b two\na/b \na/b four\n"},
		{"-L", "", []string{"-L", "mqtt://u:p@127.0.0.1:" + port + "/a/c", "-m", "hi"}, "1", "a/c hi\n"},
	} {
		for _, version := range []string{"mqttv31", "311", "mqttv5"} {
			for _, qos := range []string{"0", "1", "2"} {
				wait := startSub(t, t.Context(), "-p", port, "-V", version, "-t", "a/#", "-v", "-q", qos, "-C", tt.count)
				args := append([]string{"pub", "-h", "127.0.0.1", "-p", port, "-V", version, "-q", qos}, tt.args...)
				if code, _, stderr := run(t, tt.in, args...); code != exitOK {
					t.Fatalf("pub %s, version %s, QoS %s: got %d, %q", tt.name, version, qos, code, stderr)
				}
				if code, stdout, stderr := wait(); code != exitOK || stdout != tt.want {
					t.Errorf("pub %s, version %s, QoS %s: got %d, %q (%s), want %q", tt.name, version, qos, code, stdout, stderr, tt.want)
				}
			}
		}
	}
}
