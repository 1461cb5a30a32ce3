package main

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
)

func TestMIOPCommands(t *testing.T) {
	addr := startNode(t, "mqtt://127.0.0.1:0", "miop://127.0.0.1:0?app=default")
	mqttPort, port := portOf(t, addr[0]), portOf(t, addr[1])
	at := []string{"-h", "127.0.0.1", "-p", port}
	mustPub(t, mqttPort, "-q", "1", "-t", "inbox/m:alice", "-m", "one")
	mustPub(t, mqttPort, "-q", "1", "-t", "inbox/m:alice", "-m", "two")
	code, stdout, stderr := run(t, "", append([]string{"miop", "listen", "alice@1", "bob@2", "-C", "1", "-v", "-d"}, at...)...)
	if code != exitOK || !strings.HasPrefix(stdout, "1 ") || !strings.HasSuffix(stdout, " one\n") || !strings.Contains(stderr, "sending Bind") {
		t.Errorf("listen: got %d, %q, %q", code, stdout, stderr)
	}
	code, stdout, stderr = run(t, "", append([]string{"miop", "listen", "alice@1", "-C", "1"}, at...)...)
	if code != exitOK || stdout != "two\n" { // the first one has been acknowledged
		t.Errorf("listen: got %d, %q, %q, want two", code, stdout, stderr)
	}
	if code, _, _ := run(t, "", append([]string{"miop", "listen", "alice@1", "-W", "1"}, at...)...); code != exitTimeout {
		t.Errorf("listen -W: got %d, want %d", code, exitTimeout)
	}

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, done := new(buffer), make(chan int, 1)
	go func() {
		done <- Run(ctx, []string{"sub", "-h", "127.0.0.1", "-p", mqttPort, "-t", "up/data", "-q", "1", "-C", "1", "-d"}, Stdio{In: strings.NewReader(""), Out: out, Err: out})
	}()
	out.waitFor(t, "subscribed to")
	if code, _, stderr := run(t, "", append([]string{"miop", "upload", "alice@1", "-m", "temp=21.5"}, at...)...); code != exitOK {
		t.Errorf("upload: got %d, %s", code, stderr)
	}
	if code := <-done; code != exitOK || !strings.Contains(out.String(), "temp=21.5") {
		t.Errorf("sub: got %d, %q", code, out.String())
	}
}

func TestMIOPCommandLine(t *testing.T) {
	for _, tt := range []struct {
		args string
		code int
		want string
	}{
		{"", exitUsage, "holdfast miop listen"},
		{"--help", exitOK, ""},
		{"talk", exitUsage, `"talk" is neither`},
		{"listen", exitUsage, "name 1 to 16 users"},
		{"listen alice", exitUsage, "is not USER@APPID"},
		{"listen alice@0", exitUsage, "is not USER@APPID"},
		{"listen a@1 b@1", exitUsage, "one user of each appid"},
		{"listen a@1 -k 0", exitUsage, "-k takes"},
		{"listen a@1 -C -1", exitUsage, "-C and -W"},
		{"listen a@1 --cafile x", exitUsage, "goes with --tls"},
		{"listen a@1 --tls --cafile " + filepath.Join(t.TempDir(), "none"), exitFailure, "no such file"},
		{"listen a@1 -h 127.0.0.1 -p 1", exitFailure, "connection refused"},
		{"upload a@1", exitUsage, "exactly one of -m and -f"},
		{"upload a@1 b@2 -m x", exitUsage, "name 1 to 1 users"},
		{"upload a@1 -f " + filepath.Join(t.TempDir(), "none"), exitFailure, "no such file"},
	} {
		code, _, stderr := run(t, "", append([]string{"miop"}, strings.Fields(tt.args)...)...)
		if code != tt.code || !strings.Contains(stderr, tt.want) {
			t.Errorf("miop %s: got %d, %q, want %d, %q", tt.args, code, stderr, tt.code, tt.want)
		}
	}
}
